"""Bytes from memory, files and objects, whole and in part."""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from reelkit.delivery import bodies
from reelkit.delivery.bodies import Body, BytesBody, FileBody, ObjectBody, PlannedBody, within
from reelkit.interfaces.storage import NotStored

DATA = random.Random(1).randbytes(6_000_000)


class Objects:
    """Objects in memory, handed out in chunks of an awkward size; counts what is asked for."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.asked: list[tuple[int, int | None]] = []

    async def read(self, key: str, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        self.asked.append((start, stop))
        wanted = self.data[start:stop]
        for at in range(0, len(wanted), 77_777):
            yield wanted[at : at + 77_777]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(DATA)
    return path


async def read(body: Body, start: int, stop: int) -> bytes:
    chunks = [chunk async for chunk in body.read(start, stop)]
    assert all(len(chunk) <= 5 << 19 for chunk in chunks)
    return b"".join(chunks)


def stored(kind: str, file: Path) -> FileBody | ObjectBody:
    return FileBody(file, len(DATA)) if kind == "file" else ObjectBody(Objects(DATA), "key", len(DATA))  # type: ignore[arg-type]  # only read is used


@pytest.mark.parametrize("kind", ["file", "object"])
@pytest.mark.parametrize("span", [(0, 6_000_000), (0, 1), (5_999_999, 6_000_000), (524_287, 1_048_577), (1, 2_621_442)])
async def test_a_range_has_exactly_its_bytes(kind: str, span: tuple[int, int], file: Path) -> None:
    assert await read(stored(kind, file), *span) == DATA[slice(*span)]


@pytest.mark.parametrize("kind", ["file", "object"])
async def test_a_plan_is_its_head_and_its_ranges_wherever_it_is_cut(kind: str, file: Path) -> None:
    ranges = [(100, 200), (200, 1_400_000), (1_500_000, 1_500_001), (10, 60), (2_900_000, 5_900_000)]
    body = PlannedBody(b"head" * 100, ranges, stored(kind, file))
    whole = b"head" * 100 + b"".join(DATA[start:stop] for start, stop in ranges)
    assert body.size == len(whole)
    assert await read(body, 0, body.size) == whole
    chance = random.Random(2)
    for _ in range(50):
        start = chance.randrange(body.size)
        stop = chance.randrange(start, body.size) + 1
        assert await read(body, start, stop) == whole[start:stop]


async def test_neighbouring_ranges_of_an_object_cost_one_request() -> None:
    objects = Objects(DATA)
    ranges = [(at, at + 1000) for at in range(0, 500_000, 5000)]
    body = PlannedBody(b"", ranges, ObjectBody(objects, "key", len(DATA)))  # type: ignore[arg-type]  # only read is used
    assert await read(body, 0, body.size) == b"".join(DATA[start:stop] for start, stop in ranges)
    assert objects.asked == [(0, 496_000)]


async def test_what_the_page_cache_lacks_is_read_in_a_thread(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []

    def uncached(*_: object) -> None:
        return None

    def slowly(handle: int, ranges: list[tuple[int, int]]) -> bytes:
        import threading

        threads.append(threading.get_ident())
        return b"".join(os.pread(handle, stop - start, start) for start, stop in ranges)

    monkeypatch.setattr(bodies, "_read_cached", uncached)
    monkeypatch.setattr(bodies, "_read_now", slowly)
    assert await read(FileBody(file, len(DATA)), 5, 5_000_000) == DATA[5:5_000_000]
    import threading

    assert threads and threading.get_ident() not in threads


async def test_a_file_that_is_gone_or_shorter_is_not_stored(tmp_path: Path) -> None:
    with pytest.raises(NotStored):
        await read(FileBody(tmp_path / "none", 10), 0, 10)
    (tmp_path / "short").write_bytes(b"12345")
    with pytest.raises(NotStored):
        await read(FileBody(tmp_path / "short", 10), 0, 10)


async def test_an_object_that_is_shorter_than_its_plan_is_not_stored() -> None:
    short = ObjectBody(Objects(DATA[:1000]), "key", 1000)  # type: ignore[arg-type]  # only read is used
    with pytest.raises(NotStored):
        await read(PlannedBody(b"h", [(900, 1100)], short), 0, 201)


async def test_no_file_stays_open_when_a_reader_leaves(file: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for body in (FileBody(file, len(DATA)), PlannedBody(b"h", [(0, 2_000_000)], FileBody(file, len(DATA)))):
        chunks = body.read(0, body.size)
        await anext(chunks)
        await chunks.aclose()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


async def test_bytes_in_memory_are_cut_like_any_others() -> None:
    assert await read(BytesBody(DATA), 7, 9) == DATA[7:9]


def test_a_cut_outside_of_the_ranges_is_empty() -> None:
    assert within([(10, 20)], -5, 0) == []
    assert within([(10, 20)], 10, 20) == []
    assert within([(10, 20), (30, 40)], 5, 15) == [(15, 20), (30, 35)]
