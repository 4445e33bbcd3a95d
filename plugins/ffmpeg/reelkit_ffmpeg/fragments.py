"""Cutting ffmpeg's stream of movie fragments into its init segment and media segments (ISO/IEC 14496-12)."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Iterator

__all__ = ["fragments", "seconds"]

_Box = tuple[bytes, int, int]


async def fragments(stream: asyncio.StreamReader, stall: float) -> AsyncIterator[bytes]:
    """Yield the init segment (all boxes up to `moov`), then one `moof` and `mdat` at a time. A torn end is left out.

    Raises TimeoutError when nothing comes for `stall` seconds.
    """
    piece = bytearray()
    while True:
        try:
            # Not wait_for, which in Python 3.11 loses a cancellation that comes together with the bytes.
            async with asyncio.timeout(stall):
                header = await stream.readexactly(8)
                size, kind = struct.unpack(">I4s", header)
                if size == 1:
                    header += await stream.readexactly(8)
                    size = struct.unpack(">Q", header[8:])[0]
                body = await stream.readexactly(size - len(header))
        except asyncio.IncompleteReadError:
            return
        piece += header + body
        if kind in (b"moov", b"mdat"):
            yield bytes(piece)
            piece.clear()


def seconds(init: bytes, fragment: bytes) -> float:
    """Return how long the first track of a fragment lasts."""
    track, scale = _first_track(init)
    for traf in _find(fragment, b"moof", b"traf"):
        header = next(_find_in(fragment, traf, b"tfhd"))
        flags, number = struct.unpack_from(">II", fragment, header[1])
        if number == track:
            default = _default_duration(fragment, header, flags & 0xFFFFFF)
            return sum(_run(fragment, run, default) for run in _find_in(fragment, traf, b"trun")) / scale
    return 0.0


def _first_track(init: bytes) -> tuple[int, int]:
    """Return id and timescale of the first track."""
    trak = next(_find(init, b"moov", b"trak"))
    tkhd = next(_find_in(init, trak, b"tkhd"))
    mdia = next(_find_in(init, trak, b"mdia"))
    mdhd = next(_find_in(init, mdia, b"mdhd"))
    number = struct.unpack_from(">I", init, tkhd[1] + (20 if init[tkhd[1]] else 12))[0]
    scale = struct.unpack_from(">I", init, mdhd[1] + (20 if init[mdhd[1]] else 12))[0]
    return number, scale


def _default_duration(data: bytes, tfhd: _Box, flags: int) -> int:
    """Return default_sample_duration, after the optional fields that precede it."""
    at = tfhd[1] + 8 + (8 if flags & 0x1 else 0) + (4 if flags & 0x2 else 0)
    return int(struct.unpack_from(">I", data, at)[0]) if flags & 0x8 else 0


def _run(data: bytes, trun: _Box, default: int) -> int:
    """Add up the sample durations of a `trun`."""
    flags, count = struct.unpack_from(">II", data, trun[1])
    flags &= 0xFFFFFF
    if not flags & 0x100:
        return int(default * count)
    at = trun[1] + 8 + (4 if flags & 0x1 else 0) + (4 if flags & 0x4 else 0)
    width = 4 * (flags >> 8 & 0xF).bit_count()
    return sum(struct.unpack_from(">I", data, at + number * width)[0] for number in range(count))


def _find(data: bytes, outer: bytes, inner: bytes) -> Iterator[_Box]:
    for box in _boxes(data, 0, len(data)):
        if box[0] == outer:
            yield from _find_in(data, box, inner)


def _find_in(data: bytes, box: _Box, kind: bytes) -> Iterator[_Box]:
    return (inner for inner in _boxes(data, box[1], box[2]) if inner[0] == kind)


def _boxes(data: bytes, start: int, end: int) -> Iterator[_Box]:
    """Yield kind, start of the body and end of each box between start and end."""
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, start)
        if size < 8:
            return
        yield kind, start + 8, min(start + size, end)
        start += size
