"""One confined ffmpeg, watched: its progress, its last words, its end."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import reelkit
from reelkit.interfaces.transcoder import TranscodeFailed

from reelkit_ffmpeg.complaints import explain
from reelkit_ffmpeg.settings import Settings

__all__ = ["encode", "input_of", "started", "succeeded"]


def input_of(source: Path, settings: Settings, *, key_frames_only: bool = False) -> list[str]:
    """Return the arguments that open an upload safely. key_frames_only: decode no others, where only images are made."""
    hardening = [word for name, value in reelkit.INPUT_OPTIONS.items() for word in (f"-{name}", value)]
    skipping = ["-skip_frame", "nokey"] if key_frames_only else []
    return [*hardening, "-threads", str(settings.threads), *skipping, "-i", f"file:{source}"]


@asynccontextmanager
async def started(
    arguments: Sequence[str],
    settings: Settings,
    read: Sequence[Path],
    folder: Path,
    duration: float,
    *,
    largest: int,
    niceness: int,
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start ffmpeg so that it sees the files `read` and writes into the folder only.

    duration: seconds of what is read; largest: bytes of the longest output.
    """
    confinement = reelkit.Confinement(
        # Far above what a ladder of 2160p costs, far below for ever.
        cpu_seconds=600 + round(duration * 240),
        memory_bytes=settings.memory_mb * 1024**2,
        file_bytes=largest,
        niceness=niceness,
        read=tuple(read),
        write=(folder,),
    )
    command = [settings.program(), "-nostdin", "-hide_banner", "-v", "error", "-y", "-nostats", *arguments]
    async with reelkit.confined(command, confinement) as process:
        yield process


async def encode(process: asyncio.subprocess.Process, duration: float, stall: float, tell: Callable[[float], None]) -> None:
    """Follow an encode to its end; tell is called with a rising 0..1.

    stall: seconds without anything new after which it is given up. Raises TranscodeFailed, Interrupted, OSError.
    """
    assert process.stdout is not None and process.stderr is not None
    last_words = asyncio.ensure_future(reelkit.tail(process.stderr))
    try:
        async for at in _positions(process.stdout, stall):
            tell(min(at / max(duration, 0.001), 0.99))
        await succeeded(process, await last_words)
    finally:
        last_words.cancel()


async def _positions(stream: asyncio.StreamReader, stall: float) -> AsyncIterator[float]:
    """Yield the seconds of the source that are done, rising. Raises TranscodeFailed when they stop.

    They come from the `tick` of the filter graph, or for sound alone from `-progress`, which says nothing until every
    output has begun: a storyboard begins when its first sheet is full.
    """
    loop = asyncio.get_running_loop()
    furthest, moved = 0.0, loop.time()
    while True:
        try:
            # Not wait_for, which in Python 3.11 loses a cancellation that comes together with a line.
            async with asyncio.timeout_at(moved + stall):
                line = await stream.readline()
        except TimeoutError:
            raise TranscodeFailed(f"Encoding stood still for {stall:.0f} seconds; the file may be damaged.") from None
        if not line:
            return
        if found := re.search(rb"pts_time:([0-9.]+)|out_time_us=([0-9]+)", line):
            at = float(found[1]) if found[1] else int(found[2]) / 1e6
            if at > furthest:
                furthest, moved = at, loop.time()
                yield at


async def succeeded(process: asyncio.subprocess.Process, last_words: str) -> None:
    """Wait for the end. Raises what explains another one than success."""
    code = await process.wait()
    if code != 0:
        raise explain(code, last_words)
