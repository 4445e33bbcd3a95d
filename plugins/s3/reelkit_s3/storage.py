"""S3Storage: objects are objects of a bucket."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager, nullcontext, suppress
from datetime import timedelta
from secrets import token_hex
from urllib.parse import quote

from reelkit.interfaces.storage import (
    KEY,
    InvalidKey,
    KeyTaken,
    NotStored,
    Part,
    StorageError,
    StorageFull,
    StorageUnavailable,
    Stored,
)

from reelkit_s3 import multipart
from reelkit_s3.client import Client
from reelkit_s3.credentials import CredentialSource
from reelkit_s3.objects import CHUNK, Objects
from reelkit_s3.settings import Settings
from reelkit_s3.signing import presigned_url

__all__ = ["S3Storage"]

PART = 8 * 1024**2
"""Bytes of the first 2,000 parts of a streamed object; later ones grow, as there may be 10,000."""

CONCURRENT = 3
"""Parts under way at once: with the one being gathered and its join about 40 MiB of memory an upload."""


MARKER_DIES = timedelta(minutes=15)
"""A marker this old was left by a killed process; no completion takes so long."""


def checked(key: str) -> str:
    """Return the key. Raises InvalidKey."""
    if not KEY.match(key):
        raise InvalidKey(key[:100], "not a key")
    return key


class S3Storage:
    """Keeps objects in a bucket. Implements Storage, Multipart and Presigns. Raises ValueError for wrong settings."""

    def __init__(self, settings: Settings) -> None:
        settings.check()
        self._settings = settings
        self._credentials = CredentialSource(settings)
        self._objects = Objects(settings, self._credentials)
        self._client = Client(settings, self._credentials)
        self._background: set[asyncio.Task[None]] = set()
        self._swept = False

    def __repr__(self) -> str:
        """Tell where it is."""
        return f"S3Storage({self._settings.base_url()!r})"

    async def put(self, key: str, body: AsyncIterable[bytes], size: int | None = None) -> Stored:
        """Store a stream: in one request when it is short, as a multipart upload of equal parts otherwise."""
        checked(key)
        parts = gathered(key, body, size)
        try:
            first: list[bytes] = await anext(parts, [])
            length = sum(len(block) for block in first)
            if length < PART:
                await self._refuse_taken(key, asked=self._settings.guards == "none")
                await self._objects.put(key, b"".join(first))
                return Stored(key, length)
            await self._refuse_taken(key)
            return Stored(key, await self._put_parts(key, first, parts))
        finally:
            await parts.aclose()

    async def _refuse_taken(self, key: str, *, asked: bool = True) -> None:
        if asked and await self._objects.exists(key):
            raise KeyTaken(key)

    async def _put_parts(self, key: str, first: list[bytes], rest: AsyncIterator[list[bytes]]) -> int:
        """Store a long stream and return its bytes; the upload is aborted whatever goes wrong."""
        upload = await multipart.create_upload(self._client, key)
        self._sweep_once()
        sending: set[asyncio.Task[Part]] = set()
        done: list[Part] = []

        async def make_room(most: int) -> None:
            nonlocal sending
            while len(sending) > most:
                finished, sending = await asyncio.wait(sending, return_when=asyncio.FIRST_COMPLETED)
                done.extend(task.result() for task in finished)

        number = 0
        blocks: list[bytes] | None = first
        try:
            while blocks:
                number += 1
                part = multipart.put_part(self._client, key, upload, number, blocks)
                sending.add(asyncio.create_task(part))
                # The task holds the bytes now; another reference would keep them while the next part is gathered.
                del part, blocks
                await make_room(CONCURRENT - 1)
                blocks = await anext(rest, None)
            await make_room(0)
            done.sort(key=lambda part: part.number)
            await self._complete(key, upload, done)
        except BaseException:
            for task in sending:
                task.cancel()
            await asyncio.shield(self._in_background(self._give_up(key, upload, sending)))
            raise
        return sum(part.size for part in done)

    async def _complete(self, key: str, upload: str, parts: Sequence[Part]) -> None:
        """Make the object of an upload, only if nothing has its key."""
        guards = self._settings.guards
        if guards == "complete":
            await multipart.complete_upload(self._client, key, upload, parts, conditional=True)
            return
        async with self._guarded(key) if guards == "put" else nullcontext():
            if not await self._objects.exists(key):
                await multipart.complete_upload(self._client, key, upload, parts, conditional=guards == "put")
            elif not await multipart.is_made_of(self._client, key, parts):
                raise KeyTaken(key)

    @asynccontextmanager
    async def _guarded(self, key: str) -> AsyncIterator[None]:
        """Hold the marker that lets one writer at a time complete a key. Raises KeyTaken while another one holds it."""
        marker = f"~guard/{key}"
        try:
            await self._objects.put(marker, b"")
        except KeyTaken:
            age = await self._objects.age(marker)
            if age is not None:
                if age < MARKER_DIES:
                    raise KeyTaken(key, "another upload of this key is being completed") from None
                await self._objects.delete(marker)
            await self._objects.put(marker, b"")
        try:
            yield
        finally:
            await asyncio.shield(self._in_background(self._let_go(marker)))

    async def _let_go(self, marker: str) -> None:
        with suppress(StorageError):
            await self._objects.delete(marker)

    async def _give_up(self, key: str, upload: str, sending: set[asyncio.Task[Part]]) -> None:
        """Abort an upload once none of its parts is under way, or they would come after."""
        await asyncio.gather(*sending, return_exceptions=True)
        with suppress(StorageError):
            await multipart.abort_upload(self._client, key, upload)

    def _in_background(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """Run a coroutine to its end whatever happens to the caller."""
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    def _sweep_once(self) -> None:
        """Abort forgotten uploads in the background, the first time that this process makes one."""
        if self._swept:
            return
        self._swept = True

        async def sweep() -> None:
            with suppress(StorageError):
                await multipart.forget_uploads(self._client, self._settings.forget_uploads_hours)

        self._in_background(sweep())

    async def read(self, key: str, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """Yield bytes start <= i < stop in chunks of at most 1 MiB."""
        if start < 0 or (stop is not None and stop < 0):
            raise ValueError(f"{key}: a range begins and ends at 0 or later, not {start}:{stop}")
        async for chunk in self._objects.read(checked(key), start, stop):
            yield chunk

    async def stat(self, key: str) -> Stored:
        """Tell the size of an object."""
        return Stored(key, await self._objects.size(checked(key)))

    def list(self, prefix: str = "") -> AsyncIterator[Stored]:
        """Yield every object whose key starts with prefix."""
        return self._objects.list(prefix)

    async def delete(self, key: str) -> None:
        """Remove an object."""
        await self._objects.delete(checked(key))

    async def check(self) -> None:
        """Write, read and remove a small object, under a name that is no key and so never listed."""
        key = f"~check/{token_hex(8)}"
        try:
            await self._objects.put(key, b"reelkit")
            async for chunk in self._objects.read(key, 0, None):
                if chunk != b"reelkit":
                    raise StorageUnavailable("check", "the service does not give back what was written")
        except NotStored:
            raise StorageUnavailable("check", "the service does not give back what was written") from None
        finally:
            with suppress(StorageError):
                await self._objects.delete(key)

    async def close(self) -> None:
        """Finish what runs in the background and close the connections."""
        await asyncio.gather(*self._background, return_exceptions=True)
        await self._client.close()

    # Multipart

    async def begin(self, key: str) -> str:
        """Open a multipart upload and return its id."""
        await self._refuse_taken(checked(key))
        upload = await multipart.create_upload(self._client, key)
        self._sweep_once()
        return upload_id(key, upload)

    async def put_part(
        self,
        key: str,
        upload: str,
        number: int,
        body: AsyncIterable[bytes],
        *,
        size: int | None = None,
        offset: int | None = None,  # noqa: ARG002 - S3 joins parts by number
    ) -> Part:
        """Store one part: as it comes when its size is told, else kept on this machine's disk until its end."""
        upload = opened(key, upload)
        if not 1 <= number <= 10000:
            raise StorageError(key, f"parts are numbered 1 to 10000, not {number}")
        if size is not None:
            return await multipart.stream_part(self._client, key, upload, number, exactly(key, body, size), size)
        # S3 wants the size before the first byte.
        with tempfile.SpooledTemporaryFile(max_size=PART) as spool:
            total = 0
            async for chunk in body:
                total += len(chunk)
                try:
                    await asyncio.to_thread(spool.write, chunk)
                except OSError as error:
                    raise StorageFull(key, f"a part of unknown size finds no room in {tempfile.gettempdir()}") from error
            spool.seek(0)

            async def spooled() -> AsyncIterator[bytes]:
                while chunk := await asyncio.to_thread(spool.read, CHUNK):
                    yield chunk

            return await multipart.stream_part(self._client, key, upload, number, spooled(), total)

    async def complete(self, key: str, upload: str, parts: Sequence[Part]) -> Stored:
        """Join the parts; S3 wants them in the order of their numbers."""
        await self._complete(key, opened(key, upload), parts)
        return Stored(key, sum(part.size for part in parts))

    async def abort(self, key: str, upload: str) -> None:
        """Forget an upload and its parts."""
        with suppress(NotStored):
            await multipart.abort_upload(self._client, key, opened(key, upload))

    # Presigns

    async def presign_get(self, key: str, expires: int, *, filename: str | None = None) -> str:
        """Return a URL that reads the object for `expires` seconds; filename makes it a download of that name."""
        query = {}
        if filename is not None:
            query["response-content-disposition"] = attachment(filename)
        url = self._client.url(checked(key), public=True)
        return presigned_url("GET", url, query, await self._credentials.get(), self._settings.region, expires)


def upload_id(key: str, upload: str) -> str:
    """Return the id to hand out for an upload: not every service checks that an upload belongs to the key."""
    return f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.{upload}"


def opened(key: str, upload: str) -> str:
    """Return S3's id of an upload. Raises InvalidKey, NotStored for what was not handed out for this key."""
    checked(key)
    inner = upload.partition(".")[2]
    if not inner or upload_id(key, inner) != upload:
        raise NotStored(key, "no such upload")
    return inner


async def exactly(key: str, body: AsyncIterable[bytes], size: int) -> AsyncIterator[bytes]:
    """Yield a body. Raises StorageError when it is not of this size."""
    total = 0
    async for chunk in body:
        total += len(chunk)
        if total > size:
            raise StorageError(key, f"announced as {size} bytes, but more came")
        yield chunk
    if total != size:
        raise StorageError(key, f"announced as {size} bytes, but only {total} came")


async def gathered(key: str, body: AsyncIterable[bytes], size: int | None) -> AsyncGenerator[list[bytes], None]:
    """Yield a body in parts of equal size, the last one shorter, each as a list of blocks of at most CHUNK bytes.

    Raises StorageError when the size is not as told.
    """
    number = have = 0
    blocks: list[bytes] = []
    async for chunk in body if size is None else exactly(key, body, size):
        position = 0
        while position < len(chunk):
            # Equal parts, since some services insist on them; doubled every 2,000.
            wanted = PART * 2 ** (number // 2000)
            taken = chunk[position : position + min(CHUNK, wanted - have)]
            blocks.append(taken)
            position += len(taken)
            have += len(taken)
            if have == wanted:
                yield blocks
                blocks, have = [], 0
                number += 1
    if blocks:
        yield blocks


def attachment(filename: str) -> str:
    """Return a Content-Disposition for a download; RFC 6266: an ASCII stand-in, then the name in UTF-8."""
    plain = "".join(letter if letter.isascii() and (letter.isalnum() or letter in " .-_()") else "_" for letter in filename)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"
