"""The Postgres engine: Piccolo's, with its pool always on and transactions that give their connection back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from asyncpg.transaction import Transaction as Begun
from piccolo.engine.base import BaseTransaction
from piccolo.engine.postgres import PostgresEngine
from piccolo.querystring import QueryString

from reelkit.catalog.errors import DatabaseBusy, DatabaseFull, DatabaseUnavailable

__all__ = ["Postgres"]

QUEUE_SECONDS = 30.0
"""How long a query waits for a connection of the pool."""
CONNECTIONS = (2, 8)

_AWAY = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.TooManyConnectionsError,
)
"""What asyncpg raises when a server stops, starts, has no room for one more, or is out of reach."""

Row = dict[str, Any]


@contextmanager
def told() -> Iterator[None]:
    """Raise what an operator can act on by a name of ours, anything else as it is."""
    try:
        yield
    except asyncpg.DiskFullError as error:
        raise DatabaseFull("The disk of the database is full.") from error
    except _AWAY as error:
        raise DatabaseUnavailable(f"The database went away: {error}.") from error


class Transaction(BaseTransaction):
    """BEGIN … COMMIT on one connection of the pool, READ COMMITTED. One inside another joins it."""

    __slots__ = ("_begun", "_engine", "_parent", "_token", "_turn", "closed", "connection")

    def __init__(self, engine: Postgres) -> None:
        self._engine = engine
        self._parent = engine.open_transaction()
        self._token: Token[Transaction | None] | None = None
        self._begun: Begun
        self.connection: PoolConnectionProxy[Any]
        # Tasks gathered inside a transaction share its connection, which runs one statement at a time.
        self._turn = asyncio.Lock()
        self.closed = False

    async def __aenter__(self) -> Transaction:
        if self._parent is not None:
            return self._parent
        self.connection = await self._engine.acquire()
        try:
            self._begun = self.connection.transaction()
            with told():
                await self._begun.start()
        except BaseException:
            await self._engine.release(self.connection)
            raise
        self._token = self._engine.current_transaction.set(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if self._parent is not None:
            return False
        self.closed = True
        if self._token is not None:
            self._engine.current_transaction.reset(self._token)
        try:
            if error is None:
                with told():
                    await self._begun.commit()
            else:
                # What fails here, the server has rolled back or giving the connection back will; the error is told as it is.
                with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                    await self._begun.rollback()
        finally:
            # Giving a connection back also ends what a cancelled COMMIT or ROLLBACK left open.
            await self._engine.release(self.connection)
        return False

    async def fetch(self, sql: str, args: Sequence[Any]) -> list[Row]:
        """Run one statement inside the transaction."""
        async with self._turn:
            return [dict(row) for row in await self.connection.fetch(sql, *args)]


class Postgres(PostgresEngine):
    """A Piccolo engine over an asyncpg pool. url: postgresql://user:password@host:port/name"""

    def __init__(self, url: str) -> None:
        # PostgresEngine.__init__ would connect once, in a thread with a loop of its own, to learn the version.
        self.engine_type = "postgres"
        self.min_version_number = 13
        self.log_queries = self.log_responses = False
        self.query_id = 0
        self.config = {"dsn": url}
        self.extensions = ()
        self.extra_nodes = {}
        self.pool = None
        self.current_transaction: ContextVar[Any] = ContextVar("postgres_transaction", default=None)

    async def open(self) -> None:
        """Connect. Raises DatabaseUnavailable."""
        smallest, largest = CONNECTIONS
        try:
            self.pool = await asyncpg.create_pool(
                self.config["dsn"],
                min_size=smallest,
                max_size=largest,
                timeout=10,
                server_settings={"application_name": "reelkit", "timezone": "UTC"},
            )
        except (OSError, TimeoutError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise DatabaseUnavailable(f"The database cannot be reached: {error or type(error).__name__}.") from error

    async def close(self) -> None:
        """Finish what runs and close every connection; after 10 s without waiting any longer."""
        if self.pool is None:
            return
        pool, self.pool = self.pool, None
        try:
            async with asyncio.timeout(10):
                await pool.close()
        except TimeoutError:
            pool.terminate()

    def open_transaction(self) -> Transaction | None:
        """Return the transaction that the calling task is in; a task that outlived its parent's is in none."""
        current: Transaction | None = self.current_transaction.get()
        return None if current is None or current.closed else current

    async def acquire(self) -> PoolConnectionProxy[Any]:
        """Take a connection of the pool. Raises DatabaseBusy, DatabaseUnavailable."""
        if self.pool is None:
            raise DatabaseUnavailable("The database is closed.")
        with told():
            try:
                return await self.pool.acquire(timeout=QUEUE_SECONDS)
            except TimeoutError:
                raise DatabaseBusy(f"No database connection became free within {QUEUE_SECONDS:.0f} s.") from None

    async def release(self, connection: PoolConnectionProxy[Any]) -> None:
        """Give a connection back, clean, even when the calling task is being cancelled."""
        if self.pool is not None:
            await asyncio.shield(self.pool.release(connection))

    async def fetch(self, sql: str, args: Sequence[Any] = ()) -> list[Row]:
        """Run one statement: in the open transaction, else alone."""
        current = self.open_transaction()
        if current is not None:
            with told():
                return await current.fetch(sql, args)
        connection = await self.acquire()
        try:
            with told():
                return [dict(row) for row in await connection.fetch(sql, *args)]
        finally:
            await self.release(connection)

    # What Piccolo asks of an engine.

    async def run_querystring(self, querystring: QueryString, in_pool: bool = True) -> list[Row]:  # noqa: ARG002 (Piccolo passes it)
        return await self.fetch(*querystring.compile_string(engine_type="postgres"))

    async def run_ddl(self, ddl: str, in_pool: bool = True) -> list[Row]:  # noqa: ARG002 (Piccolo passes it)
        return await self.fetch(ddl)

    # Piccolo names its own class here, which loses connections when a COMMIT fails.
    def transaction(self, *_: Any, **__: Any) -> Transaction:  # type: ignore[override]  # see above
        return Transaction(self)
