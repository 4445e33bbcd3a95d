"""Writing past the page cache: nothing is left to sync when a long upload ends, and what viewers read stays in memory."""

from __future__ import annotations

import errno
import mmap
import os
from concurrent.futures import Future, ThreadPoolExecutor

__all__ = ["ALIGNMENT", "DirectFile"]

ALIGNMENT = 4096
"""Positions, lengths and memory are multiples of it; no disk asks for more."""

BLOCK = 1024**2
"""Bytes of one write: enough for any disk, and few enough that the next ones arrive meanwhile."""

O_DIRECT = getattr(os, "O_DIRECT", 0)


class DirectFile:
    """A second way into an open file, by O_DIRECT of open(2): one block is filled while the disk takes another.

    One thread at a time; all methods block. descriptor: of the file, opened for writing; position: where to go on, a
    multiple of ALIGNMENT. Raises OSError where the file system or the system knows no such way.
    """

    def __init__(self, descriptor: int, position: int) -> None:
        if not O_DIRECT:
            raise OSError(errno.EINVAL, "this system has no O_DIRECT")
        self._plain = descriptor
        self._direct = os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | O_DIRECT)
        self._filling, self._leaving = mmap.mmap(-1, BLOCK), mmap.mmap(-1, BLOCK)
        self._held = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="reelkit-local-direct")
        self._under_way: Future[None] | None = None
        self.position = position
        """Behind all that was taken, of which up to two blocks are not written yet."""

    def write(self, data: memoryview) -> None:
        """Append bytes. Raises OSError, also of what was appended before."""
        while data:
            taken = min(len(data), BLOCK - self._held)
            self._filling[self._held : self._held + taken] = data[:taken]
            self._held += taken
            self.position += taken
            data = data[taken:]
            if self._held == BLOCK:
                self._settle()
                self._filling, self._leaving = self._leaving, self._filling
                self._under_way = self._thread.submit(self._flush, self._leaving, BLOCK, self.position - BLOCK, self._direct)
                self._held = 0

    def finish(self) -> None:
        """Write what still waits, which may have any length. Raises OSError."""
        self._settle()
        self._flush(self._filling, self._held, self.position - self._held, self._plain)
        self._held = 0

    def close(self) -> None:
        """Free the memory and the descriptor; what still waits is lost."""
        self._thread.shutdown()
        os.close(self._direct)
        self._filling.close()
        self._leaving.close()

    def _settle(self) -> None:
        """Return when the block on its way is written. Raises OSError."""
        under_way, self._under_way = self._under_way, None
        if under_way is not None:
            under_way.result()

    def _flush(self, block: mmap.mmap, size: int, position: int, descriptor: int) -> None:
        with memoryview(block) as whole:
            done = 0
            while done < size:
                try:
                    done += os.pwrite(descriptor, whole[done:size], position + done)
                except OSError as error:
                    if descriptor == self._plain or error.errno != errno.EINVAL:
                        raise
                    # Opened, but not written so by this file system, or stopped at a place that is no multiple.
                    descriptor = self._plain
