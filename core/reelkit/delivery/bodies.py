"""Where the bytes of an answer come from: memory, a local file, an object of the storage, or a plan over one of these."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Protocol

from reelkit.interfaces.storage import NotStored, Storage

__all__ = ["WHOLE", "Body", "BytesBody", "FileBody", "ObjectBody", "PlannedBody"]

CHUNK = 512 << 10
"""Bytes of a long body read and sent at once."""
WHOLE = 2560 << 10
"""Bytes up to which a body is read and sent in one go, at 0.8x the CPU: 4 s at 5 Mb/s. Slow clients hold so much memory."""
PROBE = 256 << 10
"""The page cache is asked for one byte of so many: the kernel reads ahead and forgets in larger pieces than these."""
SMALL = 64 << 10
"""Bytes that cost less to copy than to send on their own."""
FAR = 1 << 20
"""Ranges of an object that lie closer than this are fetched in one request: a request costs more than a few bytes."""


class Body(Protocol):
    """Bytes that can be sent whole or in part. size: bytes."""

    size: int

    def read(self, start: int, stop: int) -> AsyncIterator[bytes]:
        """Yield bytes start <= i < stop in chunks of at most 2.5 MiB; all of them, or raise."""
        ...


class BytesBody:
    """Bytes in memory."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.size = len(data)

    async def read(self, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """Yield them as they are."""
        yield self.data[start:stop]


class FileBody:
    """A local file. Read without blocking the loop: what the page cache has at once, the rest in a thread."""

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self.size = size

    async def read(self, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """Yield a range. Raises NotStored."""
        async with aclosing(read_ranges(self.path, [(start, stop)])) as chunks:
            async for chunk in chunks:
                yield chunk


class ObjectBody:
    """An object of any storage."""

    def __init__(self, storage: Storage, key: str, size: int) -> None:
        self.storage = storage
        self.key = key
        self.size = size

    def read(self, start: int, stop: int) -> AsyncIterator[bytes]:
        """Yield a range. Raises NotStored, StorageError."""
        return self.storage.read(self.key, start, stop)


class PlannedBody:
    """A segment: bytes that were made for it, then ranges of a stored file."""

    def __init__(self, head: bytes, ranges: Sequence[tuple[int, int]], stored: FileBody | ObjectBody) -> None:
        self.head = head
        self.ranges = ranges
        self.stored = stored
        self.size = len(head) + sum(stop - start for start, stop in ranges)

    async def read(self, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """Yield a range of the whole. Raises NotStored, StorageError."""
        head = self.head[start:stop]
        wanted = within(self.ranges, start - len(self.head), stop - len(self.head))
        if isinstance(self.stored, FileBody):
            stored = read_ranges(self.stored.path, wanted)
        else:
            stored = fetch_ranges(self.stored, wanted)
        async with aclosing(stored) as chunks:
            async for chunk in chunks:
                if head and len(chunk) > SMALL:
                    yield head
                    yield chunk
                else:
                    yield head + chunk
                head = b""
        if head:
            yield head


def within(ranges: Sequence[tuple[int, int]], start: int, stop: int) -> list[tuple[int, int]]:
    """Cut joined ranges down to start <= i < stop of the bytes they make up."""
    found, before = [], 0
    for low, high in ranges:
        first, last = max(low, low + start - before), min(high, low + stop - before)
        if first < last:
            found.append((first, last))
        before += high - low
    return found


def batches(ranges: Sequence[tuple[int, int]], limit: int) -> list[list[tuple[int, int]]]:
    """Group ranges, cutting long ones, into lists of at most `limit` bytes."""
    groups: list[list[tuple[int, int]]] = [[]]
    room = limit
    for start, stop in ranges:
        while start < stop:
            if room == 0:
                groups.append([])
                room = limit
            end = min(stop, start + room)
            groups[-1].append((start, end))
            room -= end - start
            start = end
    return [group for group in groups if group]


async def read_ranges(path: Path, ranges: Sequence[tuple[int, int]]) -> AsyncGenerator[bytes, None]:
    """Yield ranges of a local file, joined. Raises NotStored when it is gone or shorter than the ranges say."""
    try:
        file = await asyncio.to_thread(os.open, path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise NotStored(path.name) from None
    try:
        whole = sum(stop - start for start, stop in ranges) <= WHOLE
        for group in batches(ranges, WHOLE if whole else CHUNK):
            chunk = _read_cached(file, group)
            if chunk is None:
                chunk = await asyncio.to_thread(_read_now, file, group)
            if len(chunk) != sum(stop - start for start, stop in group):
                raise NotStored(path.name, "the file is shorter than it was")
            yield chunk
    finally:
        os.close(file)


def _read_cached(file: int, ranges: Sequence[tuple[int, int]]) -> bytes | None:
    """Read what the page cache holds; None when some of it would have to come from the disk. At most WHOLE bytes."""
    low, high = ranges[0][0], max(stop for _, stop in ranges)
    wanted = sum(stop - start for start, stop in ranges)
    if low == min(start for start, _ in ranges) and high - low <= 2 * wanted:
        # Sound lies between pictures: to read over it is cheaper than a call for each piece.
        if not _is_cached(file, low, high):
            return None
        data = os.pread(file, high - low, low)
        if wanted == high - low and len(ranges) == 1:
            return data
        view = memoryview(data)
        return b"".join([view[start - low : stop - low] for start, stop in ranges])
    if not all(_is_cached(file, start, stop) for start, stop in ranges):
        return None
    return _read_now(file, ranges)


def _is_cached(file: int, start: int, stop: int) -> bool:
    """Tell whether the page cache holds a range, as far as samples tell; a lack between them costs one short read."""
    byte = bytearray(1)
    try:
        for at in (*range(start, stop, PROBE), stop - 1):
            # 0 at the end of the file, which is for whoever reads it to notice.
            os.preadv(file, [byte], at, os.RWF_NOWAIT)
    except OSError:
        # EAGAIN: not cached. EOPNOTSUPP: this file system cannot tell.
        return False
    return True


def _read_now(file: int, ranges: Sequence[tuple[int, int]]) -> bytes:
    return b"".join(os.pread(file, stop - start, start) for start, stop in ranges)


async def fetch_ranges(stored: ObjectBody, ranges: Sequence[tuple[int, int]]) -> AsyncGenerator[bytes, None]:
    """Yield ranges of an object, joined, with as few requests as pays. Raises StorageError."""
    for group in neighbours(ranges):
        position, wanted = group[0][0], list(group)
        async for chunk in stored.read(group[0][0], group[-1][1]):
            end, pieces = position + len(chunk), []
            while wanted and wanted[0][0] < end:
                start, stop = wanted[0]
                pieces.append(chunk[start - position : stop - position])
                if stop > end:
                    wanted[0] = (end, stop)
                    break
                wanted.pop(0)
            position = end
            if pieces:
                yield b"".join(pieces)
        if wanted:
            raise NotStored(stored.key, "the object is shorter than it was")


def neighbours(ranges: Sequence[tuple[int, int]]) -> list[list[tuple[int, int]]]:
    """Group ranges that follow each other closely enough to be fetched as one."""
    groups: list[list[tuple[int, int]]] = []
    for start, stop in ranges:
        if groups and 0 <= start - groups[-1][-1][1] < FAR:
            groups[-1].append((start, stop))
        else:
            groups.append([(start, stop)])
    return groups
