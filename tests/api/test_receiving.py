"""Uploads as streams: one file of a form, or a raw body, however the bytes are cut on their way."""

from __future__ import annotations

import random
import shutil
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st
from reelkit.api.receiving import ClientGone, Upload, open_upload, safe_name
from reelkit.api.upload_spool import put_aside
from reelkit.catalog.checksums import Checksum
from reelkit.problems import (
    EmptyFile,
    FileTooLarge,
    InvalidPayload,
    MultipleFiles,
    NoFile,
    Problem,
    StorageIsFull,
    UploadIncomplete,
)

FORM = {"content-type": 'multipart/form-data; boundary="b"'}
LIMIT = 1_000_000


def part(name: str, content: bytes, filename: str | None = None, kind: str = "") -> bytes:
    head = f'--b\r\nContent-Disposition: form-data; name="{name}"'
    head += "" if filename is None else f'; filename="{filename}"'
    head += f"\r\nContent-Type: {kind}" if kind else ""
    return head.encode() + b"\r\n\r\n" + content + b"\r\n"


class Wire:
    """An ASGI receive over chunks; leaves: the client goes after them."""

    def __init__(self, chunks: Sequence[bytes], leaves: bool = False) -> None:
        self.messages: list[dict[str, Any]] = [
            {"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks
        ]
        end = {"type": "http.disconnect"} if leaves else {"type": "http.request", "body": b"", "more_body": False}
        self.messages.append(end)

    async def __call__(self) -> Any:
        return self.messages.pop(0)


def cut(body: bytes, seed: int, pieces: int) -> list[bytes]:
    chance = random.Random(seed)
    at = sorted(chance.randrange(len(body) + 1) for _ in range(pieces))
    return [body[start:stop] for start, stop in zip([0, *at], [*at, len(body)], strict=True)]


async def take(
    chunks: Sequence[bytes],
    headers: dict[str, str],
    leaves: bool = False,
    limit: int = LIMIT,
    query: dict[str, str] | None = None,
) -> tuple[Upload, bytes]:
    upload = await open_upload(Wire(chunks, leaves), headers, query or {}, limit)
    return upload, b"".join([chunk async for chunk in upload])


@given(st.binary(min_size=1, max_size=3000), st.integers(0, 1 << 30), st.integers(0, 30), st.booleans())
async def test_a_form_gives_the_exact_bytes_however_it_is_cut(content: bytes, seed: int, pieces: int, after: bool) -> None:
    tricky = content.replace(b"\x00", b"\r\n--").replace(b"\x01", b"\r\n--\r")
    field = part("videoId", b"vi1")
    file = part("any name.mp4", tricky, "any name.mp4", "video/mp4")
    body = (file + field if after else field + file) + b"--b--\r\n"
    upload, taken = await take(cut(body, seed, pieces), FORM)
    assert taken == tricky
    assert upload.filename == "any name.mp4"
    assert upload.fields == {"videoId": "vi1"}


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (part("a", b"text") + b"--b--\r\n", NoFile),
        (b"--b--\r\n", NoFile),
        (b"", UploadIncomplete),
        (part("f", b"", "") + b"--b--\r\n", NoFile),
        (part("f", b"", "a.mp4") + b"--b--\r\n", EmptyFile),
        (part("f", b"1", "a.mp4") + part("g", b"2", "b.mp4") + b"--b--\r\n", MultipleFiles),
        (part("f", b"1", "a.mp4"), UploadIncomplete),
        (part("f", b"x" * (LIMIT + 1), "a.mp4") + b"--b--\r\n", FileTooLarge),
        (part("f", b"1", "a.mp4") + part("a", b"x" * 100_000) + b"--b--\r\n", InvalidPayload),
        (b"".join(part(f"f{n}", b"x") for n in range(100)) + b"--b--\r\n", InvalidPayload),
        (b"--b\nContent-Disposition: form-data\n\nx\n--b--\n", InvalidPayload),
    ],
)
async def test_a_bad_form_says_what_is_wrong(body: bytes, fault: type[Problem]) -> None:
    for pieces in (0, 7):
        with pytest.raises(fault):
            await take(cut(body, 1, pieces), FORM)


async def test_a_form_that_leads_to_no_file_is_not_kept_in_memory() -> None:
    wire = Wire([b"x" * 65536] * 1000)
    with pytest.raises(InvalidPayload, match="No file begins"):
        await open_upload(wire, FORM, {}, 1 << 30)
    assert len(wire.messages) > 900


async def test_the_file_is_known_by_its_name_its_field_or_its_type() -> None:
    for given_part in (part("x", b"1", "a.mp4"), part("file", b"1"), part("x", b"1", kind="video/mp4")):
        assert (await take([given_part + b"--b--\r\n"], FORM))[1] == b"1"


async def test_an_input_without_a_file_is_none() -> None:
    blank, film = part("g", b"", "", "application/octet-stream"), part("f", b"1", "a.mp4")
    for form in (blank + film, film + blank, blank + film + blank):
        for pieces in (0, 50):
            upload, taken = await take(cut(form + b"--b--\r\n", 1, pieces), FORM)
            assert (upload.filename, taken) == ("a.mp4", b"1")


@pytest.mark.parametrize("beside", ["", '; filename="=?utf-8?B?ZsO8ci5tcDQ=?="'])
async def test_a_file_of_dotnet_has_its_name(beside: str) -> None:
    head = f"--b\r\nContent-Disposition: form-data; name=x{beside}; filename*=utf-8''f%C3%BCr.mp4\r\n\r\n"
    upload, taken = await take([head.encode() + b"1\r\n--b--\r\n"], FORM)
    assert (upload.filename, taken) == ("für.mp4", b"1")


async def test_a_client_that_leaves_is_noticed() -> None:
    with pytest.raises(ClientGone):
        await take([part("f", b"12345", "a.mp4")[:-5]], FORM, leaves=True)
    with pytest.raises(ClientGone):
        await take([b"12345"], {"content-type": "video/mp4"}, leaves=True)


async def test_a_declared_size_is_refused_before_a_byte_is_taken() -> None:
    wire = Wire([b"x"])
    with pytest.raises(FileTooLarge):
        await open_upload(wire, {"content-type": "video/mp4", "content-length": str(LIMIT + 1)}, {}, LIMIT)
    with pytest.raises(FileTooLarge):
        await open_upload(wire, {**FORM, "content-length": str(LIMIT + (2 << 20))}, {}, LIMIT)
    assert len(wire.messages) == 2


async def test_what_is_put_aside_leaves_the_disk_room(small_disk: Path) -> None:
    free: list[int] = []

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(1 << 20)
            free.append(shutil.disk_usage(small_disk).free)

    with pytest.raises(StorageIsFull):
        async with put_aside(small_disk) as aside:
            await aside.take(endless())
    assert 1 << 20 < min(free) < 4 << 20
    assert shutil.disk_usage(small_disk).free > 23 << 20


async def test_a_raw_body_takes_its_name_from_the_header_or_the_query() -> None:
    raw = {"content-type": "video/quicktime"}
    assert (await take([b"1"], raw))[0].filename == "file"
    assert (await take([b"1"], raw, query={"filename": "../a/b.mov"}))[0].filename == "b.mov"
    named = {**raw, "content-disposition": "attachment; filename*=UTF-8''f%C3%BCr.mov"}
    assert (await take([b"1"], named))[0].filename == "für.mov"


@pytest.mark.parametrize("kind", ["", "text/html", "image/png", "application/json", "multipart/mixed; boundary=b"])
async def test_other_types_are_no_file(kind: str) -> None:
    with pytest.raises(NoFile, match=r"multipart/form-data"):
        await take([b"1"], {"content-type": kind})


async def test_a_form_without_a_boundary_or_packed_is_refused() -> None:
    for headers in ({"content-type": "multipart/form-data"}, {**FORM, "content-encoding": "gzip"}):
        with pytest.raises(InvalidPayload):
            await take([b"--b--"], headers)


@given(st.text(max_size=400))
def test_a_name_is_one_printable_line(name: str) -> None:
    safe = safe_name(name)
    assert 0 < len(safe) <= 255 and "/" not in safe and "\\" not in safe and safe.isprintable()


@pytest.mark.parametrize("pieces", [0, 3, 500])
async def test_a_checksum_is_that_of_all_bytes(pieces: int) -> None:
    content = random.Random(3).randbytes(7_000_000)

    async def chunks() -> Any:
        for chunk in cut(content, 4, pieces):
            yield chunk

    checksum = Checksum()
    assert b"".join([chunk async for chunk in checksum.follow(chunks())]) == content
    assert str(checksum) == f"blake3:{blake3(content).hexdigest()}"
    assert checksum.size == len(content)
