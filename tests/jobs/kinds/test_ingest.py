"""From the last byte of an upload to something to watch."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from reelkit.catalog import sources, videos, work
from reelkit.catalog.playback import playback
from reelkit.catalog.scope import Scope
from reelkit.catalog.sources import Source
from reelkit.interfaces.storage import NotStored
from reelkit.jobs.ingest import ingest, ingest_failed
from reelkit.jobs.job import JobContext, PermanentFailure
from reelkit.jobs.runtime import Runtime, running
from reelkit.jobs.transfer import content
from reelkit.media.mp4.index import MediaIndex
from reelkit.media.mp4.packager import Packager
from reelkit.operations.recovery import sweep
from reelkit.plugins import load_plugins

Upload = Callable[[Path], Awaitable[Source]]
Begin = Callable[[str, Source], JobContext]
SampleMaker = Callable[..., Path]


async def ingested(runtime: Runtime, job: JobContext, source: Source) -> Source:
    await ingest(runtime, job, {"source_id": source.id})
    found = await work.source(source.id)
    assert found is not None
    return found


async def state(runtime: Runtime, kind: str, source: Source) -> str | None:
    status = await runtime.engine.status(kind, source.id)
    return None if status is None else status.state


async def test_h264_in_mp4_plays_at_once(
    runtime: Runtime, sample: SampleMaker, upload: Upload, job: Begin, told: Any
) -> None:
    source = await upload(sample(width=854, height=480))
    started = time.monotonic()
    found = await ingested(runtime, job("ingest", source), source)
    # Measured at 0.3 s; the bound is for a machine that is busy with other tests.
    assert time.monotonic() - started < 5
    assert (found.status, found.packageable) == ("ingested", True)
    assert found.probe is not None and found.probe.video is not None
    assert (found.probe.video.codec, found.probe.video.width) == ("h264", 854)
    assert found.probe.duration == pytest.approx(10, abs=0.1)

    watched = await playback(source.video_id)
    assert watched is not None and watched.playable
    [top] = watched.renditions
    assert (top.kind, top.quality, top.width, top.height, top.frame_rate) == ("copy", "480p", 854, 480, 30.0)
    assert top.codecs.startswith("avc1.")
    assert top.bandwidth >= top.average_bandwidth > 100_000
    assert top.storage_key == source.storage_key and top.index_key is not None
    packager = Packager(MediaIndex.from_bytes(await content(runtime.storage, top.index_key)))
    assert packager.video_track is not None
    assert sum(packager.segments(packager.video_track)) == pytest.approx(10, abs=0.1)

    waiting = [(r.kind, r.quality, r.status) for r in await work.renditions_of(source.id) if r.status != "encoded"]
    assert waiting == [("encoded", "360p", "waiting"), ("encoded", "240p", "waiting")]
    playable, *completed = told()
    assert playable["type"] == "video.playable"
    # The MP4 file is the source itself, so it can be had at once.
    assert [(event["encoding"], event["quality"]) for event in completed] == [("hls", "480p"), ("mp4", "480p")]
    assert await state(runtime, "transcode", source) == "queued"
    assert await state(runtime, "draft", source) is None


@pytest.mark.parametrize(
    "options",
    [
        {"container": "webm", "video": "libvpx-vp9", "audio": "libopus", "video_options": ("-deadline", "realtime")},
        {"container": "ts"},
        {"container": "mov", "video": "prores_ks", "pixel_format": "yuv422p10le", "audio": "pcm_s16le"},
        {"gop": 600, "duration": 12},
        {"video": "libx265", "audio": None},
        {"pixel_format": "yuv420p10le"},
    ],
    ids=["VP9", "MPEG-TS", "ProRes", "long GOP", "HEVC", "10 bits"],
)
async def test_what_cannot_be_played_as_it_is_gets_a_draft_first(
    options: dict[str, Any], runtime: Runtime, sample: SampleMaker, upload: Upload, job: Begin, told: Any
) -> None:
    source = await upload(sample(**{"duration": 3, "width": 640, "height": 360, **options}))
    found = await ingested(runtime, job("ingest", source), source)
    assert (found.status, found.packageable, found.index_key) == ("ingested", False, None)
    made = {(r.kind, r.quality, r.status) for r in await work.renditions_of(source.id)}
    sound = {("audio", "", "waiting")} if options.get("audio", "") is not None else set()
    rungs = {("encoded", "360p", "waiting"), ("encoded", "240p", "waiting")}
    assert made == {("draft", "360p", "waiting"), *rungs, *sound}
    assert await state(runtime, "draft", source) == "queued"
    assert await state(runtime, "transcode", source) == "queued"
    # Nothing plays yet, but a source that is an MP4 file can be had as one.
    assert found.probe is not None
    mp4 = [("mp4", "360p")] if found.probe.container in ("mov", "mp4") else []
    assert [(event.get("encoding"), event.get("quality")) for event in told()] == mp4


async def test_sound_alone_plays_at_once_if_it_can(
    runtime: Runtime, sample: SampleMaker, upload: Upload, job: Begin
) -> None:
    source = await upload(sample(video=None, container="m4a"))
    assert (await ingested(runtime, job("ingest", source), source)).packageable
    [only] = await work.renditions_of(source.id)
    assert (only.kind, only.quality, only.status, only.codecs) == ("copy", "", "encoded", "mp4a.40.2")
    assert await state(runtime, "transcode", source) is None


async def test_sound_alone_is_encoded_if_it_must(runtime: Runtime, sample: SampleMaker, upload: Upload, job: Begin) -> None:
    source = await upload(sample(video=None, audio="libmp3lame", container="mp3"))
    assert not (await ingested(runtime, job("ingest", source), source)).packageable
    assert [(r.kind, r.quality) for r in await work.renditions_of(source.id)] == [("encoded", "")]
    assert await state(runtime, "draft", source) is None
    assert await state(runtime, "transcode", source) == "queued"


async def test_a_picture_without_sound_is_fine(runtime: Runtime, sample: SampleMaker, upload: Upload, job: Begin) -> None:
    source = await upload(sample(audio=None))
    assert (await ingested(runtime, job("ingest", source), source)).packageable


async def test_a_file_whose_end_is_missing_plays_as_far_as_it_goes(
    runtime: Runtime, sample: SampleMaker, upload: Upload, job: Begin, tmp_path: Path
) -> None:
    whole = sample(faststart=True).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    source = await upload(tmp_path / "cut.mp4")
    found = await ingested(runtime, job("ingest", source), source)
    assert found.packageable and found.probe is not None
    assert 2 < found.probe.duration < 8


def cut_at_the_end(sample: SampleMaker) -> bytes:
    whole = sample().read_bytes()
    return whole[: len(whole) // 2]


FTYP = b"\0\0\0\x10ftypisom\0\0\0\0"
BAD: dict[str, tuple[Callable[[SampleMaker], bytes], str]] = {
    "text": (lambda _: b"Dear diary,\n" * 1000, "not a video"),
    "empty": (lambda _: b"", "empty"),
    "index missing": (cut_at_the_end, "ends before its index"),
    "index of a terabyte": (
        lambda _: b"\0\0\0\x10ftypisom\0\0\0\0" + b"\0\0\0\x01moov\0\0\1\0\0\0\0\0" + bytes(99),
        "index",
    ),
    "lying sizes": (lambda _: b"\0\0\0\x10ftypisom\0\0\0\0" + b"\0\0\0\x20moov\xff\xff\xff\xfftrak" + bytes(99), "[Aa]"),
    "playlist": (lambda _: b"#EXTM3U\n#EXTINF:1,\n/etc/hostname\n#EXT-X-ENDLIST\n", "not a video"),
    "ffconcat": (lambda _: b"ffconcat version 1.0\nfile '/etc/hostname'\n", "format that this site does not read"),
    "a picture": (lambda _: b"\x89PNG\r\n\x1a\n" + bytes(500), "format that this site does not read"),
    "too long": (lambda sample: sample(duration=61, frame_rate="5", gop=5).read_bytes(), r"lasts 0:01:01.*accepts 0:01:00"),
    "too long to copy": (
        lambda sample: sample(duration=61, frame_rate="5", gop=5, container="mkv").read_bytes(),
        r"lasts 0:01:01.*accepts 0:01:00",
    ),
}


@pytest.mark.parametrize("kind", BAD)
async def test_a_bad_file_fails_with_a_reason_and_leaves_nothing(
    kind: str,
    runtime: Runtime,
    sample: SampleMaker,
    upload: Upload,
    job: Begin,
    told: Any,
    tmp_path: Path,
    keys: Callable[[], Awaitable[list[str]]],
) -> None:
    make, reason = BAD[kind]
    (tmp_path / "upload.mp4").write_bytes(make(sample))
    source = await upload(tmp_path / "upload.mp4")
    with pytest.raises(PermanentFailure, match=reason):
        await ingest(runtime, job("ingest", source), {"source_id": source.id})
    await ingest_failed(runtime, {"source_id": source.id}, "told twice")
    failed = await work.source(source.id)
    assert failed is not None
    assert failed.status == "failed"
    assert failed.failure is not None and failed.failure.endswith(".")
    assert [(event["type"], event["reason"]) for event in told()] == [("video.failed", failed.failure)]
    assert await work.renditions_of(source.id) == ()
    watched = await playback(source.video_id)
    assert watched is not None and not watched.playable
    await sweep(runtime.storage)
    assert await keys() == []


async def test_a_job_that_runs_again_does_nothing_twice(
    runtime: Runtime, sample_h264: Path, upload: Upload, job: Begin, told: Any, keys: Callable[[], Awaitable[list[str]]]
) -> None:
    source = await upload(sample_h264)
    await ingest(runtime, job("ingest", source), {"source_id": source.id})
    before, renditions = await keys(), await work.renditions_of(source.id)
    await ingest(runtime, job("ingest", source), {"source_id": source.id})
    assert await keys() == before
    assert await work.renditions_of(source.id) == renditions
    assert told.types.count("video.playable") == 1


async def test_a_job_that_died_half_way_is_done_again(
    runtime: Runtime, sample_h264: Path, upload: Upload, job: Begin
) -> None:
    source = await upload(sample_h264)
    await work.ingesting(source.id)
    assert (await ingested(runtime, job("ingest", source), source)).status == "ingested"


async def test_a_video_that_was_deleted_meanwhile_stays_deleted(
    runtime: Runtime, sample_h264: Path, upload: Upload, job: Begin, told: Any
) -> None:
    source = await upload(sample_h264)
    await videos.delete(source.scope, source.video_id)
    await ingest(runtime, job("ingest", source), {"source_id": source.id})
    assert await playback(source.video_id) is None
    assert told() == []
    assert await state(runtime, "transcode", source) is None


async def test_bytes_that_are_gone_are_a_reason(runtime: Runtime, sample_h264: Path, upload: Upload, job: Begin) -> None:
    source = await upload(sample_h264)
    await runtime.storage.delete(source.storage_key)
    with pytest.raises(PermanentFailure, match="gone"):
        await ingest(runtime, job("ingest", source), {"source_id": source.id})


@pytest.mark.parametrize("options", [{}, {"container": "mkv"}], ids=["indexed in place", "probed as a copy"])
async def test_it_works_on_an_object_store(
    options: dict[str, Any],
    s3_site: Any,
    sample: SampleMaker,
    upload_to: Callable[[Runtime, Path], Awaitable[Source]],
    job: Begin,
) -> None:
    async with running(s3_site, load_plugins(s3_site, third_party=True), run_jobs=False) as runtime:
        source = await upload_to(runtime, sample(duration=3, **options))
        found = await ingested(runtime, job("ingest", source), source)
        assert (found.status, found.packageable) == ("ingested", not options)
        with pytest.raises(NotStored):
            await content(runtime.storage, "default/nothing")
        present = await sources.for_video(Scope("default", "production"), source.video_id)
        assert present is not None and present.probe is not None
