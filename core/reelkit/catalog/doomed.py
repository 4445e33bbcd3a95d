"""Bytes that nothing refers to any more: noted in the transaction that let go of them, until storage has removed them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec
from piccolo.columns import Text, Timestamptz
from piccolo.columns.combination import WhereRaw

from reelkit.catalog.binding import Catalogued, transaction
from reelkit.catalog.ids import new_id
from reelkit.catalog.scope import unscoped

__all__ = ["Doomed", "done", "doom", "pending"]


AT_ONCE = 100


class Doomed(msgspec.Struct, frozen=True):
    """Something to delete. prefix: a folder of storage when it ends with `/`, else one key."""

    id: str
    prefix: str
    created_at: datetime


class DoomedRow(Catalogued, tablename="doomed_key"):
    """Table `doomed_key`."""

    id = Text(primary_key=True)
    prefix = Text()
    created_at = Timestamptz()


async def doom(prefixes: Iterable[str]) -> None:
    """Note what to delete, in the open transaction. Dooming twice is two notes: bytes may have come in between.

    Raises ValueError for a prefix that is wider than a folder of one video.
    """
    async with transaction():
        for prefix in dict.fromkeys(prefixes):
            parts = prefix.rstrip("/").split("/")
            if len(parts) < 2 or not all(parts) or (len(parts) == 2 and not prefix.endswith("/")):
                raise ValueError(f"refusing to doom {prefix!r}: not inside one video")
            await unscoped(DoomedRow).insert(id=new_id("dm"), prefix=prefix, created_at=datetime.now(UTC))


async def pending(after: Doomed | None = None) -> list[Doomed]:
    """Return some of what is to delete, oldest first. after: the last one that was looked at."""
    query = unscoped(DoomedRow).select()
    if after is not None:
        query = query.where(WhereRaw("(created_at, id) > ({}, {})", after.created_at, after.id))
    return [Doomed(**row) for row in await query.order_by(DoomedRow.created_at, DoomedRow.id).limit(AT_ONCE)]


async def done(doomed: Doomed) -> None:
    """Forget a note, after the storage deleted all of it."""
    await unscoped(DoomedRow).delete().where(DoomedRow.id == doomed.id)
