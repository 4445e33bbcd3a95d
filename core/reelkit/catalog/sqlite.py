"""The SQLite engine: one writer and two readers a process, each connection on a thread of its own.

Piccolo's own engine opens a connection and a thread for each query, begins transactions DEFERRED (so that two writers
that read first end as "database is locked"), and leaks a thread that keeps the process alive when BEGIN fails. This
one keeps its connections open, lets the writers of a process queue in asyncio, and begins IMMEDIATE, so that only the
wait for another process is left to SQLite's busy timeout.

Durability: WAL with `synchronous=FULL`. With NORMAL a killed process loses nothing either, but a power cut may lose the
commits since the last checkpoint, and the answers to them were sent already. FULL costs one fsync a commit (0.2 ms on
an NVMe disk, against 0.006) and is what Postgres does by default, so that a commit means the same on both.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar, Token
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, TypeVar

# Importing Piccolo's engine registers its converters (TIMESTAMPTZ, BOOLEAN …) with the sqlite3 module.
import piccolo.engine.sqlite as _converters  # noqa: F401 (see above)
from piccolo.engine.base import BaseTransaction, Engine
from piccolo.querystring import QueryString

from reelkit.catalog.errors import DatabaseBusy, DatabaseFull, DatabaseUnavailable

__all__ = ["SQLite", "enter_wal"]

BUSY_SECONDS = 15.0
"""How long a statement waits for a writer of another process."""
QUEUE_SECONDS = 30.0
"""How long a query waits for its turn in this process; longer means that a transaction waits for itself."""
READERS = 2

Row = dict[str, Any]
T = TypeVar("T")


class Connection:
    """One SQLite connection. Calls run on its thread in the order they were made."""

    def __init__(self, path: Path, *, read_only: bool) -> None:
        self._path = path
        self._read_only = read_only
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite")
        self._raw: sqlite3.Connection | None = None
        self._closed = False

    def call(self, function: Callable[[sqlite3.Connection], T]) -> asyncio.Future[T]:
        """Run a function of the connection on its thread. Cancelling the future does not stop what runs already."""
        if self._closed:
            raise DatabaseUnavailable("The database is closed.")

        def run() -> T:
            if self._raw is None:
                self._raw = self._connect()
            return function(self._raw)

        return asyncio.get_running_loop().run_in_executor(self._thread, run)

    def fetch(self, sql: str, args: Sequence[Any] = ()) -> asyncio.Future[list[Row]]:
        """Run one statement and return its rows, in one trip to the thread."""

        def run(raw: sqlite3.Connection) -> list[Row]:
            cursor = raw.execute(sql, args)
            if cursor.description is None:
                return []
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

        return self.call(run)

    def finish(self, statement: str) -> asyncio.Future[None]:
        """End the open transaction with COMMIT or ROLLBACK; whatever happens, none is open afterwards."""

        def run(raw: sqlite3.Connection) -> None:
            try:
                if raw.in_transaction:
                    raw.execute(statement)
            finally:
                if raw.in_transaction:
                    raw.execute("ROLLBACK")

        return self.call(run)

    async def close(self) -> None:
        """Close the connection after everything that was asked of it, and end its thread; again is no error."""
        if self._closed:
            return
        self._closed = True

        def run() -> None:
            if self._raw is not None:
                self._raw.close()

        await asyncio.get_running_loop().run_in_executor(self._thread, run)
        self._thread.shutdown()

    def _connect(self) -> sqlite3.Connection:
        raw = sqlite3.connect(
            self._path,
            isolation_level=None,
            timeout=BUSY_SECONDS,
            detect_types=sqlite3.PARSE_DECLTYPES,
            cached_statements=256,
        )
        try:
            enter_wal(raw)
            raw.execute("PRAGMA synchronous = FULL")
            raw.execute("PRAGMA foreign_keys = ON")
            raw.execute("PRAGMA cache_size = -4096")
            raw.execute("PRAGMA journal_size_limit = 67108864")
            if self._read_only:
                raw.execute("PRAGMA query_only = ON")
        except BaseException:
            raw.close()
            raise
        return raw


def enter_wal(raw: sqlite3.Connection) -> None:
    """Switch the file to WAL, once for all; two processes that do it at once are told "locked" without any wait."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            raw.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


class Transaction(BaseTransaction):
    """BEGIN IMMEDIATE … COMMIT on the writer. One inside another joins it."""

    __slots__ = ("_engine", "_parent", "_token", "closed")

    def __init__(self, engine: SQLite) -> None:
        self._engine = engine
        self._parent = engine.open_transaction()
        self._token: Token[Transaction | None] | None = None
        self.closed = False

    async def __aenter__(self) -> Transaction:
        if self._parent is not None:
            return self._parent
        engine = self._engine
        await engine.acquire_writer()
        try:
            await engine.writer.fetch("BEGIN IMMEDIATE")
        except BaseException as error:
            # Cancelled, BEGIN may still succeed on its thread: roll back behind it, and only then let others in.
            engine.release_after(engine.writer.finish("ROLLBACK"))
            if isinstance(error, sqlite3.OperationalError):
                raise_known(error)
            raise
        self._token = engine.current_transaction.set(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if self._parent is not None:
            return False
        self.closed = True
        if self._token is not None:
            self._engine.current_transaction.reset(self._token)
        ending = self._engine.writer.finish("COMMIT" if error is None else "ROLLBACK")
        self._engine.release_after(ending)
        try:
            await asyncio.shield(ending)
        except sqlite3.OperationalError as failed:
            raise_known(failed)
        return False


class SQLite(Engine[Transaction]):
    """A Piccolo engine over the pooled connections of one file."""

    __slots__ = ("_readers", "_spare", "_turn", "path", "writer")

    def __init__(self, path: Path) -> None:
        # Engine.__init__ starts an event loop in a thread to ask for a version that is known already.
        self.engine_type = "sqlite"
        self.min_version_number = 3.35
        self.log_queries = self.log_responses = False
        self.query_id = 0
        self.current_transaction = ContextVar("sqlite_transaction", default=None)
        self.path = path
        self.writer = Connection(path, read_only=False)
        self._readers = [Connection(path, read_only=True) for _ in range(READERS)]
        self._spare: asyncio.LifoQueue[Connection] = asyncio.LifoQueue()
        self._turn = asyncio.Lock()

    async def open(self) -> None:
        """Create the file if needed and connect the writer. Raises DatabaseUnavailable."""
        for reader in self._readers:
            self._spare.put_nowait(reader)
        try:
            await asyncio.to_thread(self._create)
            await self.writer.call(lambda raw: raw.execute("SELECT count(*) FROM sqlite_master").fetchone())
        except (OSError, sqlite3.Error) as error:
            await self.close()
            raise DatabaseUnavailable(f"The database {self.path} cannot be opened: {error}.") from error

    def _create(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # It holds what people upload under which name, and digests of keys: nobody else's to read.
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))

    async def close(self) -> None:
        """Finish what runs and close every connection."""
        for connection in (*self._readers, self.writer):
            await connection.close()

    def open_transaction(self) -> Transaction | None:
        """Return the transaction that the calling task is in; a task that outlived its parent's is in none."""
        current = self.current_transaction.get()
        return None if current is None or current.closed else current

    async def acquire_writer(self) -> None:
        """Wait for the turn to write. Raises DatabaseBusy."""
        try:
            async with asyncio.timeout(QUEUE_SECONDS):
                await self._turn.acquire()
        except TimeoutError:
            raise DatabaseBusy(f"No write to the database got its turn within {QUEUE_SECONDS:.0f} s.") from None

    def release_after(self, future: asyncio.Future[Any]) -> None:
        """Give the turn on when the thread is done, even if nobody waits for it any more."""

        def release(done: asyncio.Future[Any]) -> None:
            if not done.cancelled():
                done.exception()
            self._turn.release()

        future.add_done_callback(release)

    async def fetch(self, sql: str, args: Sequence[Any] = ()) -> list[Row]:
        """Run one statement: in the open transaction, else on a reader if it is a SELECT, else alone on the writer."""
        try:
            if self.open_transaction() is not None:
                return await self.writer.fetch(sql, args)
            if sql.lstrip()[:6].upper() == "SELECT":
                return await self._read(sql, args)
            await self.acquire_writer()
            writing = self.writer.fetch(sql, args)
            self.release_after(writing)
            return await asyncio.shield(writing)
        except sqlite3.OperationalError as error:
            raise_known(error)

    async def _read(self, sql: str, args: Sequence[Any]) -> list[Row]:
        try:
            async with asyncio.timeout(QUEUE_SECONDS):
                reader = await self._spare.get()
        except TimeoutError:
            raise DatabaseBusy(f"No read of the database got its turn within {QUEUE_SECONDS:.0f} s.") from None
        reading = reader.fetch(sql, args)

        def spare(done: asyncio.Future[list[Row]]) -> None:
            if not done.cancelled():
                done.exception()
            self._spare.put_nowait(reader)

        reading.add_done_callback(spare)
        return await asyncio.shield(reading)

    # What Piccolo asks of an engine.

    async def run_querystring(self, querystring: QueryString, in_pool: bool = True) -> list[Row]:  # noqa: ARG002 (Piccolo passes it)
        return await self.fetch(*querystring.compile_string(engine_type="sqlite"))

    async def run_ddl(self, ddl: str, in_pool: bool = True) -> list[Row]:  # noqa: ARG002 (Piccolo passes it)
        return await self.fetch(ddl)

    def transaction(self, *_: Any, **__: Any) -> Transaction:
        return Transaction(self)

    def atomic(self) -> NoReturn:
        raise NotImplementedError("use transaction()")

    async def batch(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise NotImplementedError("read page by page")

    async def get_version(self) -> float:
        return self.get_version_sync()

    def get_version_sync(self) -> float:
        major, minor, _ = sqlite3.sqlite_version_info
        return float(f"{major}.{minor:02}")

    async def prep_database(self) -> None:
        return None


def raise_known(error: sqlite3.OperationalError) -> NoReturn:
    """Raise what an operator can act on by a name of ours, anything else as it is."""
    code = error.sqlite_errorcode & 0xFF
    if code == sqlite3.SQLITE_BUSY:
        raise DatabaseBusy("Another process kept the database locked for too long.") from error
    if code == sqlite3.SQLITE_FULL:
        raise DatabaseFull("The disk of the database is full.") from error
    if code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
        raise DatabaseUnavailable(f"The database cannot be written or read: {error}.") from error
    raise error
