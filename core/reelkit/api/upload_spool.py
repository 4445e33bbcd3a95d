"""A file put aside until the form around it has told whom it is for."""

from __future__ import annotations

import asyncio
import errno
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO

from reelkit.api.receiving import Upload
from reelkit.problems import StorageIsFull

__all__ = ["Spooled", "spooled"]

BATCH = 1 << 20
KEPT_FREE = 256 << 20
"""Bytes of the disk, at most a tenth of it, that stay free: the database may be there, and anybody may upload by a token."""


class Spooled:
    """An upload that has arrived; as `Upload`, but every field is known."""

    def __init__(self, upload: Upload, file: IO[bytes], length: int) -> None:
        self.filename = upload.filename
        self.fields = upload.fields
        self.length = length
        self._file = file

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self._file.seek(0)
        while chunk := await asyncio.to_thread(self._file.read, BATCH):
            yield chunk


@asynccontextmanager
async def spooled(upload: Upload, folder: Path) -> AsyncIterator[Spooled]:
    """Keep an upload in a nameless file of a folder, which is gone with the block or the process. Raises StorageIsFull."""
    with tempfile.TemporaryFile(dir=folder) as file:
        batch: list[bytes] = []
        waiting = length = 0

        def write(chunks: list[bytes]) -> None:
            place = os.statvfs(folder)
            if place.f_bavail * place.f_frsize < min(KEPT_FREE, place.f_blocks * place.f_frsize // 10):
                raise OSError(errno.ENOSPC, "too little would stay free")
            for chunk in chunks:
                file.write(chunk)

        try:
            async for chunk in upload:
                batch.append(chunk)
                waiting += len(chunk)
                length += len(chunk)
                if waiting >= BATCH:
                    await asyncio.to_thread(write, batch)
                    batch, waiting = [], 0
            await asyncio.to_thread(write, batch)
            file.flush()
        except OSError as error:
            raise StorageIsFull(name="file", detail="There is no room to put this file aside.") from error
        yield Spooled(upload, file, length)
