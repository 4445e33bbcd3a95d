"""Bytes appended to an upload by tus: cut into pieces that storages take, each acknowledged as soon as it is stored."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import suppress
from typing import Any

from reelkit.api.parts import kept_alive
from reelkit.api.parts_open import take_back
from reelkit.api.parts_rules import SMALLEST
from reelkit.api.parts_storage import multipart_of
from reelkit.api.receiving import ClientGone
from reelkit.api.sources_finish import storage_told
from reelkit.api.tus_headers import ALGORITHMS
from reelkit.api.tus_problems import ChecksumMismatch, OffsetMismatch, TusTooLarge, UploadGone, UploadTaken
from reelkit.api.upload_spool import Aside, put_aside
from reelkit.catalog import parts, tus
from reelkit.catalog.checksums import Checksum
from reelkit.catalog.ids import new_id
from reelkit.catalog.parts import PartialUpload, Standing, UploadPart
from reelkit.catalog.tus import offset_of
from reelkit.interfaces.storage import NotStored, StorageError
from reelkit.jobs.runtime import Runtime

__all__ = ["append_bytes"]

PIECE = 8 << 20
"""Bytes of a piece, more for files over 40 GB."""
MOST_PIECES = 5000
"""Half of what storages take: numbers of pieces that were cut off are not used again."""
KEEPABLE = 64 << 20
"""Bytes of unfinished pieces that all requests of a process keep together; beyond that a break costs its piece."""


async def append_bytes(
    runtime: Runtime,
    upload: PartialUpload,
    offset: int,
    body: AsyncIterable[bytes],
    length: int | None,
    checksum: tuple[str, bytes] | None,
) -> int:
    """Append a request's body to an upload and return the new offset. length: of the body if declared.

    With a checksum nothing counts before it was compared. Raises OffsetMismatch, UploadTaken, UploadGone, TusTooLarge,
    ChecksumMismatch, ClientGone, StorageIsFull, StorageFailing.
    """
    holder = new_id("ho")
    stands = await tus.take_over(upload.scope, upload.id, holder, offset)
    if stands is None:
        raise UploadGone(name="id")
    joined = stands.upload.joined
    here = upload.total if joined else offset_of(stands)
    if here != offset:
        raise OffsetMismatch(name="Upload-Offset", detail=f"{here} bytes are here.")
    room = (upload.total or 0) - offset
    if length is not None and length > room:
        raise TusTooLarge(name="Content-Length", detail=f"Only {room} bytes are missing.")
    if joined:
        return offset
    kept = _Kept()
    appending = _Appending(runtime, stands, holder, checksum, kept)
    try:
        async with kept_alive(lambda: parts.hold(upload.scope, upload.id, holder)) as alive:
            # With a checksum half a body is worth nothing; without a length it lies on the disk.
            keeps = checksum is None and length is not None
            return await appending.take(_Reader(alive(body), room, kept if keeps else None), length)
    except NotStored:
        mine, now = await parts.hold(upload.scope, upload.id, holder), await parts.get(upload.scope, upload.id)
        if now is not None and (now.joined or not mine):
            raise UploadTaken() from None
        if now is not None:
            # Whatever cleans that storage was faster than 7 days.
            await take_back(runtime, now)
        raise UploadGone(name="id") from None
    finally:
        await asyncio.shield(parts.let_go(upload.scope, upload.id, holder))


class _Reader:
    """A body to take exact amounts of. room: bytes that it may have; kept: keeps what was taken."""

    def __init__(self, chunks: AsyncIterator[bytes], room: int, kept: _Kept | None = None) -> None:
        self._chunks = chunks
        self._kept = kept
        self._rest = b""
        self._room = room

    async def upto(self, size: int) -> AsyncIterator[bytes]:
        """Yield the next bytes, fewer where the body ends. Raises TusTooLarge."""
        while size > 0:
            chunk = self._rest or await anext(self._chunks, b"")
            if not chunk:
                return
            taken, self._rest = chunk[:size], chunk[size:]
            size -= len(taken)
            self._room -= len(taken)
            if self._room < 0:
                raise TusTooLarge(detail="The body has more bytes than are missing.")
            if self._kept is not None:
                self._kept.add(taken)
            yield taken


class _Kept:
    """What came since a piece was stored, for when the client goes: storages keep no half of one."""

    total = 0
    """Bytes that all of them have."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self._size = 0
        self._full = False

    def add(self, chunk: bytes) -> None:
        self._full = self._full or _Kept.total + len(chunk) > KEEPABLE
        if self._full:
            self._drop()
            return
        self.chunks.append(chunk)
        self._size += len(chunk)
        _Kept.total += len(chunk)

    def clear(self) -> None:
        self._drop()
        self._full = False

    def _drop(self) -> None:
        _Kept.total -= self._size
        self.chunks, self._size = [], 0


class _Appending:
    """One request that appends. stands: how the upload stood before; its tail becomes part of the first piece."""

    def __init__(
        self, runtime: Runtime, stands: Standing, holder: str, checksum: tuple[str, bytes] | None, kept: _Kept
    ) -> None:
        self._runtime = runtime
        self._upload = upload = stands.upload
        self._holder = holder
        self._start = stands.size
        self._tail = (upload.tail_key, upload.tail_size)
        self._told = checksum
        self._hash: Any = None if checksum is None else ALGORITHMS[checksum[0]]()
        self._unrecorded: list[UploadPart] = []
        self._kept = kept
        total = upload.total or 0
        self._piece = max(PIECE, -(-total // MOST_PIECES))

    async def take(self, body: _Reader, length: int | None) -> int:
        """Take the whole body and return the offset behind it; what came before a break is kept."""
        try:
            if length is None:
                while await self._take_gathered(body):
                    pass
            else:
                left = length
                while left > 0:
                    left -= await self._take_next(body, left)
        except (ClientGone, asyncio.CancelledError):
            with suppress(Exception):  # the break itself is what is told
                await self._save()
            raise
        finally:
            self._kept.clear()
        if self._told is not None and not hmac.compare_digest(self._hash.digest(), self._told[1]):
            await self._drop_tail()
            raise ChecksumMismatch(name="Upload-Checksum")
        await self._record()
        return self._start + self._tail[1]

    async def _take_gathered(self, body: _Reader) -> bool:
        """Take one piece of a body whose length nobody told; True when more may come."""
        # Storages want to know how long a piece is.
        async with put_aside(self._runtime.site.data) as aside:
            try:
                await aside.take(body.upto(self._piece))
            except ClientGone:
                if self._told is None:
                    await self._store_aside(aside)
                    await self._record()
                raise
            await self._store_aside(aside)
            return aside.length == self._piece

    async def _store_aside(self, aside: Aside) -> None:
        if aside.length:
            await self._take_next(_Reader(aiter(aside), aside.length), aside.length)

    async def _take_next(self, body: _Reader, left: int) -> int:
        """Store the next piece, or the tail, and return how many bytes of the body went into it. left: of the body."""
        before = self._tail[1]
        here = before + left
        ends = self._start + here == self._upload.total
        if here < SMALLEST and not ends:
            await self._store_tail(body, left)
            return left
        size = self._piece if here >= self._piece + SMALLEST else here
        await self._store_piece(body, size)
        return size - before

    async def _save(self) -> None:
        """Store what came of a piece that was cut off, and acknowledge it."""
        chunks = self._kept.chunks
        if size := sum(map(len, chunks)):
            await self._take_next(_Reader(_iterate(chunks), size), size)
            await self._record()

    async def _store_piece(self, body: _Reader, size: int) -> None:
        upload, storage = self._upload, multipart_of(self._runtime.storage)
        number = await tus.next_number(upload.scope, upload.id, self._holder)
        if number is None:
            raise UploadTaken()
        checksum = Checksum()
        with storage_told(upload.id):
            stored = await storage.put_part(
                upload.storage_key,
                upload.storage_upload,
                number,
                checksum.follow(self._with_tail(body, size)),
                size=size,
                offset=self._start,
            )
        self._unrecorded.append(
            UploadPart(number=number, start=self._start, size=size, tag=stored.tag, checksum=str(checksum))
        )
        self._kept.clear()
        self._start += size
        self._tail = (None, 0)
        if self._told is None:
            await self._record()

    async def _store_tail(self, body: _Reader, left: int) -> None:
        size = self._tail[1] + left
        key = f"{self._upload.storage_key.rpartition('/')[0]}/tail.{new_id('')}"
        with storage_told(self._upload.id):
            await self._runtime.storage.put(key, self._with_tail(body, size), size)
        self._kept.clear()
        self._tail = (key, size)

    async def _with_tail(self, body: _Reader, size: int) -> AsyncIterator[bytes]:
        """Yield the tail of the requests before, then the body up to a size. Raises ClientGone when it ends before."""
        key, seen = self._tail
        if key is not None:
            async for chunk in self._runtime.storage.read(key):
                yield chunk
        async for chunk in body.upto(size - seen):
            seen += len(chunk)
            if self._hash is not None:
                self._hash.update(chunk)
            yield chunk
        if seen != size:
            raise ClientGone(detail="The body ended before its declared length.")

    async def _record(self) -> None:
        """Acknowledge what is stored; the tail of before is not needed any more."""
        upload, (key, size) = self._upload, self._tail
        if not await tus.append(upload.scope, upload.id, self._holder, self._unrecorded, key, size):
            await self._drop_tail()
            raise UploadTaken()
        self._unrecorded = []
        if upload.tail_key is not None and upload.tail_key != key:
            with suppress(StorageError):
                await self._runtime.storage.delete(upload.tail_key)

    async def _drop_tail(self) -> None:
        key = self._tail[0]
        if key is not None and key != self._upload.tail_key:
            with suppress(StorageError):
                await self._runtime.storage.delete(key)


async def _iterate(chunks: list[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
