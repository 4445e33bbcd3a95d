"""Landmarks: where a fragmented file says that its fragments are, so that their headers can be read side by side.

ISO/IEC 14496-12:2022, 8.8.10 (`mfra`, at the end) and 8.16.3 (`sidx`, in front). They are hints: the walk along the boxes
finds every fragment without them, one round trip after the other.
"""

from __future__ import annotations

import asyncio
import struct

import numpy as np

from reelkit.media.mp4.boxes import children, uint
from reelkit.media.mp4.errors import CorruptMp4
from reelkit.media.mp4.layout import ReadAt

__all__ = ["from_random_access", "from_segment_index"]

_MAX_MFRA = 16 << 20
_MAX_PLACES = 250_000


def from_segment_index(sidx: memoryview, end: int) -> list[int]:
    """Read the contents of a `sidx` that ends at byte `end`: where its subsegments begin. Empty when it makes no sense."""
    try:
        wide = uint(sidx, 0, 1) == 1
        first = uint(sidx, 20, 8) if wide else uint(sidx, 16, 4)
        place = 28 if wide else 20
        count = uint(sidx, place + 2, 2)
    except CorruptMp4:
        return []
    if len(sidx) - place - 4 < count * 12 or first >= 1 << 62:
        return []
    sizes = np.frombuffer(sidx, ">u4", count * 3, place + 4).reshape(count, 3)[:, 0].astype(np.int64) & 0x7FFFFFFF
    return [int(begin) for begin in end + first + np.cumsum(sizes) - sizes]


async def from_random_access(read_at: ReadAt, size: int) -> list[int]:
    """Read `mfra` at the end of a file: where its fragments begin. Empty when there is none or it makes no sense.

    Raises what read_at raises.
    """
    tail = await read_at(max(size - 16, 0), size)
    if len(tail) < 16 or tail[4:8] != b"mfro":
        return []
    (length,) = struct.unpack_from(">I", tail, 12)
    if not 24 <= length <= min(size, _MAX_MFRA):
        return []
    data = await read_at(size - length, size)
    # 16 MB of small boxes take seconds.
    return await asyncio.to_thread(_all_places, memoryview(data)[8:])


def _all_places(mfra: memoryview) -> list[int]:
    places: list[int] = []
    try:
        for box in children(mfra):
            if box.kind == b"tfra" and len(places) < _MAX_PLACES:
                places += _places(mfra[box.body : box.stop])
    except CorruptMp4:
        return []
    return places[:_MAX_PLACES]


def _places(tfra: memoryview) -> list[int]:
    wide = uint(tfra, 0, 1) == 1
    lengths, count = uint(tfra, 8, 4), uint(tfra, 12, 4)
    step = (16 if wide else 8) + sum((lengths >> shift & 3) + 1 for shift in (4, 2, 0))
    if count * step > len(tfra) - 16:
        return []
    rows = np.frombuffer(tfra, np.uint8, count * step, 16).reshape(count, step)
    offsets = rows[:, 8:16] if wide else rows[:, 4:8]
    return [int(place) for place in np.ascontiguousarray(offsets).view(">u8" if wide else ">u4")[:, 0]]
