"""Statements of both engines: `{}` stands for a value, and many rows travel as one JSON value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from piccolo.querystring import QueryString

from reelkit.catalog.binding import engine

__all__ = ["fetch", "insert"]

Column = tuple[str, Literal["text", "bigint"]]


async def fetch(statement: str, *values: Any) -> list[dict[str, Any]]:
    """Run one statement, inside the open transaction if there is one."""
    rows: list[dict[str, Any]] = await engine().run_querystring(QueryString(statement, *values))
    return rows


async def insert(table: str, columns: Sequence[Column], rows: Sequence[Sequence[Any]], conflict: str = "") -> None:
    """Insert rows in one statement, each as long as columns; does nothing for none. conflict: the ON CONFLICT clause.

    One value of JSON instead of one placeholder a field: the statement is always the same, and has no limit of variables.
    """
    if not rows:
        return
    if engine().engine_type == "postgres":
        fields = ", ".join(f"(value->>{number})::{kind}" for number, (_, kind) in enumerate(columns))
        source = "jsonb_array_elements({}::jsonb)"
    else:
        fields = ", ".join(f"json_extract(value, '$[{number}]')" for number in range(len(columns)))
        source = "json_each({})"
    names = ", ".join(name for name, _ in columns)
    # Without a WHERE SQLite takes ON CONFLICT for the ON of a join.
    statement = f"INSERT INTO {table} ({names}) SELECT {fields} FROM {source} WHERE true {conflict}"
    await fetch(statement, msgspec.json.encode(rows).decode())
