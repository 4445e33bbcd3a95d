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


def run(folder: Path, cache: Path) -> Iterator[Row]:
    """Measure both over one minute of 1080p."""
    source = one_minute(cache)
    for name in ("single", "ladder"):
        (folder / name).mkdir()
    single = one_run_a_resolution(source, folder / "single")
    ladder = one_run_for_all(source, folder / "ladder")
    ratio = ladder / single
    beside = f"one ffmpeg a resolution {single:.0f} CPU-s; ours {ladder:.0f} CPU-s, with poster and storyboard"
    yield Row(topic="ladder", name="60 s 1080p to 5 renditions", figure=ratio, unit="x", limit="≤ 0.35", beside=beside)
