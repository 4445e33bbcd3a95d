"""The sound of an upload as plain samples, decoded in a confined child process."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import msgspec

from reelkit.media.probe import Unreadable, libraries
from reelkit.media.sandbox import INPUT_OPTIONS, Confinement, confined, tail

__all__ = ["BYTES_A_SECOND", "extract_sound"]

_CHILD = Path(__file__).with_name("sound_child.py")
BYTES_A_SECOND = 32_000
"""16,000 samples of 16 bits, one channel: what programs that understand speech take."""


async def extract_sound(path: Path, number: int, duration: float, to: Path) -> None:
    """Write one sound of a media file as a WAV file. number: among the file's sounds, from 0; duration: seconds of it.

    Raises Unreadable when it cannot be decoded, or not in about real time.
    """
    path = await asyncio.to_thread(path.resolve)
    question = msgspec.json.encode({"options": INPUT_OPTIONS, "number": number}).decode()
    timeout = 60 + duration
    confinement = Confinement(
        cpu_seconds=round(timeout),
        memory_bytes=2 * 1024**3,
        file_bytes=round(duration * BYTES_A_SECOND * 1.01) + 1024**2,
        open_files=64,
        niceness=10,
        read=(path, *libraries()),
        write=(to.parent,),
    )
    program: list[str | Path] = [sys.executable, "-I", _CHILD, path, to, question]
    async with confined(program, confinement) as child:
        assert child.stdout is not None and child.stderr is not None
        try:
            async with asyncio.timeout(timeout):
                said, complaint = await asyncio.gather(tail(child.stdout), tail(child.stderr))
                code = await child.wait()
        except TimeoutError:
            raise Unreadable("The sound could not be decoded in reasonable time.") from None
    if said:
        raise Unreadable(said)
    if code:
        raise Unreadable(f"The sound could not be decoded ({(complaint.strip().splitlines() or ['killed'])[-1]}).")
