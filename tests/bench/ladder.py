"""The ladder in one ffmpeg against one ffmpeg a resolution: CPU seconds for the same five renditions."""

from __future__ import annotations

import asyncio
import os
import resource
from collections.abc import Iterator
from pathlib import Path

from reelkit.interfaces.transcoder import TranscodeTask
from reelkit.media.ladder import plan
from reelkit.media.mp4.index import build_index
from reelkit.media.mp4.packager import Packager
from reelkit.media.probe import probe_of_index
from reelkit_ffmpeg import FfmpegTranscoder, Settings

from tests.bench.results import Row
from tests.bench.samples import ffmpeg, one_minute

__all__ = ["run"]

HEIGHTS = (1080, 720, 480, 360, 240)


def children_cpu() -> float:
    """CPU seconds of every child that has ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def one_run_a_resolution(source: Path, folder: Path) -> float:
    """Encode every rendition on its own, as most systems do; return the CPU seconds."""
    before = children_cpu()
    for height in HEIGHTS:
        picture = ("-vf", f"scale=-2:{height}", "-c:v", "libx264", "-preset", "veryfast", "-crf", "23", "-threads", "1")
        ffmpeg("-i", source, *picture, "-c:a", "aac", "-ac", "2", folder / f"{height}.mp4")
    return children_cpu() - before


def one_run_for_all(source: Path, folder: Path) -> float:
    """Make the same renditions by the plugin: the top copied, the rest of one decode; return the CPU seconds."""
    return asyncio.run(_ladder(source, folder))


async def _ladder(source: Path, folder: Path) -> float:
    size = source.stat().st_size
    with source.open("rb") as file:

        async def read_at(start: int, stop: int) -> bytes:
            return os.pread(file.fileno(), stop - start, start)

        index = await build_index(read_at, size)
    packager = Packager(index)
    probe = probe_of_index(index)
    ladder = plan(probe, packager.cut_times, copyable=packager.can_package is None)
    assert len(ladder.rungs) + ladder.copy_video == len(HEIGHTS), ladder
    before = children_cpu()
    await FfmpegTranscoder(Settings()).run(
        TranscodeTask(source=source, probe=probe, ladder=ladder, folder=folder), lambda _: None
    )
    return children_cpu() - before


def as_recorded(folder: Path) -> Path:
    """Return 60 s of 1080p30 H.264/AAC at 17 Mb/s, as phones record them, with most of their noise kept."""
    path = folder / "recorded.mp4"
    if not path.exists():
        ffmpeg(
            *("-f", "lavfi", "-i", "testsrc2=s=1920x1080:r=30:d=60,noise=alls=6:allf=t"),
            *("-f", "lavfi", "-i", "sine=f=440:d=60"),
            *("-c:v", "libx264", "-preset", "medium", "-b:v", "17M", "-maxrate", "20M", "-bufsize", "20M"),
            *("-pix_fmt", "yuv420p", "-g", "60", "-c:a", "aac", "-movflags", "+faststart", path),
        )
    return path


def run(folder: Path, cache: Path) -> Iterator[Row]:
    """Measure both over a minute as it is recorded; and, without a promise, over one that was made small before.

    The top is copied, so the ratio is about what the smaller renditions cost of all five: the less there is in the top, the
    less is saved.
    """
    for name, source, limit in (
        ("60 s as a phone records them", as_recorded(cache), "≤ 0.35"),
        ("60 s made small before", one_minute(cache), ""),
    ):
        places = [folder / f"{kind} {source.stem}" for kind in ("single", "ladder")]
        for place in places:
            place.mkdir()
        single = one_run_a_resolution(source, places[0])
        ladder = one_run_for_all(source, places[1])
        rate = source.stat().st_size * 8 / 60 / 1e6
        yield Row(
            topic="ladder",
            name=f"{name}, {rate:.0f} Mb/s, 1080p to 5 renditions",
            figure=ladder / single,
            unit="x",
            limit=limit,
            beside=f"one ffmpeg a resolution {single:.0f} CPU-s; ours {ladder:.0f} CPU-s, with poster and storyboard",
        )
