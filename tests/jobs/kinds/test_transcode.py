"""The ladder of a source, from waiting rows to renditions that play."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from reelkit.catalog import videos, work
from reelkit.catalog.playback import playback
from reelkit.catalog.renditions import Rendition
from reelkit.catalog.sources import Source
from reelkit.interfaces.storage import StorageFull
from reelkit.jobs.ingest import ingest
from reelkit.jobs.job import JobContext, PermanentFailure
from reelkit.jobs.runtime import Runtime, running
from reelkit.jobs.transcode import transcode, transcode_failed
from reelkit.jobs.transfer import content
from reelkit.media.mp4.index import MediaIndex
from reelkit.media.mp4.packager import Packager
from reelkit.operations.recovery import sweep
from reelkit.plugins import load_plugins

Upload = Callable[[Path], Awaitable[Source]]
Begin = Callable[[str, Source], JobContext]
SampleMaker = Callable[..., Path]
Keys = Callable[[], Awaitable[list[str]]]


@pytest.fixture
def ingested(runtime: Runtime, upload: Upload, job: Begin) -> Callable[[Path], Awaitable[Source]]:
    """Upload and ingest a file."""

    async def put(path: Path) -> Source:
        source = await upload(path)
        await ingest(runtime, job("ingest", source), {"source_id": source.id})
        found = await work.source(source.id)
        assert found is not None and found.status == "ingested"
        return found

    return put


async def packaged(runtime: Runtime, rendition: Rendition) -> Packager:
    assert rendition.index_key is not None
    return Packager(MediaIndex.from_bytes(await content(runtime.storage, rendition.index_key)))


async def test_a_copied_source_gets_the_rungs_below_it(
    runtime: Runtime, sample: SampleMaker, ingested: Upload, job: Begin, told: Any, keys: Keys
) -> None:
    source = await ingested(sample(duration=6, width=854, height=480))
    await transcode(runtime, job("transcode", source), {"source_id": source.id})
    watched = await playback(source.video_id)
    assert watched is not None
    top, *rungs = watched.renditions
    assert [(r.kind, r.quality, r.width, r.height) for r in rungs] == [
        ("encoded", "360p", 640, 360),
        ("encoded", "240p", 428, 240),
    ]
    cuts = (await packaged(runtime, top)).cut_times
    for rung in rungs:
        assert (rung.status, rung.progress, rung.frame_rate) == ("encoded", 1.0, 30.0)
        assert rung.codecs.startswith("avc1.64")
        assert rung.bandwidth >= rung.average_bandwidth > 10_000
        assert (await packaged(runtime, rung)).cut_times == pytest.approx(cuts)
        assert rung.storage_key is not None
        stored = await runtime.storage.stat(rung.storage_key)
        assert stored.size == (await packaged(runtime, rung)).index.size
    assert watched.source is not None
    assert watched.source.poster_key is not None
    assert (await content(runtime.storage, watched.source.poster_key)).startswith(b"\xff\xd8")
    [sheet] = watched.source.storyboard_keys
    assert sheet.endswith("/storyboard-001.jpg")
    assert watched.source.storyboard_vtt_key is not None
    assert (await content(runtime.storage, watched.source.storyboard_vtt_key)).startswith(b"WEBVTT")
    assert told.types == ["video.playable"] + ["video.encoding.quality.completed"] * 4
    completed = [(event["encoding"], event["quality"]) for event in told()[1:]]
    assert completed == [("hls", "480p"), ("mp4", "480p"), ("hls", "240p"), ("hls", "360p")]
    # Source and index, two rungs and theirs, poster, sheet and listing: nothing lies about.
    assert len(await keys()) == 2 + 4 + 3


async def test_a_source_that_is_encoded_whole_gets_its_sound_first(
    runtime: Runtime, sample: SampleMaker, ingested: Upload, job: Begin, told: Any
) -> None:
    source = await ingested(sample(duration=3, container="mkv"))
    await transcode(runtime, job("transcode", source), {"source_id": source.id})
    watched = await playback(source.video_id)
    assert watched is not None and watched.playable
    assert {(r.kind, r.quality, r.codecs[:4]) for r in watched.renditions} == {
        ("encoded", "240p", "avc1"),
        ("audio", "", "mp4a"),
    }
    by_kind = {r.kind: r for r in watched.renditions}
    assert by_kind["audio"].encoded_at is not None and by_kind["encoded"].encoded_at is not None
    assert by_kind["audio"].encoded_at <= by_kind["encoded"].encoded_at
    # There was no draft here, so the ladder is what made it playable.
    assert told.types == ["video.playable", "video.encoding.quality.completed"]


async def test_sound_alone_becomes_playable(
    runtime: Runtime, sample: SampleMaker, ingested: Upload, job: Begin, told: Any
) -> None:
    source = await ingested(sample(video=None, audio="libmp3lame", container="mp3", duration=3))
    await transcode(runtime, job("transcode", source), {"source_id": source.id})
    watched = await playback(source.video_id)
    assert watched is not None and watched.playable
    assert [(r.kind, r.codecs) for r in watched.renditions] == [("encoded", "mp4a.40.2")]
    assert told.types == ["video.playable"]


async def test_another_run_keeps_what_is_published(
    runtime: Runtime, sample: SampleMaker, ingested: Upload, job: Begin, told: Any, keys: Keys
) -> None:
    source = await ingested(sample(duration=3, width=854, height=480))
    await transcode(runtime, job("transcode", source), {"source_id": source.id})
    before, events, renditions = await keys(), told(), await work.renditions_of(source.id)
    await transcode(runtime, job("transcode", source), {"source_id": source.id})
    assert (await keys(), told(), await work.renditions_of(source.id)) == (before, events, renditions)


async def test_a_run_that_died_while_publishing_is_finished_by_the_next(
    runtime: Runtime,
    sample: SampleMaker,
    ingested: Upload,
    job: Begin,
    monkeypatch: pytest.MonkeyPatch,
    keys: Keys,
) -> None:
    source = await ingested(sample(duration=3, width=854, height=480))
    put, stored = runtime.storage.put, 0

    async def fill_up(key: str, *rest: Any) -> Any:
        nonlocal stored
        stored += 1
        if stored > 2:
            raise StorageFull(key)
        return await put(key, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(runtime.storage, "put", fill_up)
        with pytest.raises(StorageFull):
            await transcode(runtime, job("transcode", source), {"source_id": source.id})
    half = {r.quality: r for r in await work.renditions_of(source.id) if r.kind == "encoded"}
    assert (half["240p"].status, half["360p"].status) == ("encoded", "encoding")
    await transcode(runtime, job("transcode", source), {"source_id": source.id})
    whole = {r.quality: r for r in await work.renditions_of(source.id) if r.kind == "encoded"}
    assert whole["240p"] == half["240p"]
    assert whole["360p"].status == "encoded"
    assert whole["360p"].id != half["360p"].id
    await sweep(runtime.storage)
    assert len(await keys()) == 2 + 4 + 3


async def test_what_cannot_be_decoded_fails_with_a_reason(
    runtime: Runtime, sample: SampleMaker, ingested: Upload, job: Begin, told: Any
) -> None:
    source = await ingested(sample(duration=3, container="mkv"))
    # The bytes rot between ingest and transcode.
    await runtime.storage.delete(source.storage_key)

    async def rot() -> Any:
        yield b"rotten" * 1000

    await runtime.storage.put(source.storage_key, rot())
    with pytest.raises(PermanentFailure, match="not a video"):
        await transcode(runtime, job("transcode", source), {"source_id": source.id})
    await transcode_failed(runtime, {"source_id": source.id}, "The file is damaged, or it is not a video.")
    states = {(r.kind, r.status) for r in await work.renditions_of(source.id)}
    assert states == {("draft", "waiting"), ("encoded", "failed"), ("audio", "failed")}
    assert told.types == ["video.failed"]


async def test_a_video_that_was_deleted_meanwhile_leaves_nothing(
    runtime: Runtime, sample: SampleMaker, ingested: Upload, job: Begin, keys: Keys, told: Any
) -> None:
    source = await ingested(sample(duration=3, width=854, height=480))
    run = asyncio.create_task(transcode(runtime, job("transcode", source), {"source_id": source.id}))
    while not any(r.status == "encoding" for r in await work.renditions_of(source.id)):
        assert not run.done()
        await asyncio.sleep(0.01)
    await videos.delete(source.scope, source.video_id)
    await run
    await sweep(runtime.storage)
    assert await keys() == []
    assert "240p" not in [event.get("quality") for event in told()]


async def test_progress_shows_on_the_renditions(runtime: Runtime, sample: SampleMaker, ingested: Upload, job: Begin) -> None:
    source = await ingested(sample(duration=25, width=854, height=480))
    run = asyncio.create_task(transcode(runtime, job("transcode", source), {"source_id": source.id}))
    seen: list[float] = []
    while not run.done():
        now = [r.progress for r in await work.renditions_of(source.id) if r.status == "encoding"]
        seen += now[:1]
        await asyncio.sleep(0.05)
    await run
    assert seen == sorted(seen)
    assert len([value for value in set(seen) if 0 < value < 1]) >= 2


async def test_it_works_on_an_object_store(
    s3_site: Any, sample: SampleMaker, upload_to: Callable[[Runtime, Path], Awaitable[Source]], job: Begin
) -> None:
    async with running(s3_site, load_plugins(s3_site, third_party=True), run_jobs=False) as runtime:
        source = await upload_to(runtime, sample(duration=3, width=640, height=360))
        await ingest(runtime, job("ingest", source), {"source_id": source.id})
        await transcode(runtime, job("transcode", source), {"source_id": source.id})
        watched = await playback(source.video_id)
        assert watched is not None
        assert [(r.kind, r.quality) for r in watched.renditions] == [("copy", "360p"), ("encoded", "240p")]
        assert watched.source is not None and watched.source.poster_key is not None


async def test_cancelling_the_job_kills_ffmpeg(site: Any, sample: SampleMaker, upload_to: Any) -> None:
    async with running(site, load_plugins(site, third_party=True)) as runtime:
        source = await upload_to(runtime, sample(duration=60, width=854, height=480, audio=None))
        await runtime.engine.submit("ingest", source.id, {"source_id": source.id})
        assert (await runtime.engine.wait("ingest", source.id, 60)).state == "done"
        for _ in range(1200):
            if ffmpegs():
                break
            await asyncio.sleep(0.05)
        assert len(ffmpegs()) == 1
        await runtime.engine.cancel("transcode", source.id)
        for _ in range(1200):
            if not ffmpegs():
                break
            await asyncio.sleep(0.05)
        assert ffmpegs() == []
        status = await runtime.engine.status("transcode", source.id)
        assert status is not None and status.state == "cancelled"


def ffmpegs() -> list[int]:
    return [p.pid for p in psutil.Process().children(recursive=True) if "ffmpeg" in p.name()]
