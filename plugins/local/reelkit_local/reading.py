"""Reads ranges of files: from the page cache at once, from the disk in a thread."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from pathlib import Path

from reelkit.interfaces.storage import NotStored

from reelkit_local.folders import os_errors
from reelkit_local.threads import held, in_thread

__all__ = ["CHUNK", "read_range"]

CHUNK = 1024**2
"""Bytes of one chunk at most."""


def open_object(path: Path, key: str) -> int:
    """Open an object. Raises NotStored."""
    with os_errors(key, missing=NotStored):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotStored(key)
    return descriptor


def read_cached(descriptor: int, position: int, wanted: int) -> bytes | None:
    """Read without waiting for the disk; None when some of it is not in memory, or nobody can tell."""
    chunk = bytearray(wanted)
    try:
        count = os.preadv(descriptor, [chunk], position, os.RWF_NOWAIT)
    except OSError:
        return None
    # Less than asked for may be the end of the file or the end of what is cached.
    return bytes(chunk) if count == wanted else None


def read_blocking(descriptor: int, position: int, wanted: int, key: str) -> bytes:
    """Read, waiting for the disk."""
    with os_errors(key):
        return os.pread(descriptor, wanted, position)


async def read_range(path: Path, key: str, start: int, stop: int | None, threads: Executor) -> AsyncIterator[bytes]:
    """Yield start <= i < stop of a file in chunks of at most CHUNK bytes; stop None: to the end. Raises NotStored."""
    if start < 0 or (stop is not None and stop < 0):
        raise ValueError(f"{key}: a range begins and ends at 0 or later, not {start}:{stop}")
    async with held(threads, lambda: open_object(path, key), os.close) as descriptor:
        position = start
        while wanted := CHUNK if stop is None else max(0, min(CHUNK, stop - position)):
            chunk = read_cached(descriptor, position, wanted)
            if chunk is None:
                chunk = await in_thread(threads, read_blocking, descriptor, position, wanted, key)
            else:
                await asyncio.sleep(0)  # A reader that never waits for anything else would starve the others.
            if not chunk:
                return
            yield chunk
            position += len(chunk)
