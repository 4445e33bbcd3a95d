"""Whose rows: the only way by which the catalog reads and writes tables.

Every table of tenants' objects derives from `Scoped`. A query function takes a `Scope` first and asks `scoped(Table,
scope)`, which puts project and environment into the WHERE of everything and into every new row. The few queries that
must look across (`playback`, `work`, and finding a key by its digest) say `unscoped(Table)`; a test knows each of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Generic, Literal, TypeVar

import msgspec
from piccolo.columns import Column, Text
from piccolo.custom_types import Combinable
from piccolo.query.methods.delete import Delete
from piccolo.query.methods.insert import Insert
from piccolo.query.methods.select import Select
from piccolo.query.methods.update import Update
from piccolo.querystring import QueryString

from reelkit.catalog.binding import Catalogued

__all__ = ["Environment", "Owned", "Rows", "Scope", "Scoped", "for_update", "scoped", "unscoped"]

Environment = Literal["production", "sandbox"]


class Scope(msgspec.Struct, frozen=True):
    """The project and the environment that a caller acts in."""

    project: str
    environment: Environment = "production"


class Owned(msgspec.Struct, frozen=True, kw_only=True):
    """What is read from a row of a Scoped table; a Struct has one base, so what extends another says this by itself."""

    project: str
    environment: Environment

    @property
    def scope(self) -> Scope:
        """Whose it is."""
        return Scope(self.project, self.environment)


class Scoped(Catalogued):
    """A table of which every row belongs to a project and an environment."""

    project = Text()
    environment = Text()


T = TypeVar("T", bound=Catalogued)
S = TypeVar("S", bound=Scoped)


class Rows(Generic[T]):
    """Some rows of a table: queries that cannot reach the others."""

    def __init__(self, table: type[T], where: tuple[Combinable, ...] = (), fill: dict[str, Any] | None = None) -> None:
        self._table = table
        self._where = where
        self._fill = fill or {}

    def select(self, *columns: Column | QueryString) -> Select[T]:
        """Read columns, all when none is named."""
        query = self._table.select(*columns)
        return query.where(*self._where) if self._where else query

    def update(self, values: Mapping[Any, Any]) -> Update[T]:
        """Change columns; needs a further `where` when unscoped."""
        query = self._table.update(dict(values))
        return query.where(*self._where) if self._where else query

    def delete(self) -> Delete:
        """Remove rows; needs a further `where` when unscoped."""
        query = self._table.delete()
        return query.where(*self._where) if self._where else query

    def insert(self, **values: Any) -> Insert[T]:
        """Add one row."""
        return self._table.insert(self._table(**{**values, **self._fill}))

    def insert_all(self, rows: Iterable[Mapping[str, Any]]) -> Insert[T]:
        """Add rows in one statement; at least one."""
        return self._table.insert(*(self._table(**{**row, **self._fill}) for row in rows))

    async def one(self, *where: Combinable | QueryString, lock: bool = False) -> dict[str, Any] | None:
        """Return one matching row or None. lock: nobody else changes it until the transaction ends."""
        query = self.select().where(*where).limit(1)
        rows = await (for_update(query) if lock else query)
        return rows[0] if rows else None

    async def count(self, *where: Combinable | QueryString) -> int:
        """Return how many rows match."""
        query = self.select(QueryString("COUNT(*) AS total"))
        rows = await (query.where(*where) if where else query)
        return int(rows[0]["total"])


def scoped(table: type[S], scope: Scope) -> Rows[S]:
    """Return the rows of a scope."""
    return Rows(
        table,
        (table.project == scope.project, table.environment == scope.environment),
        {"project": scope.project, "environment": scope.environment},
    )


def unscoped(table: type[T]) -> Rows[T]:
    """Return all rows of a table, whosever they are."""
    return Rows(table)


def for_update(query: Select[T]) -> Select[T]:
    """Lock the selected rows until the transaction ends. SQLite's writer is alone anyway, so nothing is needed there."""
    return query.lock_rows("UPDATE") if query.engine_type == "postgres" else query
