"""Watermarks: pictures that are burned into videos."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

import msgspec
from piccolo.columns import BigInt, Text, Timestamptz
from piccolo.columns.combination import WhereRaw

from reelkit.catalog import doomed
from reelkit.catalog.binding import transaction
from reelkit.catalog.ids import new_id
from reelkit.catalog.packing import storable
from reelkit.catalog.scope import Environment, Scope, Scoped, scoped
from reelkit.catalog.video_pages import Page
from reelkit.catalog.video_rows import VideoRow

__all__ = ["Watermark", "create", "exists", "get", "new_watermark_id", "page", "remove", "storage_key"]


class Watermark(msgspec.Struct, frozen=True, kw_only=True):
    """One picture. width, height: pixels; deleted_at: since when it can no longer be chosen for new videos."""

    id: str
    project: str
    environment: Environment
    storage_key: str
    content_type: str
    width: int
    height: int
    created_at: datetime
    deleted_at: datetime | None = None


class WatermarkRow(Scoped, tablename="watermark"):
    """Table `watermark`."""

    id = Text(primary_key=True)
    storage_key = Text()
    content_type = Text()
    width = BigInt()
    height = BigInt()
    created_at = Timestamptz()
    deleted_at = Timestamptz(null=True, default=None)


def new_watermark_id() -> str:
    """Return an id for a watermark whose picture is to be stored first."""
    return new_id("watermark_")


def storage_key(scope: Scope, id: str) -> str:
    """Return where the picture of a watermark lies."""
    return f"{scope.project}/{id}/file"


async def create(scope: Scope, id: str, *, content_type: str, width: int, height: int) -> Watermark:
    """Add a watermark whose picture is stored."""
    watermark = Watermark(
        id=id,
        project=scope.project,
        environment=scope.environment,
        storage_key=storage_key(scope, id),
        content_type=content_type,
        width=width,
        height=height,
        created_at=datetime.now(UTC),
    )
    await scoped(WatermarkRow, scope).insert(**msgspec.structs.asdict(watermark))
    return watermark


async def get(scope: Scope, id: str) -> Watermark | None:
    """Return a watermark, also one that is deleted and still carried by videos: for burning it in."""
    row = await scoped(WatermarkRow, scope).one(WatermarkRow.id == id) if storable(id) else None
    return None if row is None else Watermark(**row)


async def exists(scope: Scope, id: str) -> bool:
    """Tell whether a new video may carry a watermark."""
    found = await get(scope, id)
    return found is not None and found.deleted_at is None


async def page(
    scope: Scope, sort_order: Literal["asc", "desc"] = "desc", current_page: int = 1, page_size: int = 25
) -> Page[Watermark]:
    """Return watermarks by when they were created."""
    present = WatermarkRow.deleted_at.is_null()
    total = await scoped(WatermarkRow, scope).count(present)
    query = scoped(WatermarkRow, scope).select().where(present)
    ordered = query.order_by(WatermarkRow.created_at, WatermarkRow.id, ascending=sort_order == "asc")
    skip = (current_page - 1) * page_size
    rows = await ordered.limit(page_size).offset(skip) if skip < total else []
    return Page(tuple(Watermark(**row) for row in rows), total)


async def remove(scope: Scope, id: str) -> Watermark | None:
    """Delete a watermark and return it; None when there is none, or it is deleted already.

    While videos carry it, its picture stays, out of sight (`deleted_at`): a rung of their ladder may be made years later.
    """
    async with transaction():
        row = await scoped(WatermarkRow, scope).one(WatermarkRow.id == id, lock=True) if storable(id) else None
        if row is None or row["deleted_at"] is not None:
            return None
        found = Watermark(**row)
        # The expression of the index `video_watermark`.
        carrying = WhereRaw("watermark IS NOT NULL AND (watermark ->> 'id') = {}", id)
        if await scoped(VideoRow, scope).select(VideoRow.id).where(carrying).limit(1):
            found = msgspec.structs.replace(found, deleted_at=datetime.now(UTC))
            changed = {WatermarkRow.deleted_at: found.deleted_at}
            await scoped(WatermarkRow, scope).update(changed).where(WatermarkRow.id == id)
        else:
            await scoped(WatermarkRow, scope).delete().where(WatermarkRow.id == id)
            await doomed.doom([found.storage_key])
    return found
