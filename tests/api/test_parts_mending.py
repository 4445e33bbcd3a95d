"""What is left of uploads in parts is finished or forgotten, in the catalog and in the storage."""

from __future__ import annotations

import asyncio
import dataclasses
import tracemalloc
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from reelkit.api import parts as api_parts
from reelkit.api.parts import take_part
from reelkit.api.parts_mending import mend_uploads
from reelkit.api.parts_open import open_upload_in_parts
from reelkit.api.parts_problems import PartBusy
from reelkit.api.parts_rules import content_range
from reelkit.api.parts_storage import PartsAsObjects, multipart_of
from reelkit.api.sources import take_source
from reelkit.api.tus_concat import concatenate
from reelkit.api.tus_problems import UploadGone, UploadTaken
from reelkit.api.tus_storing import append_bytes
from reelkit.catalog import parts, sources, videos
from reelkit.catalog.errors import DatabaseBusy
from reelkit.catalog.ids import new_id
from reelkit.catalog.parts import PartialUpload
from reelkit.catalog.scope import Scope
from reelkit.catalog.videos import NewVideo, Video
from reelkit.interfaces.storage import KeyTaken, Multipart, NotStored, Part, Storage, Stored
from reelkit.jobs.erasing import erase
from reelkit.jobs.runtime import Runtime, running
from reelkit.plugins import load_plugins
from reelkit.problems import NotFound, Problem, SourceAlreadyUploaded, UploadIncomplete
from reelkit.site import Site, Videos
from reelkit.testing.streams import content, joined, stream

SCOPE = Scope("default", "production")
MIB = 1 << 20


class Given:
    """A part as a request brings it."""

    def __init__(self, data: bytes) -> None:
        self.filename = "a.mp4"
        self.fields: dict[str, str] = {}
        self.length = len(data)
        self._data = data

    def __aiter__(self) -> AsyncIterator[bytes]:
        return stream(self._data)


@pytest.fixture
async def runtime(tmp_path: Path) -> AsyncIterator[Runtime]:
    site = Site(folder=tmp_path / "site")
    async with running(site, load_plugins(site), run_jobs=False) as opened:
        yield opened


@pytest.fixture
async def video(runtime: Runtime) -> Video:
    return await videos.create(SCOPE, NewVideo(title="t"))


def uploads(runtime: Runtime) -> list[str]:
    """The uploads that the storage still holds."""
    return [folder.name for folder in (runtime.site.data / "media" / "uploads").iterdir()]


async def send(runtime: Runtime, video: Video, header: str, data: bytes) -> None:
    piece = content_range(header, runtime.site.limits.source_bytes)
    assert piece is not None
    await take_part(runtime, video, piece, Given(data))


async def upload_of(video: Video) -> tuple[str, PartialUpload]:
    source = await sources.for_video(SCOPE, video.video_id)
    assert source is not None
    upload = await parts.for_source(SCOPE, source.id)
    assert upload is not None
    return source.status, upload


class Killed(BaseException):
    """The process dies here."""


@pytest.mark.parametrize("when", ["before the parts are joined", "before that is noted"])
async def test_an_upload_whose_process_died_at_its_end_is_finished(
    runtime: Runtime, video: Video, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    data = content(11 * MIB)

    async def die(*_: Any) -> bool:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(*((api_parts, "complete") if when.startswith("before the") else (parts, "joined")), die)
        for number in (2, 1):
            await send(runtime, video, f"part {number}/2", data[(number - 1) * 6 * MIB : number * 6 * MIB])
    assert (await upload_of(video))[0] == "uploading"
    await mend_uploads(runtime, alone=True)
    status, upload = await upload_of(video)
    assert (status, upload.joined, uploads(runtime)) == ("uploaded", True, [])
    assert await joined(runtime.storage.read(upload.storage_key)) == data
    assert await runtime.engine.status("ingest", upload.source_id or "") is not None


async def test_an_upload_is_taken_and_removed_while_the_jobs_do_not_answer(
    runtime: Runtime, video: Video, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise OSError("connection refused")

    for name in ("enqueue", "rows", "cancel"):
        monkeypatch.setattr(runtime.engine._durable, name, away)
        await take_source(runtime, video, None, Given(b"no film"), None)
        source = await sources.for_video(SCOPE, video.video_id)
        assert source is not None and source.status == "uploaded"
        assert await erase(runtime, video) is not None and await videos.get(SCOPE, video.video_id) is None
        video = await videos.create(SCOPE, NewVideo(title="t"))
        monkeypatch.undo()


class Followed(Given):
    """A body that goes on until its place is taken."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            yield self._data
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("header", "fault"), [(None, SourceAlreadyUploaded), ("part 1/2", PartBusy), ("bytes 0-5242879/9000000", PartBusy)]
)
async def test_who_lost_their_place_stops(
    runtime: Runtime, video: Video, monkeypatch: pytest.MonkeyPatch, header: str | None, fault: type[Problem]
) -> None:
    monkeypatch.setattr(api_parts, "BEAT", 0.01)
    beats = 0

    async def beat(*_: Any) -> bool:
        nonlocal beats
        beats += 1
        if beats == 1:
            raise DatabaseBusy("busy")
        return False

    monkeypatch.setattr(sources, "beat", beat)
    monkeypatch.setattr(parts, "keep_claim", beat)
    given = Followed(b"more bytes")
    given.length = 5 * MIB
    async with asyncio.timeout(30):
        with pytest.raises(fault):
            await take_source(runtime, video, content_range(header, 1 << 30), given, None)
    assert await sources.for_video(SCOPE, video.video_id) is None and uploads(runtime) == []


@pytest.mark.parametrize("days", [7, 2])
async def test_an_upload_that_was_not_finished_in_time_is_forgotten(runtime: Runtime, video: Video, days: int) -> None:
    site = msgspec.structs.replace(runtime.site, videos=Videos(abandoned_days=days))
    runtime = dataclasses.replace(runtime, site=site)
    await send(runtime, video, "part 1/2", content(6 * MIB))
    _, upload = await upload_of(video)
    await mend_uploads(runtime)
    assert len(uploads(runtime)) == 1
    old = (datetime.now(UTC) - timedelta(days=days, seconds=1)).isoformat(sep=" ")
    await runtime.database.fetch(f"UPDATE upload SET created_at = '{old}'")
    await mend_uploads(runtime)
    assert uploads(runtime) == []
    assert await sources.for_video(SCOPE, video.video_id) is None
    assert await parts.get(SCOPE, upload.id) is None
    # The video takes another one.
    await send(runtime, video, "bytes 0-5242879/9000000", content(5 * MIB))


async def test_parts_of_a_deleted_video_are_forgotten(runtime: Runtime, video: Video) -> None:
    await send(runtime, video, "part 1/2", content(6 * MIB))
    await videos.delete(SCOPE, video.video_id)
    with pytest.raises(NotFound):
        await send(runtime, video, "part 2/2", b"x")
    await mend_uploads(runtime)
    assert uploads(runtime) == []


async def test_uploads_that_are_concatenated_survive_a_death(runtime: Runtime, video: Video) -> None:
    halves = [content(6 * MIB, 1), content(100, 2)]
    ids = []
    for half in halves:
        id = new_id("up")
        key = f"default/{id}/file"
        opened = await multipart_of(runtime.storage).begin(key)
        partial = await parts.insert(
            SCOPE, id=id, video_id=None, source_id=None, storage_key=key, storage_upload=opened, mode="tus",
            total=len(half), token=None, filename="", metadata="", concat="partial",
        )  # fmt: skip
        assert await append_bytes(runtime, partial, 0, stream(half), len(half), None) == len(half)
        ids.append(id)
        await runtime.storage.put(f"default/{id}/tail.lost", stream(b"of a process that was killed"))
    await mend_uploads(runtime)
    concat = "final;" + " ".join(f"/uploads/tus/{id}" for id in ids)
    final = await open_upload_in_parts(runtime, video, "tus", "a.mp4", total=6 * MIB + 100, concat=concat, exclusive=True)
    await mend_uploads(runtime)
    await concatenate(runtime, final)
    status, upload = await upload_of(video)
    assert (status, upload.joined) == ("uploaded", True)
    assert await joined(runtime.storage.read(final.storage_key)) == b"".join(halves)
    kept = [stored.key async for stored in runtime.storage.list("default/")]
    assert kept == [final.storage_key] and uploads(runtime) == []
    assert [await parts.get(SCOPE, id) for id in ids] == [None, None]


async def test_parts_that_the_storage_has_forgotten_can_be_sent_anew(runtime: Runtime, video: Video) -> None:
    await send(runtime, video, "part 1/2", content(6 * MIB))
    _, upload = await upload_of(video)
    await multipart_of(runtime.storage).abort(upload.storage_key, upload.storage_upload)
    with pytest.raises(UploadIncomplete):
        await send(runtime, video, "part 2/2", b"x")
    assert await sources.for_video(SCOPE, video.video_id) is None
    await send(runtime, video, "part 1/2", content(6 * MIB))


async def test_a_tus_upload_that_the_storage_has_forgotten_is_gone(runtime: Runtime, video: Video) -> None:
    upload = await open_upload_in_parts(runtime, video, "tus", "a.mp4", total=20 * MIB, exclusive=True)
    await multipart_of(runtime.storage).abort(upload.storage_key, upload.storage_upload)
    with pytest.raises(UploadGone):
        await append_bytes(runtime, upload, 0, stream(content(8 * MIB)), 8 * MIB, None)
    assert await sources.for_video(SCOPE, video.video_id) is None
    assert await parts.get(SCOPE, upload.id) is None


async def test_a_tus_body_of_unknown_length_is_not_kept_in_memory(runtime: Runtime, video: Video) -> None:
    upload = await open_upload_in_parts(runtime, video, "tus", "a.mp4", total=20 * MIB, exclusive=True)

    async def body() -> AsyncIterator[bytes]:
        for _ in range(160):
            yield bytes(MIB >> 4)

    tracemalloc.start()
    assert await append_bytes(runtime, upload, 0, body(), None, None) == 10 * MIB
    assert tracemalloc.get_traced_memory()[1] < 5 * MIB
    tracemalloc.stop()


async def test_a_tus_request_that_was_overtaken_leaves_the_finished_upload_alone(runtime: Runtime, video: Video) -> None:
    data = content(9 * MIB)
    upload = await open_upload_in_parts(runtime, video, "tus", "a.mp4", total=len(data), exclusive=True)

    async def overtaken() -> AsyncIterator[bytes]:
        yield data[: 6 * MIB]
        assert await append_bytes(runtime, upload, 0, stream(data), len(data), None) == len(data)
        assert await api_parts.join(runtime, upload)
        yield data[6 * MIB :]

    with pytest.raises(UploadTaken):
        await append_bytes(runtime, upload, 0, overtaken(), len(data), None)
    source = await sources.for_video(SCOPE, video.video_id)
    assert source is not None and source.status == "uploaded"
    assert await joined(runtime.storage.read(source.storage_key)) == data


async def test_uploads_that_went_before_they_were_concatenated_fail_the_video(runtime: Runtime, video: Video) -> None:
    concat = "final;/uploads/tus/upGone"
    await open_upload_in_parts(runtime, video, "tus", "a.mp4", total=100, concat=concat, exclusive=True)
    await mend_uploads(runtime)
    source = await sources.for_video(SCOPE, video.video_id)
    assert source is not None and (source.status, source.failure) == ("failed", "There is no partial upload upGone.")
    assert uploads(runtime) == []
    # The video takes another one.
    await send(runtime, video, "bytes 0-5242879/9000000", content(5 * MIB))


class Plain:
    """A storage of a third party that has nothing but what every storage must have."""

    def __init__(self, inner: Storage) -> None:
        for name in ("put", "read", "stat", "list", "delete", "check", "close"):
            setattr(self, name, getattr(inner, name))


async def test_parts_in_a_storage_without_multipart_uploads(runtime: Runtime) -> None:
    storage: Any = Plain(runtime.storage)
    multipart = multipart_of(storage)
    assert isinstance(multipart, PartsAsObjects) and isinstance(multipart, Multipart)
    key = "default/vi1/source/so1/file"
    upload = await multipart.begin(key)
    bodies = {1: content(5 * MIB, 1), 2: content(77, 2)}
    first = await multipart.put_part(key, upload, 1, stream(b"other"), size=5)
    made = [await multipart.put_part(key, upload, number, stream(data)) for number, data in bodies.items()]
    assert first.tag != made[0].tag
    with pytest.raises(NotStored):
        await multipart.complete(key, upload, [*made, Part(3, 1, "x")])
    assert await multipart.complete(key, upload, made) == Stored(key, 5 * MIB + 77)
    assert await joined(storage.read(key)) == b"".join(bodies.values())
    assert [stored.key async for stored in storage.list("default/")] == [key]
    with pytest.raises(KeyTaken):
        await multipart.begin(key)
    given_up = await multipart.begin("default/vi2/source/so2/file")
    await multipart.put_part("default/vi2/source/so2/file", given_up, 1, stream(b"x"))
    await multipart.abort("default/vi2/source/so2/file", given_up)
    assert [stored.key async for stored in storage.list("default/vi2")] == []
