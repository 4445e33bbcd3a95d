"""A clip is what the video is; a sandbox keeps the beginning only."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import imageio_ffmpeg
import msgspec
import numpy as np
import pytest
from reelkit.catalog import sources, videos, work
from reelkit.catalog.checksums import Checksum
from reelkit.catalog.playback import playback
from reelkit.catalog.scope import Scope
from reelkit.catalog.sources import Source
from reelkit.catalog.videos import Clip, NewVideo
from reelkit.interfaces.media import Probe
from reelkit.interfaces.storage import LocalPaths, NotStored
from reelkit.jobs.clip import part_of
from reelkit.jobs.ingest import ingest
from reelkit.jobs.job import JobContext, PermanentFailure
from reelkit.jobs.runtime import Runtime, running
from reelkit.jobs.transfer import store_file
from reelkit.media.probe import Unreadable
from reelkit.operations.recovery import sweep
from reelkit.plugins import load_plugins
from reelkit.site import Sandbox, Site

Begin = Callable[[str, Source], JobContext]
PRODUCTION, SANDBOX = Scope("default"), Scope("default", "sandbox")


async def put(runtime: Runtime, path: Path, scope: Scope, clip: Clip | None = None) -> Source:
    """Upload a file into a new video."""
    video = await videos.create(scope, NewVideo(title="A video", clip=clip))
    source = await sources.begin(scope, video.video_id, path.name)
    assert isinstance(source, Source)
    await store_file(runtime.storage, source.storage_key, path)
    checksum = Checksum()
    checksum.update(path.read_bytes())
    assert await sources.uploaded(scope, source, checksum.size, str(checksum))
    return source


async def ingested(runtime: Runtime, job: Begin, source: Source) -> Source:
    await ingest(runtime, job("ingest", source), {"source_id": source.id})
    found = await work.source(source.id)
    assert found is not None
    return found


def frames(path: Path, start: float = 0.0, count: int = 1) -> np.ndarray:
    """Decode some frames from a time on, as an array of shape (frames, height, width)."""
    words = ["-v", "error", "-i", path, "-vf", f"trim=start={start}", "-frames:v", count, "-f", "rawvideo"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), *map(str, words), "-pix_fmt", "gray", "-"]
    raw = subprocess.run(command, check=True, capture_output=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, 180, 320).astype(int)


@pytest.mark.parametrize(
    "made",
    [{}, {"container": "mkv", "video": "libvpx-vp9", "audio": "libopus", "duration": 6, "b_frames": 0}],
    ids=["h264", "vp9"],
)
async def test_a_clip_is_exact_and_nothing_else_is_kept(
    runtime: Runtime, sample: Callable[..., Path], job: Begin, made: dict[str, object]
) -> None:
    whole = sample(**made)
    source = await put(runtime, whole, PRODUCTION, Clip("00:00:01:15", "00:00:04"))

    found = await ingested(runtime, job, source)

    assert found.status == "ingested" and found.probe is not None and found.probe.video is not None
    assert found.probe.duration == pytest.approx(2.5, abs=0.05)
    assert len(found.probe.audio) == 1
    assert found.packageable
    assert isinstance(runtime.storage, LocalPaths)
    clip = runtime.storage.local_path(found.storage_key)
    # The pictures count, so that one frame early or late shows.
    near = [np.abs(frames(clip)[0] - frames(whole, 1.5 + n / 30)[0]).mean() for n in (-1, 0, 1)]
    assert near[1] == min(near) and near[1] < 4
    assert len(frames(clip, 0, 1000)) == 75
    watched = await playback(source.video_id)
    assert watched is not None and watched.playable
    await sweep(runtime.storage)
    with pytest.raises(NotStored):
        await runtime.storage.stat(source.storage_key)


async def test_a_second_attempt_does_not_cut_the_clip_again(
    runtime: Runtime, sample_h264: Path, job: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = await put(runtime, sample_h264, PRODUCTION, Clip("2", "6"))

    async def dies(*_: object, **__: object) -> None:
        raise ConnectionError

    with monkeypatch.context() as patched, pytest.raises(ConnectionError):
        patched.setattr(work, "publish_source", dies)
        await ingested(runtime, job, source)

    found = await ingested(runtime, job, source)
    assert found.probe is not None and found.probe.duration == pytest.approx(4, abs=0.05)


async def test_a_sandbox_keeps_the_first_seconds(site: Site, sample_h264: Path, job: Begin) -> None:
    short = msgspec.structs.replace(site, sandbox=Sandbox(video_seconds=4))
    async with running(short, load_plugins(short, third_party=True), run_jobs=False) as runtime:
        for scope, clip, lasts in (
            (SANDBOX, None, 4),
            (SANDBOX, Clip("3"), 4),
            (SANDBOX, Clip("8"), 2),
            (PRODUCTION, None, 10),
        ):
            found = await ingested(runtime, job, await put(runtime, sample_h264, scope, clip))
            assert found.probe is not None
            assert found.probe.duration == pytest.approx(lasts, abs=0.2)
            assert found.packageable


async def test_a_clip_outside_of_the_video_is_refused_with_its_length(
    runtime: Runtime, sample_h264: Path, job: Begin
) -> None:
    source = await put(runtime, sample_h264, PRODUCTION, Clip("00:00:10.5"))
    with pytest.raises(PermanentFailure):
        await ingested(runtime, job, source)
    failed = await work.source(source.id)
    assert failed is not None and failed.status == "failed"
    assert "lies outside of the video, which lasts 10." in (failed.failure or "")


def test_timecodes_are_understood_at_the_rate_of_the_video() -> None:
    found = msgspec.convert(
        {"container": "mov", "duration": 100.0, "size": 1}, Probe
    )  # without a picture a second has 25 frames

    assert part_of(None, found) == (0.0, None)
    assert part_of(Clip("00:00:10", "00:01:00.250"), found) == (10.0, 60.25)
    assert part_of(Clip("00:00:10:05"), found) == (10.2, None)
    assert part_of(Clip(None, "99999"), found) == (0.0, None)
    assert part_of(Clip("5"), found, 30.0) == (5.0, 35.0)
    assert part_of(Clip("80"), found, 30.0) == (80.0, None)
    with pytest.raises(Unreadable):
        part_of(Clip("100"), found)
