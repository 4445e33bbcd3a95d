"""Pictures of strangers, and frames of their videos: decoded in a confined child, and only ever kept as new JPEG files."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from reelkit.media.probe import Unreadable, ask
from reelkit.media.sandbox import INPUT_OPTIONS

__all__ = ["frame", "picture"]

_CHILD = Path(__file__).with_name("image_child.py")


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
    answer, complaint = await ask(_CHILD, path, msgspec.json.encode(question).decode(), timeout)
    kind, body = answer[:1], answer[1:]
    if kind == b"J" and body.startswith(b"\xff\xd8") and body.endswith(b"\xff\xd9"):
        return body
    if kind == b"E":
        raise Unreadable(body.decode("utf-8", "replace"))
    if "MemoryError" in complaint or "Cannot allocate" in complaint:
        raise Unreadable("The picture asks for more memory than a picture needs.")
    raise Unreadable("The picture could not be read in reasonable time; it may be damaged.")
