"""Layout: walking the top-level boxes of a file with few, small reads, on disk or in an object store alike."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

from reelkit.media.mp4.boxes import Box, name_of, parse_header
from reelkit.media.mp4.errors import CorruptMp4, NotMp4, OversizedMp4

__all__ = ["MAX_MOOV", "ReadAt", "Window", "walk"]

ReadAt = Callable[[int, int], Awaitable[bytes]]
"""(start, stop) → the bytes start <= i < stop, fewer at the end of the file."""

MAX_MOOV = 256 << 20
_MAX_BOXES = 1_000_000
_SMALL, _LARGE = 64 << 10, 1 << 20
_AT_ONCE, _HEADER = 32, 16 << 10

_FIRST = {
    b"ftyp", b"styp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"uuid", b"moof", b"sidx", b"udta", b"meta",
    b"pdin", b"PICT", b"junk", b"bloc", b"emsg", b"prft",
}  # fmt: skip


class Window:
    """Reads ahead: a file whose boxes lie close together is read in large pieces, one with far boxes in small ones.

    Boxes that are expected, and far from each other, are read many at once.
    """

    def __init__(self, read_at: ReadAt, size: int) -> None:
        self._read_at, self._size = read_at, size
        self._start, self._data = 0, b""
        self._expected: list[int] = []
        self._ahead: dict[int, bytes] = {}

    def expect(self, places: Iterable[int]) -> None:
        """Be told where boxes are said to begin. Wrong places cost reads and nothing else."""
        found = sorted(place for place in {*self._expected, *places} if 0 <= place < self._size)
        far = len(found) > 1 and (found[-1] - found[0]) // len(found) >= _SMALL
        self._expected = found if far else []

    async def get(self, start: int, length: int) -> bytes:
        """Return length bytes from start, fewer at the end of the file."""
        stop = min(start + length, self._size)
        if self._start <= start and stop <= self._start + len(self._data):
            return self._data[start - self._start : stop - self._start]
        place = bisect_left(self._expected, start)
        if start not in self._ahead and self._expected[place : place + 1] == [start]:
            wanted = self._expected[place : place + _AT_ONCE]
            read = await asyncio.gather(*(self._read_at(at, min(at + _HEADER, self._size)) for at in wanted))
            self._ahead = dict(zip(wanted, read, strict=True))
        if stop - start <= len(self._ahead.get(start, b"")):
            self._start, self._data = start, self._ahead.pop(start)
            return self._data[: stop - start]
        near = 0 <= start - (self._start + len(self._data)) < _SMALL or self._start <= start < self._start + len(self._data)
        ahead = max(length, _LARGE if near and self._data else _SMALL)
        data = await self._read_at(start, min(start + ahead, self._size))
        self._start, self._data = start, data
        return data[: stop - start]


async def walk(window: Window, size: int) -> AsyncIterator[Box]:
    """Yield the top-level boxes of a file of `size` bytes; the last may reach beyond its end.

    Stops without an error where the file turns into something else behind its first box. Raises NotMp4, OversizedMp4.
    """
    place, count = 0, 0
    while place < size:
        head = await window.get(place, 16)
        if len(head) < 8:
            break
        try:
            found = parse_header(head, place, size)
        except CorruptMp4:
            if count:
                return
            raise NotMp4("The file is not an MP4 or MOV.") from None
        if not count and found.kind not in _FIRST:
            raise NotMp4("The file is not an MP4 or MOV.")
        if not name_of(found.kind).isprintable() or found.kind == b"\0\0\0\0":
            return
        count += 1
        if count > _MAX_BOXES:
            raise OversizedMp4(f"The file has more than {_MAX_BOXES} boxes.")
        if count % 256 == 0:
            # What was read ahead is walked without waiting for anything; others want to run, too.
            await asyncio.sleep(0)
        yield found
        place = found.stop
    if not count:
        raise NotMp4("The file is empty." if not size else "The file is not an MP4 or MOV.")
