"""Where media lives: the interface every storage plugin implements, and its optional abilities."""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import msgspec

__all__ = [
    "KEY",
    "InvalidKey",
    "KeyTaken",
    "LocalPaths",
    "Multipart",
    "NotStored",
    "Part",
    "Presigns",
    "Storage",
    "StorageError",
    "StorageFull",
    "StorageUnavailable",
    "Stored",
]


KEY = re.compile(r"(?=.{1,1000}\Z)(?!\.\.?(/|\Z))[A-Za-z0-9._-]{1,200}(/(?!\.\.?(/|\Z))[A-Za-z0-9._-]{1,200})*\Z")
"""What a key looks like: names of 1..200 characters joined by `/`, none of them `.` or `..`, 1000 characters in all."""


class StorageError(Exception):
    """Any failure of a storage; `key` names the object."""

    def __init__(self, key: str, detail: str = "") -> None:
        super().__init__(f"{key}: {detail}" if detail else key)
        self.key = key
        self.detail = detail


class InvalidKey(StorageError):
    """This is no key (see KEY); nothing was touched."""


class NotStored(StorageError):
    """No object has this key."""


class KeyTaken(StorageError):
    """An object has this key already; keys are never reused for other bytes."""


class StorageFull(StorageError):
    """The bytes do not fit; nothing of the object is kept."""


class StorageUnavailable(StorageError):
    """The storage cannot be reached or refuses the credentials; trying again later may work."""


class Stored(msgspec.Struct, frozen=True):
    """One stored object. size: bytes."""

    key: str
    size: int


class Part(msgspec.Struct, frozen=True):
    """One stored part of a multipart upload. number: from 1; size: bytes; tag: what the storage needs to complete."""

    number: int
    size: int
    tag: str = ""


@runtime_checkable
class Storage(Protocol):
    """Where media lives. Keys are `/`-separated, relative, `[A-Za-z0-9._-]` names, and never reused for other bytes.

    No key is a folder of another one (`a` and `a/b`). Every method raises InvalidKey for what does not match KEY, and
    StorageUnavailable when the place cannot be reached.
    """

    async def put(self, key: str, body: AsyncIterable[bytes], size: int | None = None) -> Stored:
        """Store a stream under a new key, all or nothing, durably when it returns. size: bytes if known.

        Nothing is kept when the body raises, when the call is cancelled, or when the body is not of the size told
        (StorageError). Raises KeyTaken, StorageFull.
        """
        ...

    def read(self, key: str, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """Yield bytes start <= i < stop in chunks of at most 1 MiB; past the end yields less. Raises NotStored."""
        ...

    async def stat(self, key: str) -> Stored:
        """Tell the size of an object. Raises NotStored."""
        ...

    def list(self, prefix: str = "") -> AsyncIterator[Stored]:
        """Yield every object whose key starts with prefix, in any order."""
        ...

    async def delete(self, key: str) -> None:
        """Remove an object; removing one that is not there is no error."""
        ...

    async def check(self) -> None:
        """Return when a small write and read would work now. Raises StorageUnavailable, StorageFull."""
        ...

    async def close(self) -> None:
        """Release connections and threads."""
        ...


@runtime_checkable
class Multipart(Protocol):
    """Optional: an object made of parts that arrive in any order, also concurrently and from several processes."""

    async def begin(self, key: str) -> str:
        """Open a multipart upload and return its id. Raises KeyTaken."""
        ...

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
        """Store one part durably; the same number again replaces it. Every part but the last has at least 5 MiB.

        number: 1..10000. size, offset: its bytes and where it will begin in the object, if known; with both, completing
        need not move it. Raises NotStored for an unknown upload, StorageFull, StorageError when size was wrong.
        """
        ...

    async def complete(self, key: str, upload: str, parts: Sequence[Part]) -> Stored:
        """Join the parts in the order given, without copying bytes through this process. Raises NotStored, KeyTaken."""
        ...

    async def abort(self, key: str, upload: str) -> None:
        """Forget an upload and its parts; an unknown one is no error."""
        ...


@runtime_checkable
class Presigns(Protocol):
    """Optional: hands out URLs that a browser can use directly."""

    async def presign_get(self, key: str, expires: int, *, filename: str | None = None) -> str:
        """Return a URL that reads the object for `expires` seconds; filename makes it a download of that name."""
        ...


@runtime_checkable
class LocalPaths(Protocol):
    """Optional: objects are files of this machine, so they can leave by sendfile and be read by ffmpeg in place."""

    def local_path(self, key: str) -> Path:
        """Return the file of an object, which may not exist. Never outside the storage's own folder."""
        ...
