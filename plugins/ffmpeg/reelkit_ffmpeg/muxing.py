"""A rendition and its sounds as one file: packets are moved, nothing is encoded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from reelkit.interfaces.transcoder import MuxTask, TranscodeFailed

from reelkit_ffmpeg.process import encode, input_of, started
from reelkit_ffmpeg.settings import Settings

__all__ = ["mux"]

SECONDS = 3600
"""Of which the CPU time of a copy is a small part, whatever its length."""


async def mux(task: MuxTask, settings: Settings, progress: Callable[[float], None]) -> Path:
    """Write the file. Raises TranscodeFailed; Interrupted and OSError when trying again may work."""
    made = task.folder / "film.mp4"
    inputs = [word for file in task.tracks for word in input_of(file, settings)]
    streams = [word for number in range(len(task.tracks)) for word in ("-map", str(number))]
    size = sum(await asyncio.gather(*(asyncio.to_thread(size_of, file) for file in task.tracks)))
    arguments = ["-progress", "pipe:1", "-stats_period", "0.25", *inputs, *streams, "-c", "copy"]
    arguments += ["-movflags", "+faststart", "-f", "mp4", str(made)]
    async with started(
        arguments, settings, task.tracks, task.folder, SECONDS, largest=(64 << 20) + 2 * size, niceness=settings.niceness
    ) as process:
        await encode(process, task.duration, settings.stall_seconds, progress)
    if not made.exists() or made.stat().st_size == 0:
        raise TranscodeFailed("The renditions could not be put into one file.")
    progress(1.0)
    return made


def size_of(file: Path) -> int:
    """Return the bytes of a file."""
    return file.stat().st_size
