"""Writes streams to files: batches in a thread, on their way to the disk while more arrives, flat in memory."""

from __future__ import annotations

import asyncio
import ctypes
import os
from collections.abc import AsyncIterable, Sequence
from concurrent.futures import Executor

from reelkit.interfaces.storage import StorageError

from reelkit_local.direct import ALIGNMENT, DirectFile
from reelkit_local.folders import Folders, os_errors
from reelkit_local.threads import finish, in_thread

__all__ = ["FileWriter", "give_back", "write_stream"]

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

CACHED = 32 * 1024**2
"""Bytes of a stream that stay in the page cache: its landmarks and what is watched first. What follows goes past it."""

DIRECT_STREAMS = 4
"""Up to so many streams at once go past the page cache; of more a disk with heads would do nothing but move them."""

SYNC_FILE_RANGE_WRITE = 2
PUNCH_HOLE = 1 | 2
"""FALLOC_FL_KEEP_SIZE and FALLOC_FL_PUNCH_HOLE of fallocate(2)."""

_streams = 0
"""How many streams are being written by this process now."""

_libc = ctypes.CDLL(None, use_errno=True)
_sync_file_range = getattr(_libc, "sync_file_range", None)
if _sync_file_range is not None:
    _sync_file_range.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
_fallocate = getattr(_libc, "fallocate", None)
if _fallocate is not None:
    _fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)


def give_back(descriptor: int, start: int, size: int) -> None:
    """Free the blocks of a range inside a file; a hint, which some filesystems do not know."""
    if _fallocate is not None:
        _fallocate(descriptor, PUNCH_HOLE, start, size)


class FileWriter:
    """Writes batches to an open file from `at` on; used from one thread at a time, all methods block.

    key: names the object in errors; folders: tell how to write, and whether there is room.
    """

    def __init__(self, descriptor: int, key: str, folders: Folders, *, at: int = 0) -> None:
        self.descriptor = descriptor
        self.key = key
        self.position = at
        self.pushed = at
        self.folders = folders
        # Who does not wait for the disk is through sooner by leaving the bytes to the page cache.
        self._direct_from = at + CACHED if folders.durable and folders.direct else None
        self._direct: DirectFile | None = None

    def write(self, batch: Sequence[bytes]) -> None:
        """Append buffers. Raises StorageFull, StorageUnavailable."""
        with os_errors(self.key):
            self.append(batch)
        if self.position - self.pushed >= PUSH:
            self.folders.check_room(self.key, 0)
            if self.folders.durable and self._direct is None and _sync_file_range is not None:
                # A hint: where it is not supported, the sync at the end does it all.
                _sync_file_range(self.descriptor, self.pushed, self.position - self.pushed, SYNC_FILE_RANGE_WRITE)
            self.pushed = self.position

    def append(self, batch: Sequence[bytes]) -> None:
        """Write the buffers; the last ones may wait for `finish`. Raises OSError."""
        for chunk in batch:
            left = memoryview(chunk)
            while left:
                direct = self._past_the_cache()
                if direct is not None:
                    direct.write(left)
                    self.position = direct.position
                    break
                written = os.pwrite(self.descriptor, left[: self._piece()], self.position)
                self.position += written
                left = left[written:]

    def finish(self, batch: Sequence[bytes]) -> None:
        """Append the last buffers and write all that waits. Raises StorageFull, StorageUnavailable."""
        self.write(batch)
        if self._direct is not None:
            with os_errors(self.key):
                self._direct.finish()
            self.close()

    @property
    def closed(self) -> bool:
        """Whether nothing is left to free."""
        return self._direct is None

    def close(self) -> None:
        """Free what writing took; the file stays open."""
        if self._direct is not None:
            self._direct.close()
            self._direct = None

    def _piece(self) -> int:
        """Return how many bytes to write at once: few only to get to a place where the direct way can begin."""
        beyond = self.position % ALIGNMENT
        if beyond and self._direct_from is not None and self.position >= self._direct_from:
            return ALIGNMENT - beyond
        return PIECE

    def _past_the_cache(self) -> DirectFile | None:
        """Return the way past the page cache, once it is time for it; None to write as usual."""
        start = self._direct_from
        if self._direct is not None or start is None:
            return self._direct
        if self.position >= start and self.position % ALIGNMENT == 0 and _streams <= DIRECT_STREAMS:
            try:
                self._direct = DirectFile(self.descriptor, self.position)
            except OSError:
                self._direct_from = None
        return self._direct

    def sync(self) -> None:
        """Return when the disk has everything, if durable. Raises StorageFull, StorageUnavailable."""
        if self.folders.durable:
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
        writing = loop.run_in_executor(threads, writer.finish, batch)
        await asyncio.shield(writing)
        return total
    finally:
        _streams -= 1
        if writing is not None:
            await finish(writing)
        if not writer.closed:
            await in_thread(threads, writer.close)
