"""Every video can be had as one MP4 file, also when it was uploaded as something else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import av
import pytest
from reelkit.catalog import sources, videos, work
from reelkit.catalog.scope import Scope
from reelkit.catalog.sources import Source
from reelkit.catalog.videos import VideoEdit
from reelkit.interfaces.storage import LocalPaths
from reelkit.jobs.ingest import ingest
from reelkit.jobs.job import JobContext, PermanentFailure
from reelkit.jobs.mp4 import have_mp4, mp4, mp4_failed
from reelkit.jobs.runtime import Runtime
from reelkit.jobs.transcode import transcode

Upload = Callable[[Path], Awaitable[Source]]
Begin = Callable[[str, Source], JobContext]
SCOPE = Scope("default")


async def encoded(runtime: Runtime, job: Begin, source: Source) -> Source:
    """Have the ladder made, and return the source as it is then."""
    await ingest(runtime, job("ingest", source), {"source_id": source.id})
    await transcode(runtime, job("transcode", source), {"source_id": source.id})
    found = await work.source(source.id)
    assert found is not None
    return found


async def state(runtime: Runtime, source: Source) -> str | None:
    status = await runtime.engine.status("mp4", source.id)
    return None if status is None else status.state


async def test_a_file_is_made_of_the_highest_rendition_and_every_sound(
    runtime: Runtime,
    sample: Callable[..., Path],
    upload: Upload,
    ffmpeg: Callable[..., None],
    job: Begin,
    told: Any,
    tmp_path: Path,
) -> None:
    one = sample(duration=4, width=640, height=360, container="mkv")
    ffmpeg("-i", one, "-map", "0:v", "-map", "0:a", "-map", "0:a", "-c", "copy", tmp_path / "two.mkv")
    source = await encoded(runtime, job, await upload(tmp_path / "two.mkv"))
    assert (source.mp4_status, await state(runtime, source)) == ("waiting", "queued")

    await mp4(runtime, job("mp4", source), {"source_id": source.id})

    made = await work.source(source.id)
    assert made is not None and made.mp4_status == "encoded" and made.mp4_key is not None
    assert isinstance(runtime.storage, LocalPaths)
    path = runtime.storage.local_path(made.mp4_key)
    assert path.stat().st_size == made.mp4_size
    assert path.read_bytes().index(b"moov") < path.read_bytes().index(b"mdat"), "players begin before they have all of it"
    with av.open(str(path)) as film, av.open(str(one)) as before:
        assert [(s.type, s.codec_context.name) for s in film.streams] == [
            ("video", "h264"),
            ("audio", "aac"),
            ("audio", "aac"),
        ]
        assert (film.streams.video[0].width, film.streams.video[0].height) == (640, 360)
        assert len(list(film.decode(video=0))) == len(list(before.decode(video=0)))
        assert (film.duration or 0) / 1e6 == pytest.approx(4, abs=0.1)
        begins = [float((stream.start_time or 0) * (stream.time_base or 0)) for stream in film.streams]
        assert max(begins) - min(begins) < 0.05, "sound and picture begin together"
    assert [(e["encoding"], e["quality"]) for e in told() if "encoding" in e][-1] == ("mp4", "360p")
    # A second run has nothing to do.
    before_keys = [stored.key async for stored in runtime.storage.list("")]
    await mp4(runtime, job("mp4", source), {"source_id": source.id})
    assert [stored.key async for stored in runtime.storage.list("")] == before_keys


@pytest.mark.parametrize("container", ["mp3", "ogg"])
async def test_sound_alone_can_be_had_too(
    runtime: Runtime, upload: Upload, ffmpeg: Callable[..., None], job: Begin, tmp_path: Path, container: str
) -> None:
    ffmpeg("-f", "lavfi", "-i", "sine=duration=3", tmp_path / f"song.{container}")
    source = await encoded(runtime, job, await upload(tmp_path / f"song.{container}"))
    assert (source.mp4_status, await state(runtime, source)) == ("waiting", "queued")
    await mp4(runtime, job("mp4", source), {"source_id": source.id})
    made = await work.source(source.id)
    assert made is not None and made.mp4_key is not None
    assert isinstance(runtime.storage, LocalPaths)
    with av.open(str(runtime.storage.local_path(made.mp4_key))) as song:
        assert [(s.type, s.codec_context.name) for s in song.streams] == [("audio", "aac")]
        assert (song.duration or 0) / 1e6 == pytest.approx(3, abs=0.1)


async def test_no_file_is_made_before_somebody_may_have_it(
    runtime: Runtime, sample: Callable[..., Path], upload: Upload, job: Begin
) -> None:
    source = await upload(sample(duration=3, container="mkv"))
    await videos.update(SCOPE, source.video_id, VideoEdit(mp4_support=False))
    source = await encoded(runtime, job, source)
    assert (source.mp4_status, await state(runtime, source)) == ("waiting", None)
    await videos.update(SCOPE, source.video_id, VideoEdit(mp4_support=True))
    await have_mp4(runtime, source)
    assert await state(runtime, source) == "queued"


async def test_a_file_that_cannot_be_made_is_told(
    runtime: Runtime, sample: Callable[..., Path], upload: Upload, job: Begin
) -> None:
    source = await upload(sample(duration=3, container="mkv"))
    await ingest(runtime, job("ingest", source), {"source_id": source.id})
    await have_mp4(runtime, await work.source(source.id))
    assert await state(runtime, source) is None, "its renditions are still to be made"
    with pytest.raises(PermanentFailure):
        await mp4(runtime, job("mp4", source), {"source_id": source.id})
    await mp4_failed(runtime, {"source_id": source.id}, "gone")
    found = await sources.for_video(SCOPE, source.video_id)
    assert found is not None and found.mp4_status == "failed"
