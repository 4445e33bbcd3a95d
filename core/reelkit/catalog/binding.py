"""Which engine the tables speak to: one database a process at a time."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any, NoReturn

from piccolo.engine.base import Engine
from piccolo.table import Table

from reelkit.catalog.errors import DatabaseUnavailable

__all__ = ["Catalogued", "bind", "engine", "transaction", "unbind"]

_tables: list[type[Table]] = []


class Catalogued(Table):
    """A table of the catalog: bound to the database that is open."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._meta._db = _bound
        _tables.append(cls)


class _Closed:
    """Stands in for the engine while no database is open."""

    engine_type = "sqlite"

    def __getattr__(self, name: str) -> NoReturn:
        raise DatabaseUnavailable("The catalog is not open: call `await open_database(site)` first.")


_closed: Any = _Closed()
_bound: Engine[Any] = _closed


def bind(to: Engine[Any]) -> None:
    """Let every table speak to this engine. Raises RuntimeError when another one is bound: close it first."""
    global _bound
    if _bound is not _closed and _bound is not to:
        raise RuntimeError("Another database is open in this process; close it before opening the next.")
    _bound = to
    for table in _tables:
        table._meta._db = to


def unbind(of: Engine[Any]) -> None:
    """Let the tables forget this engine; another one's binding stays."""
    global _bound
    if _bound is of:
        _bound = _closed
        for table in _tables:
            table._meta._db = _closed


def engine() -> Engine[Any]:
    """Return the engine that is bound. Using it raises DatabaseUnavailable when there is none."""
    return _bound


def transaction() -> AbstractAsyncContextManager[Any, None]:
    """Begin a transaction of the open database; inside another one, join it."""
    begun: Any = _bound.transaction()
    return begun  # type: ignore[no-any-return]  # Piccolo types the end of a transaction as one that swallows errors
