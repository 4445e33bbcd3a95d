"""What is left of uploads in parts: those to finish, and those that the storage may forget, whosever they are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from piccolo.columns.combination import WhereRaw

from reelkit.catalog.parts_rows import PartialUpload, PartRow, UploadRow, upload_of
from reelkit.catalog.scope import unscoped

__all__ = ["clear_claims", "expired", "forget", "forgettable", "unjoined_finals", "whole_but_not_joined"]

KEPT = timedelta(days=7)
"""How long an upload that is finished is remembered, so that a part that comes again is known."""

_HAS_NO_SOURCE = (
    "upload.source_id IS NOT NULL AND NOT EXISTS"
    " (SELECT 1 FROM source WHERE source.id = upload.source_id AND source.status <> 'failed')"
)
_IS_WHOLE = (
    "upload.total IS NOT NULL AND (SELECT CASE WHEN upload.mode = 'part' THEN COUNT(p.tag)"
    " ELSE COALESCE(SUM(p.size), 0) + upload.tail_size END FROM upload_part p"
    " WHERE p.upload_id = upload.id AND p.tag IS NOT NULL) = upload.total"
)


async def forgettable(limit: int = 100) -> list[PartialUpload]:
    """Return uploads that lead to nothing any more: their source is gone or failed, or they were joined long ago."""
    old = datetime.now(UTC) - KEPT
    done = UploadRow.joined.eq(True) & (UploadRow.updated_at < old)
    query = unscoped(UploadRow).select().where(WhereRaw(_HAS_NO_SOURCE) | done)
    return [upload_of(row) for row in await query.order_by(UploadRow.updated_at).limit(limit)]


async def expired(before: datetime, limit: int = 100) -> list[PartialUpload]:
    """Return uploads that were begun before a moment and are not finished."""
    query = unscoped(UploadRow).select().where(UploadRow.joined.eq(False), UploadRow.created_at < before)
    return [upload_of(row) for row in await query.order_by(UploadRow.created_at).limit(limit)]


async def whole_but_not_joined(limit: int = 100) -> list[PartialUpload]:
    """Return uploads of which every part is here, but whose process died before it could join them."""
    query = unscoped(UploadRow).select().where(UploadRow.joined.eq(False), WhereRaw(_IS_WHOLE))
    return [upload_of(row) for row in await query.order_by(UploadRow.updated_at).limit(limit)]


async def unjoined_finals(limit: int = 100) -> list[PartialUpload]:
    """Return uploads that are to be made of others, and are not yet."""
    query = unscoped(UploadRow).select().where(UploadRow.joined.eq(False), UploadRow.concat.like("final;%"))
    return [upload_of(row) for row in await query.order_by(UploadRow.created_at).limit(limit)]


async def clear_claims() -> None:
    """End every claim: no other process takes uploads."""
    await unscoped(PartRow).delete().where(PartRow.tag.is_null())
    await unscoped(UploadRow).update({UploadRow.holder: None, UploadRow.held_at: None}).where(UploadRow.holder.is_not_null())


async def forget(upload: PartialUpload) -> None:
    """Remove the rows of an upload, after the storage forgot its parts."""
    await unscoped(UploadRow).delete().where(UploadRow.id == upload.id)
