"""Uploads by tus: one stream of bytes, appended piece by piece by whoever asked last.

Each piece gets a number that no other attempt ever had, so that a request which lost the upload to another one cannot
replace what that one stores.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from reelkit.catalog.binding import transaction
from reelkit.catalog.parts import standing
from reelkit.catalog.parts_rows import PartRow, Standing, UploadPart, UploadRow
from reelkit.catalog.scope import Scope, scoped

__all__ = ["append", "next_number", "offset_of", "take_over"]


def offset_of(stands: Standing) -> int:
    """Return how many bytes of an upload are here."""
    return stands.size + stands.upload.tail_size


async def take_over(scope: Scope, upload_id: str, holder: str, offset: int) -> Standing | None:
    """Have an upload for oneself, whoever had it, if `offset` bytes are here; return how it stands, None when it is gone.

    Of a request that is cut off the server may know long after the client, so the newer one is always right.
    """
    async with transaction():
        stands = await standing(scope, upload_id, lock=True)
        if stands is None or offset_of(stands) != offset or stands.upload.joined:
            return stands
        values: dict[Any, Any] = {UploadRow.holder: holder, UploadRow.held_at: datetime.now(UTC)}
        await scoped(UploadRow, scope).update(values).where(UploadRow.id == upload_id)
        return stands


async def next_number(scope: Scope, upload_id: str, holder: str) -> int | None:
    """Return a number for a new piece, higher than all before; None when another request has the upload."""
    async with transaction():
        if await scoped(UploadRow, scope).one(UploadRow.id == upload_id, UploadRow.holder == holder, lock=True) is None:
            return None
        rows = scoped(PartRow, scope)
        last = (
            await rows.select(PartRow.number)
            .where(PartRow.upload_id == upload_id)
            .order_by(PartRow.number, ascending=False)
            .limit(1)
        )
        number = int(last[0]["number"]) + 1 if last else 1
        await rows.insert(
            id=f"{upload_id}/{number}", upload_id=upload_id, number=number, holder=holder, held_at=datetime.now(UTC)
        )
        return number


async def append(
    scope: Scope, upload_id: str, holder: str, pieces: Sequence[UploadPart], tail_key: str | None, tail_size: int
) -> bool:
    """Note pieces that are stored, and the tail behind them, in one commit; False when another request has the upload.

    tail_key: the object of the bytes behind the last piece that are too few for one; it takes the place of the one before.
    """
    now = datetime.now(UTC)
    async with transaction():
        rows = scoped(UploadRow, scope)
        if await rows.one(UploadRow.id == upload_id, UploadRow.holder == holder, lock=True) is None:
            return False
        for piece in pieces:
            values: dict[Any, Any] = {
                PartRow.start: piece.start,
                PartRow.size: piece.size,
                PartRow.tag: piece.tag,
                PartRow.checksum: piece.checksum,
                PartRow.holder: None,
                PartRow.held_at: None,
            }
            await scoped(PartRow, scope).update(values).where(PartRow.id == f"{upload_id}/{piece.number}")
        values = {
            UploadRow.tail_key: tail_key,
            UploadRow.tail_size: tail_size,
            UploadRow.updated_at: now,
            UploadRow.held_at: now,
        }
        await rows.update(values).where(UploadRow.id == upload_id)
        return True
