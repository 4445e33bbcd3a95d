"""Removing stored bytes that nothing refers to any more."""

from __future__ import annotations

import asyncio

import structlog

from reelkit.interfaces.storage import Storage

__all__ = ["remove", "remove_soon"]

log = structlog.get_logger("reelkit.removal")

_under_way: set[asyncio.Task[None]] = set()
"""The event loop itself holds tasks weakly."""


async def remove(storage: Storage, prefix: str) -> None:
    """Delete an object, or all of a folder when the prefix ends with `/`. Raises StorageError."""
    if not prefix.endswith("/"):
        await storage.delete(prefix)
        return
    for key in [stored.key async for stored in storage.list(prefix)]:
        await storage.delete(key)


def remove_soon(storage: Storage, prefix: str) -> None:
    """Begin to delete; what fails or comes later is swept up, because the catalog has it noted."""

    async def work() -> None:
        try:
            await remove(storage, prefix)
        except Exception as error:
            log.warning("bytes are removed later", prefix=prefix, error=str(error))

    task = asyncio.create_task(work())
    _under_way.add(task)
    task.add_done_callback(_under_way.discard)
