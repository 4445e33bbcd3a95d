"""LocalStorage: objects are files below one folder."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from pathlib import Path

from reelkit.interfaces.storage import KEY, NotStored, Part, Stored

from reelkit_local.folders import Folders, Incoming, os_errors
from reelkit_local.multipart import Uploads
from reelkit_local.reading import read_range
from reelkit_local.threads import held, in_thread
from reelkit_local.writing import FileWriter, write_stream

__all__ = ["LocalStorage"]

LISTED_AT_ONCE = 500
"""Objects that one trip to a thread lists."""


class LocalStorage:
    """Keeps objects in `folder`/objects/KEY, written elsewhere first and linked when whole. Implements Storage,
    Multipart and LocalPaths; any number of processes may use one folder.

    durable: sync before acknowledging; direct: write long streams past the page cache; keep_free: bytes of the disk to
    leave alone. Raises StorageUnavailable and StorageFull when the folder cannot be made.
    """

    def __init__(
        self,
        folder: Path,
        *,
        durable: bool = True,
        direct: bool = True,
        keep_free: int = 0,
        forget_uploads_hours: float = 168.0,
    ) -> None:
        self._folders = Folders(folder.absolute(), durable=durable, direct=direct, keep_free=keep_free)
        self._folders.prepare()
        # Apart, so that reads never queue behind a slow disk's writes.
        self._readers: Executor = ThreadPoolExecutor(8, thread_name_prefix="reelkit-local-read")
        self._writers: Executor = ThreadPoolExecutor(8, thread_name_prefix="reelkit-local-write")
        self._uploads = Uploads(self._folders, self._writers)
        self._uploads.forget(forget_uploads_hours)

    async def put(self, key: str, body: AsyncIterable[bytes], size: int | None = None) -> Stored:
        """Store a stream under a new key, all or nothing, durably when it returns."""
        await in_thread(self._writers, self._expect, key, size)
        async with held(self._writers, lambda: self._folders.create(key), Incoming.discard) as incoming:
            writer = FileWriter(incoming.descriptor, key, self._folders)
            total = await write_stream(writer, body, self._writers, size=size)
            published = False

            def publish() -> None:
                nonlocal published
                writer.sync()
                self._folders.publish(key, incoming.path)
                published = True

            try:
                await in_thread(self._writers, publish)
            except asyncio.CancelledError:
                if published:
                    await in_thread(self._writers, self._folders.remove, key)
                raise
        return Stored(key, total)

    def _expect(self, key: str, size: int | None) -> None:
        self._folders.refuse_taken(key)
        self._folders.check_room(key, size or 0)

    def read(self, key: str, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """Yield bytes start <= i < stop in chunks of at most 1 MiB."""
        return read_range(self._folders.path(key), key, start, stop, self._readers)

    async def stat(self, key: str) -> Stored:
        """Tell the size of an object."""
        path = self._folders.path(key)

        def look() -> Stored:
            with os_errors(key, missing=NotStored):
                found = path.stat()
            if not stat.S_ISREG(found.st_mode):
                raise NotStored(key)
            return Stored(key, found.st_size)

        return await in_thread(self._readers, look)

    async def list(self, prefix: str = "") -> AsyncIterator[Stored]:
        """Yield every object whose key starts with prefix."""
        found = walk(self._folders.objects, prefix)
        while batch := await in_thread(self._readers, lambda: [*islice(found, LISTED_AT_ONCE)]):
            for stored in batch:
                yield stored

    async def delete(self, key: str) -> None:
        """Remove an object and the folders that are empty without it."""
        await in_thread(self._writers, self._folders.remove, key)

    async def check(self) -> None:
        """Write, link and read a small file."""
        await in_thread(self._writers, self._folders.fail_unless_writable)

    async def close(self) -> None:
        """Wait for the threads to end."""
        for threads in (self._readers, self._writers):
            await asyncio.to_thread(threads.shutdown)

    def local_path(self, key: str) -> Path:
        """Return the file of an object, which may not exist."""
        return self._folders.path(key)

    async def begin(self, key: str) -> str:
        """Open a multipart upload and return its id."""
        return await self._uploads.begin(key)

    async def put_part(
        self,
        key: str,
        upload: str,
        number: int,
        body: AsyncIterable[bytes],
        *,
        size: int | None = None,
        offset: int | None = None,
    ) -> Part:
        """Store one part: at its place in the object when size and offset are told, else in a file of its own."""
        return await self._uploads.put_part(key, upload, number, body, size=size, offset=offset)

    async def complete(self, key: str, upload: str, parts: Sequence[Part]) -> Stored:
        """Make the object; only parts that are not in their place are copied, inside the kernel."""
        return await self._uploads.complete(key, upload, parts)

    async def abort(self, key: str, upload: str) -> None:
        """Forget an upload and its parts."""
        await self._uploads.abort(key, upload)


def walk(objects: Path, prefix: str) -> Iterator[Stored]:
    """Yield the files below `objects` whose relative path starts with prefix; what vanishes meanwhile is left out."""
    above = prefix.rpartition("/")[0]
    if above and not KEY.match(above):
        return
    folders = [above]
    while folders:
        folder = folders.pop()
        try:
            entries = os.scandir(objects / folder)
        except (FileNotFoundError, NotADirectoryError):
            continue
        with entries:
            for entry in entries:
                key = f"{folder}/{entry.name}" if folder else entry.name
                if not (key.startswith(prefix) and KEY.match(key)):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders.append(key)
                    continue
                with suppress(FileNotFoundError):
                    yield Stored(key, entry.stat().st_size)
