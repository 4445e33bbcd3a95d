"""Bytes of media that keys have taken, a row a key and calendar month (UTC)."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from piccolo.columns import BigInt, Text

from reelkit.catalog.binding import transaction
from reelkit.catalog.scope import Scope, Scoped, scoped

__all__ = ["Usage", "add", "of_scope", "taken"]


class Usage(msgspec.Struct, frozen=True):
    """What a key took in a month. month: e.g. `2026-11`."""

    key_id: str
    month: str
    bytes: int


class UsageRow(Scoped, tablename="key_usage"):
    """Table `key_usage`. id: scope, key and month, so that there is one row of them."""

    id = Text(primary_key=True)
    key_id = Text()
    month = Text()
    bytes = BigInt()


async def add(scope: Scope, month: str, bytes_by_key: Mapping[str, int]) -> dict[str, int]:
    """Add what keys have taken, all or nothing, and return the new totals by key."""
    rows, totals = scoped(UsageRow, scope), {}
    async with transaction():
        # In one order, so that two processes that add for the same keys never wait for each other in a circle.
        for key_id, count in sorted(bytes_by_key.items()):
            id = f"{scope.project}/{scope.environment}/{key_id}/{month}"
            await rows.insert(id=id, key_id=key_id, month=month, bytes=0).on_conflict(action="DO NOTHING")
            changed = (
                await rows.update({UsageRow.bytes: UsageRow.bytes + count})
                .where(UsageRow.id == id)
                .returning(UsageRow.bytes)
            )
            totals[key_id] = int(changed[0]["bytes"])
    return totals


async def taken(scope: Scope, month: str, key_id: str) -> int:
    """Return what a key has taken in a month."""
    row = await scoped(UsageRow, scope).one(UsageRow.key_id == key_id, UsageRow.month == month)
    return 0 if row is None else int(row["bytes"])


async def of_scope(scope: Scope, key_id: str | None = None, month: str | None = None) -> list[Usage]:
    """Return what the keys of a scope have taken, or one of them, or in one month; the last month first."""
    query = scoped(UsageRow, scope).select(UsageRow.key_id, UsageRow.month, UsageRow.bytes)
    if key_id is not None:
        query = query.where(UsageRow.key_id == key_id)
    if month is not None:
        query = query.where(UsageRow.month == month)
    rows = await query.order_by(UsageRow.month, ascending=False).order_by(UsageRow.key_id)
    return [Usage(row["key_id"], row["month"], int(row["bytes"])) for row in rows]
