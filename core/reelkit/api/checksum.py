"""The SHA-256 of a stream, made while it is stored and beside the event loop."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterable, AsyncIterator

__all__ = ["Checksum"]

BATCH = 1 << 20
"""Bytes handed to a thread at once: large enough that the hand-over does not count, small enough that memory does not."""
LEAST_BATCH = 256 << 10
SHARED = 16 << 20
"""Bytes that wait for their hash in all streams of a process together."""
INLINE = 64 << 10
"""What is hashed in the loop: 64 KiB take less time than waking a thread."""


_streams = 0
"""How many streams are being hashed by this process now."""


class Checksum:
    """Hashes what passes through. size: bytes so far."""

    def __init__(self) -> None:
        self.size = 0
        self._hash = hashlib.sha256()

    async def follow(self, chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
        """Yield the chunks unchanged; the hash of one batch runs in a thread while the next one is received and stored."""
        global _streams
        loop = asyncio.get_running_loop()
        batch: list[bytes] = []
        waiting = 0
        running: asyncio.Future[None] | None = None
        _streams += 1
        try:
            async for chunk in chunks:
                batch.append(chunk)
                waiting += len(chunk)
                if waiting >= max(LEAST_BATCH, min(BATCH, SHARED // _streams)):
                    if running is not None:
                        await running
                    running = loop.run_in_executor(None, self._update, batch)
                    batch, waiting = [], 0
                yield chunk
        finally:
            _streams -= 1
        if running is not None:
            await running
        if waiting > INLINE:
            await loop.run_in_executor(None, self._update, batch)
        else:
            self._update(batch)

    def hexdigest(self) -> str:
        """Return the checksum of a stream that has ended."""
        return self._hash.hexdigest()

    def _update(self, batch: list[bytes]) -> None:
        for chunk in batch:
            self._hash.update(chunk)
            self.size += len(chunk)
