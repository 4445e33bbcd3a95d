"""Pictures of strangers, and frames of their videos: decoded in a confined child, and only ever kept as new JPEG files."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from pathlib import Path

import msgspec

from reelkit.media.probe import Unreadable, libraries
from reelkit.media.sandbox import INPUT_OPTIONS, Confinement, confined, tail

__all__ = ["frame", "picture"]

_CHILD = Path(__file__).with_name("image_child.py")
LARGEST = 16 << 20
"""Bytes of a JPEG that a child may hand over."""


async def picture(path: Path, timeout: float = 20.0) -> bytes:
    """Return a JPEG, PNG or WebP file as a new JPEG of at most 1920 pixels a side.

    Raises Unreadable for anything else, for damage, and for pictures of more than 40 million pixels.
    """
    return await _ask(path, {"what": "picture"}, timeout)


async def frame(path: Path, timecode: str, timeout: float = 120.0) -> bytes:
    """Return one frame of a video as a JPEG, upright, of at most 1920 pixels a side.

    timecode: `HH:MM:SS[.mmm]`, `HH:MM:SS:frame` or seconds; beyond the end it is the first frame. Raises Unreadable.
    """
    parts = timecode.split(":")
    count = int(parts.pop()) if len(parts) == 4 else 0
    seconds = 0.0
    for part in parts:
        seconds = seconds * 60 + float(part)
    return await _ask(path, {"what": "frame", "seconds": seconds, "frames": count, "options": INPUT_OPTIONS}, timeout)


async def _ask(path: Path, question: dict[str, object], timeout: float) -> bytes:
    path = await asyncio.to_thread(path.resolve)
    program: list[str | Path] = [sys.executable, "-I", _CHILD, path, msgspec.json.encode(question).decode()]
    confinement = Confinement(
        cpu_seconds=max(1, round(timeout)),
        memory_bytes=2 * 1024**3,
        file_bytes=0,
        open_files=64,
        read=(path, *libraries()),
    )
    answer, complaint = b"", ""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout), confined(program, confinement) as child, asyncio.TaskGroup() as group:
            assert child.stdout is not None and child.stderr is not None
            complaining = group.create_task(tail(child.stderr))
            answer = await child.stdout.read(LARGEST)
            while len(answer) < LARGEST and (more := await child.stdout.read(LARGEST)):
                answer += more
            complaint = await complaining
    kind, body = answer[:1], answer[1:]
    if kind == b"J" and body.startswith(b"\xff\xd8") and body.endswith(b"\xff\xd9"):
        return body
    if kind == b"E":
        raise Unreadable(body.decode("utf-8", "replace"))
    if "MemoryError" in complaint or "Cannot allocate" in complaint:
        raise Unreadable("The picture asks for more memory than a picture needs.")
    raise Unreadable("The picture could not be read in reasonable time; it may be damaged.")
