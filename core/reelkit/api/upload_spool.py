"""Bytes put aside on the site's disk until it is known where they belong, or how many they are."""

from __future__ import annotations

import asyncio
import errno
import os
import tempfile
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO

from reelkit.api.receiving import Upload
from reelkit.problems import EmptyFile, StorageIsFull

__all__ = ["Aside", "Spooled", "put_aside", "spooled"]

BATCH = 1 << 20
KEPT_FREE = 256 << 20
"""Bytes of the disk, at most a tenth of it, that stay free: the database may be there, and anybody may upload by a token."""


class Aside:
    """A nameless file that grows. length: bytes."""

    def __init__(self, file: IO[bytes], folder: Path) -> None:
        self.length = 0
        self._file = file
        self._folder = folder

    async def take(self, chunks: AsyncIterable[bytes]) -> None:
        """Append a stream, and what came of it if it breaks off. Raises StorageIsFull, and whatever the stream raises."""
        batch: list[bytes] = []
        waiting = 0
        try:
            async for chunk in chunks:
                batch.append(chunk)
                waiting += len(chunk)
                if waiting >= BATCH:
                    full, batch, waiting = batch, [], 0
                    await self._append(full)
        finally:
            await self._append(batch)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self._file.seek(0)
        while chunk := await asyncio.to_thread(self._file.read, BATCH):
            yield chunk

    async def _append(self, chunks: Sequence[bytes]) -> None:
        def write() -> None:
            place = os.statvfs(self._folder)
            if place.f_bavail * place.f_frsize < min(KEPT_FREE, place.f_blocks * place.f_frsize // 10):
                raise OSError(errno.ENOSPC, "too little would stay free")
            for chunk in chunks:
                self._file.write(chunk)
            self._file.flush()

        if not chunks:
            return
        try:
            await asyncio.to_thread(write)
        except OSError as error:
            raise StorageIsFull(name="file", detail="There is no room to put this file aside.") from error
        self.length += sum(map(len, chunks))


class Spooled:
    """An upload that has arrived; as `Upload`, but every field is known. Reading one without bytes raises EmptyFile."""

    def __init__(self, upload: Upload, aside: Aside) -> None:
        self.filename = upload.filename
        self.fields = upload.fields
        self.length = aside.length
        self._aside = aside

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if not self.length:
            raise EmptyFile(name="file")
        async for chunk in self._aside:
            yield chunk


@asynccontextmanager
async def put_aside(folder: Path) -> AsyncIterator[Aside]:
    """Make a nameless file in a folder, which is gone with the block or the process."""
    with tempfile.TemporaryFile(dir=folder) as file:
        yield Aside(file, folder)


@asynccontextmanager
async def spooled(upload: Upload, folder: Path, *, may_be_empty: bool) -> AsyncIterator[Spooled]:
    """Keep an upload in a file of a folder until the block ends. Raises StorageIsFull, and EmptyFile unless it may be."""
    async with put_aside(folder) as aside:
        try:
            await aside.take(upload)
        except EmptyFile:
            if not may_be_empty:
                raise
        yield Spooled(upload, aside)
