"""An exclusive lock between processes, which the kernel lets go when its holder dies, however it dies."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

__all__ = ["FileLock"]


class FileLock:
    """One file that at most one process holds (flock). The file stays; it says the holder's process id, for people."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = -1

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._file >= 0

    def acquire(self) -> bool:
        """Take the lock if nobody has it; never waits. Raises OSError when the file cannot be made."""
        if self.held:
            return True
        # O_CLOEXEC is Python's default: a child that outlives us must not keep the lock.
        file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return False
        except OSError:
            os.close(file)
            raise
        os.ftruncate(file, 0)
        os.write(file, f"{os.getpid()}\n".encode())
        self._file = file
        return True

    def release(self) -> None:
        """Let the lock go; letting go of one that is not held is no error."""
        if self.held:
            os.close(self._file)
            self._file = -1
