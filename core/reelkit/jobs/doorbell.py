"""Wake the process that runs the jobs of an embedded site, from any other process of it: a named pipe."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

__all__ = ["Doorbell", "ring"]


def ring(path: Path) -> None:
    """Wake whoever listens at this pipe; nobody listening is no error, since a new listener looks for work first."""
    try:
        pipe = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in (errno.ENXIO, errno.ENOENT):
            return
        raise
    try:
        # A full pipe says the same as one more byte would.
        with suppress(BlockingIOError, BrokenPipeError):
            os.write(pipe, b"!")
    finally:
        os.close(pipe)


class Doorbell:
    """Calls answer() in the event loop soon after somebody rang; several rings may be answered once."""

    def __init__(self, path: Path, answer: Callable[[], None]) -> None:
        self.path = path
        self._answer = answer
        self._pipe = -1
        self._loop: asyncio.AbstractEventLoop | None = None

    def open(self) -> None:
        """Listen, in the running event loop. Raises OSError when the pipe cannot be made."""
        with suppress(FileExistsError):
            os.mkfifo(self.path, 0o600)
        # Read and write: with no writer left, a pipe open for reading alone would report its end for ever.
        self._pipe = os.open(self.path, os.O_RDWR | os.O_NONBLOCK)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._pipe, self._rung)

    def close(self) -> None:
        """Stop listening."""
        if self._loop is not None:
            self._loop.remove_reader(self._pipe)
            os.close(self._pipe)
            self._loop, self._pipe = None, -1

    def _rung(self) -> None:
        with suppress(BlockingIOError):
            while len(os.read(self._pipe, 4096)) == 4096:
                pass
        self._answer()
