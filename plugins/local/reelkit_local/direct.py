"""Writing past the page cache: nothing is left to sync when a long upload ends, and what viewers read stays in memory."""

from __future__ import annotations

import errno
import mmap
import os

__all__ = ["ALIGNMENT", "DirectFile"]

ALIGNMENT = 4096
"""Positions, lengths and memory are multiples of it; no disk asks for more."""

BLOCK = 2 * 1024**2
"""Bytes of one write: enough for any disk, and of a few uploads not much memory."""

O_DIRECT = getattr(os, "O_DIRECT", 0)


class DirectFile:
    """A second way into an open file, by O_DIRECT of open(2). One thread at a time; all methods block.

    descriptor: of the file, opened for writing; position: where to go on, a multiple of ALIGNMENT.
    Raises OSError where the file system or the system knows no such way.
    """

    def __init__(self, descriptor: int, position: int) -> None:
        if not O_DIRECT:
            raise OSError(errno.EINVAL, "this system has no O_DIRECT")
        self._plain = descriptor
        self._direct = os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | O_DIRECT)
        self._block = mmap.mmap(-1, BLOCK)
        self._held = 0
        self.position = position
        """Behind all that was taken, of which less than a block is not written yet."""

    def write(self, data: memoryview) -> None:
        """Append bytes. Raises OSError."""
        while data:
            taken = min(len(data), BLOCK - self._held)
            self._block[self._held : self._held + taken] = data[:taken]
            self._held += taken
            self.position += taken
            data = data[taken:]
            if self._held == BLOCK:
                self._flush(self._direct)

    def finish(self) -> None:
        """Write what still waits, which may have any length. Raises OSError."""
        self._flush(self._plain)

    def close(self) -> None:
        """Free the memory and the descriptor; what still waits is lost."""
        os.close(self._direct)
        self._block.close()

    def _flush(self, descriptor: int) -> None:
        start = self.position - self._held
        with memoryview(self._block) as block:
            done = 0
            while done < self._held:
                try:
                    done += os.pwrite(descriptor, block[done : self._held], start + done)
                except OSError as error:
                    if descriptor == self._plain or error.errno != errno.EINVAL:
                        raise
                    # Opened, but not written so by this file system, or stopped at a place that is no multiple.
                    descriptor = self._plain
        self._held = 0
