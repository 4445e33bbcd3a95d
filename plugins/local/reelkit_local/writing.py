"""Writes streams to files: batches in a thread, pushed to the disk while more arrives, flat in memory."""

from __future__ import annotations

import asyncio
import ctypes
import os
from collections.abc import AsyncIterable, Callable, Sequence
from concurrent.futures import Executor

from reelkit.interfaces.storage import StorageError

from reelkit_local.folders import os_errors
from reelkit_local.threads import finish

__all__ = ["FileWriter", "write_stream"]

BATCH = 1024**2
"""Bytes handed to the thread at once: a hop for each 64 KiB chunk would cost more than the write itself."""

LEAST_BATCH = 256 * 1024
SHARED = 16 * 1024**2
"""Bytes that the streams of a process gather together: of a hundred the batches are smaller, not the memory larger."""

PUSH = 16 * 1024**2
"""Bytes after which the disk is asked to begin, so that the sync at the end finds little left to do."""

PIECE = 256 * 1024
"""Bytes of one system call. With a megabyte ext4 takes pages of up to 2 MiB, which costs three times the CPU to write 2 GiB
wherever the memory has no whole ones left; at 256 KiB it never does."""

SYNC_FILE_RANGE_WRITE = 2

_streams = 0
"""How many streams are being written by this process now."""

_libc = ctypes.CDLL(None, use_errno=True)
_sync_file_range = getattr(_libc, "sync_file_range", None)
if _sync_file_range is not None:
    _sync_file_range.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)


class FileWriter:
    """Writes batches to an open file from `at` on; used from one thread at a time, all methods block.

    key: names the object in errors; room: called with the key and a number of bytes, raises when they do not fit.
    """

    def __init__(self, descriptor: int, key: str, *, at: int = 0, durable: bool, room: Callable[[str, int], None]) -> None:
        self.descriptor = descriptor
        self.key = key
        self.position = at
        self.pushed = at
        self.durable = durable
        self.room = room

    def write(self, batch: Sequence[bytes]) -> None:
        """Append buffers. Raises StorageFull, StorageUnavailable."""
        with os_errors(self.key):
            self.append(batch)
        if self.position - self.pushed >= PUSH:
            self.room(self.key, 0)
            if self.durable and _sync_file_range is not None:
                # A hint: where it is not supported, the sync at the end does it all.
                _sync_file_range(self.descriptor, self.pushed, self.position - self.pushed, SYNC_FILE_RANGE_WRITE)
            self.pushed = self.position

    def append(self, batch: Sequence[bytes]) -> None:
        """Write all of the buffers. Raises OSError."""
        for chunk in batch:
            left = memoryview(chunk)
            while left:
                written = os.pwrite(self.descriptor, left[:PIECE], self.position)
                self.position += written
                left = left[written:]

    def sync(self) -> None:
        """Return when the disk has everything, if durable. Raises StorageFull, StorageUnavailable."""
        if self.durable:
            with os_errors(self.key):
                os.fsync(self.descriptor)


async def write_stream(writer: FileWriter, body: AsyncIterable[bytes], threads: Executor, *, size: int | None = None) -> int:
    """Write a stream and return its length in bytes; one batch is written while the next one is gathered.

    size: what the length must be, if known. No thread works on the file any more when this returns or raises.
    Raises whatever the body or the writer raises, and StorageError when the length is not `size`.
    """
    global _streams
    loop = asyncio.get_running_loop()
    writing: asyncio.Future[None] | None = None
    batch: list[bytes] = []
    gathered = total = 0
    _streams += 1
    try:
        async for chunk in body:
            batch.append(chunk)
            gathered += len(chunk)
            total += len(chunk)
            if size is not None and total > size:
                raise StorageError(writer.key, f"announced as {size} bytes, but more came")
            if gathered >= max(LEAST_BATCH, min(BATCH, SHARED // _streams)):
                if writing is not None:
                    await asyncio.shield(writing)
                writing = loop.run_in_executor(threads, writer.write, batch)
                batch, gathered = [], 0
        if size is not None and total != size:
            raise StorageError(writer.key, f"announced as {size} bytes, but only {total} came")
        if writing is not None:
            await asyncio.shield(writing)
        if batch:
            writing = loop.run_in_executor(threads, writer.write, batch)
            await asyncio.shield(writing)
        return total
    finally:
        _streams -= 1
        if writing is not None:
            await finish(writing)
