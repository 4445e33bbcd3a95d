"""Bytes between the storage and the disk of this machine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from reelkit.interfaces.storage import LocalPaths, Storage, Stored
from reelkit.media.mp4.layout import ReadAt

__all__ = ["at_hand", "content", "read_file", "read_object", "store_bytes", "store_file"]

CHUNK = 1024**2


async def at_hand(storage: Storage, key: str, scratch: Path) -> Path:
    """Return a file with an object's bytes: its own where the storage is on this machine, else a copy in scratch.

    Raises NotStored.
    """
    if isinstance(storage, LocalPaths):
        return storage.local_path(key)
    copy = scratch / "source"
    with await asyncio.to_thread(copy.open, "wb") as file:
        async for chunk in storage.read(key):
            await asyncio.to_thread(file.write, chunk)
    return copy


async def content(storage: Storage, key: str) -> bytes:
    """Return all bytes of a small object. Raises NotStored."""
    return b"".join([chunk async for chunk in storage.read(key)])


def read_object(storage: Storage, key: str) -> ReadAt:
    """Return a reader of an object's ranges."""

    async def read_at(start: int, stop: int) -> bytes:
        return b"".join([chunk async for chunk in storage.read(key, start, stop)])

    return read_at


def read_file(path: Path) -> ReadAt:
    """Return a reader of a file's ranges."""

    def read(start: int, stop: int) -> bytes:
        with path.open("rb") as file:
            file.seek(start)
            return file.read(stop - start)

    async def read_at(start: int, stop: int) -> bytes:
        return await asyncio.to_thread(read, start, stop)

    return read_at


async def store_file(storage: Storage, key: str, path: Path) -> Stored:
    """Store a file under a new key. Raises KeyTaken, StorageFull, StorageUnavailable."""

    async def chunks() -> AsyncIterator[bytes]:
        with await asyncio.to_thread(path.open, "rb") as file:
            while chunk := await asyncio.to_thread(file.read, CHUNK):
                yield chunk

    return await storage.put(key, chunks(), (await asyncio.to_thread(path.stat)).st_size)


async def store_bytes(storage: Storage, key: str, data: bytes) -> Stored:
    """Store bytes under a new key. Raises KeyTaken, StorageFull, StorageUnavailable."""

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(data), CHUNK):
            yield data[start : start + CHUNK]

    return await storage.put(key, chunks(), len(data))
