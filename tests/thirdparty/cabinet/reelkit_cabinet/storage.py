"""Cabinet: objects are rows, their bytes are pieces of at most 256 KiB."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterable, AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from secrets import randbits
from typing import TypeVar

from reelkit.interfaces.storage import (
    KEY,
    InvalidKey,
    KeyTaken,
    NotStored,
    StorageError,
    StorageFull,
    StorageUnavailable,
    Stored,
)

__all__ = ["Cabinet"]

T = TypeVar("T")

PIECE = 256 * 1024
TABLES = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
CREATE TABLE IF NOT EXISTS object (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, size INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS piece (
    object INTEGER NOT NULL, start INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (object, start)
) WITHOUT ROWID;
"""


def checked(key: str) -> str:
    """Return the key. Raises InvalidKey."""
    if not KEY.match(key):
        raise InvalidKey(key[:100], "not a key")
    return key


class Cabinet:
    """Keeps objects in one SQLite file; one thread speaks to it. Implements Storage."""

    def __init__(self, file: Path) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="cabinet")
        file.parent.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(file, isolation_level=None, check_same_thread=False, timeout=15)
        self._database.executescript(TABLES)

    async def _do(self, key: str, work: Callable[[], T]) -> T:
        """Run work in the thread. Raises StorageFull, StorageUnavailable for what SQLite raises."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except sqlite3.IntegrityError:
            raise
        except sqlite3.OperationalError as error:
            kind = StorageFull if "full" in str(error) else StorageUnavailable
            raise kind(key, str(error)) from error

    async def put(self, key: str, body: AsyncIterable[bytes], size: int | None = None) -> Stored:
        """Write pieces that no object owns yet, then the object in one step."""
        await self._do(checked(key), lambda: self._refuse_taken(key))
        object_id = randbits(62)
        total = 0
        waiting = bytearray()
        try:
            async for chunk in body:
                waiting += chunk
                while len(waiting) >= PIECE:
                    piece = bytes(waiting[:PIECE])
                    del waiting[:PIECE]
                    await self._do(key, lambda piece=piece, start=total: self._write(object_id, start, piece))  # type: ignore[misc]  # mypy cannot type a lambda's defaults
                    total += PIECE
                if size is not None and total + len(waiting) > size:
                    raise StorageError(key, f"announced as {size} bytes, but more came")
            last = bytes(waiting)
            if size is not None and total + len(last) != size:
                raise StorageError(key, f"announced as {size} bytes, but {total + len(last)} came")
            await self._do(key, lambda: self._finish(object_id, key, total, last))
        except BaseException:
            # The one thread works in order, so this comes after whatever is under way.
            self._thread.submit(self._forget, object_id)
            raise
        return Stored(key, total + len(last))

    def _refuse_taken(self, key: str) -> None:
        if self._database.execute("SELECT 1 FROM object WHERE key = ?", (key,)).fetchone():
            raise KeyTaken(key)

    def _write(self, object_id: int, start: int, piece: bytes) -> None:
        self._database.execute("INSERT INTO piece VALUES (?, ?, ?)", (object_id, start, piece))

    def _finish(self, object_id: int, key: str, total: int, last: bytes) -> None:
        if last:
            self._write(object_id, total, last)
        try:
            self._database.execute("INSERT INTO object VALUES (?, ?, ?)", (object_id, key, total + len(last)))
        except sqlite3.IntegrityError:
            raise KeyTaken(key) from None

    def _forget(self, object_id: int) -> None:
        self._database.execute("DELETE FROM object WHERE id = ?", (object_id,))
        self._database.execute("DELETE FROM piece WHERE object = ?", (object_id,))

    async def read(self, key: str, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """Yield the pieces that the range touches, cut to it."""
        object_id, size = await self._do(checked(key), lambda: self._find(key))
        end = size if stop is None else min(stop, size)
        while start < end:
            at = start
            began, piece = await self._do(key, lambda at=at: self._piece(object_id, at))  # type: ignore[misc]  # as above
            yield piece[start - began : end - began]
            start = began + len(piece)

    def _find(self, key: str) -> tuple[int, int]:
        found = self._database.execute("SELECT id, size FROM object WHERE key = ?", (key,)).fetchone()
        if found is None:
            raise NotStored(key)
        return int(found[0]), int(found[1])

    def _piece(self, object_id: int, start: int) -> tuple[int, bytes]:
        query = "SELECT start, bytes FROM piece WHERE object = ? AND start <= ? ORDER BY start DESC LIMIT 1"
        began, piece = self._database.execute(query, (object_id, start)).fetchone()
        return int(began), bytes(piece)

    async def stat(self, key: str) -> Stored:
        """Tell the size of an object."""
        return Stored(key, (await self._do(checked(key), lambda: self._find(key)))[1])

    async def list(self, prefix: str = "") -> AsyncIterator[Stored]:
        """Yield every object whose key starts with prefix."""
        query = "SELECT key, size FROM object WHERE substr(key, 1, ?) = ?"
        for key, size in await self._do(prefix, lambda: self._database.execute(query, (len(prefix), prefix)).fetchall()):
            yield Stored(key, size)

    async def delete(self, key: str) -> None:
        """Remove an object."""

        def remove() -> None:
            found = self._database.execute("SELECT id FROM object WHERE key = ?", (key,)).fetchone()
            if found is not None:
                self._forget(int(found[0]))

        await self._do(checked(key), remove)

    async def check(self) -> None:
        """Write and take back."""

        def write() -> None:
            self._database.execute("BEGIN IMMEDIATE")
            self._database.execute("INSERT INTO piece VALUES (-1, 0, x'00')")
            self._database.execute("ROLLBACK")

        await self._do("check", write)

    async def close(self) -> None:
        """Finish what is under way and close the file."""
        await asyncio.to_thread(self._thread.shutdown)
        self._database.close()
