"""Known bytes as streams, for tests of what takes or gives streams."""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterable, AsyncIterator
from functools import lru_cache
from pathlib import Path

__all__ = ["BodyBroke", "broken_stream", "content", "joined", "resident_bytes", "stream"]

MIB = 1024**2


class BodyBroke(Exception):
    """What a broken_stream raises, as a client that went away would make a body do."""


@lru_cache(maxsize=32)
def content(size: int, seed: int = 0) -> bytes:
    """Return bytes that look random and are the same for the same arguments."""
    return random.Random(seed).randbytes(size)  # noqa: S311 - test data


async def stream(data: bytes, chunk: int = 64 * 1024) -> AsyncIterator[bytes]:
    """Yield data in chunks, as a server does with a request's body."""
    for start in range(0, len(data), chunk):
        yield data[start : start + chunk]


async def broken_stream(data: bytes) -> AsyncIterator[bytes]:
    """Yield data, then raise BodyBroke."""
    async for chunk in stream(data):
        yield chunk
    raise BodyBroke


async def joined(chunks: AsyncIterable[bytes]) -> bytes:
    """Return a stream as one piece."""
    return b"".join([chunk async for chunk in chunks])


def resident_bytes() -> int:
    """Return how much memory this process occupies (Linux)."""
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
