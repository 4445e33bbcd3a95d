"""Live streams: what somebody broadcasts into, and where it is sent on to."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal
from uuid import uuid4

import msgspec
from piccolo.columns import JSONB, Boolean, Column, Text, Timestamptz
from piccolo.columns.combination import WhereRaw
from piccolo.custom_types import Combinable

from reelkit.catalog import doomed
from reelkit.catalog.binding import transaction
from reelkit.catalog.ids import new_id
from reelkit.catalog.labels import escaped
from reelkit.catalog.packing import fold, pack, storable, unpack
from reelkit.catalog.scope import Environment, Scope, Scoped, scoped, unscoped
from reelkit.catalog.video_pages import Page

__all__ = [
    "LiveStream",
    "LiveStreamEdit",
    "LiveStreamFilter",
    "NewLiveStream",
    "Restream",
    "SortBy",
    "create",
    "delete",
    "get",
    "page",
    "set_thumbnail",
    "update",
    "watched",
]

Unset = msgspec.UnsetType
SortBy = Literal["name", "createdAt", "updatedAt"]


class Restream(msgspec.Struct, frozen=True, rename="camel"):
    """Somewhere else that a broadcast is sent on to. server_url: rtmp or rtmps, with the name of the application."""

    name: str
    server_url: str
    stream_key: str


class NewLiveStream(msgspec.Struct, frozen=True, kw_only=True):
    """What a live stream is created from."""

    name: str
    public: bool = True
    player_id: str | None = None
    restreams: tuple[Restream, ...] = ()


class LiveStream(NewLiveStream, frozen=True, kw_only=True):
    """A live stream. stream_key: whoever knows it may broadcast."""

    id: str
    project: str
    environment: Environment
    stream_key: str
    created_at: datetime
    updated_at: datetime
    broadcasting: bool = False
    thumbnail_key: str | None = None
    """Where in the storage its own picture lies."""

    @property
    def scope(self) -> Scope:
        """Whose it is."""
        return Scope(self.project, self.environment)

    @property
    def prefix(self) -> str:
        """The folder of storage with everything that belongs to it."""
        return f"{self.project}/{self.id}/"


class LiveStreamEdit(msgspec.Struct, frozen=True, kw_only=True):
    """What of a live stream is to change; what is unset stays. restreams: the whole new list."""

    name: str | Unset = msgspec.UNSET
    public: bool | Unset = msgspec.UNSET
    player_id: str | Unset | None = msgspec.UNSET
    restreams: tuple[Restream, ...] | Unset = msgspec.UNSET


class LiveStreamFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which live streams: all conditions hold. name: contained, ignoring case and accents; stream_key: exactly."""

    name: str | None = None
    stream_key: str | None = None


class LiveStreamRow(Scoped, tablename="live_stream"):
    """Table `live_stream`."""

    id = Text(primary_key=True)
    name = Text()
    name_folded = Text()
    stream_key = Text()
    public = Boolean()
    player_id = Text(null=True, default=None)
    broadcasting = Boolean()
    restreams = JSONB()
    thumbnail_key = Text(null=True, default=None)
    created_at = Timestamptz()
    updated_at = Timestamptz()


SORT: dict[SortBy, Column] = {
    "name": LiveStreamRow.name_folded,
    "createdAt": LiveStreamRow.created_at,
    "updatedAt": LiveStreamRow.updated_at,
}


async def create(scope: Scope, new: NewLiveStream) -> LiveStream:
    """Create a live stream with a stream key of its own."""
    now = datetime.now(UTC)
    stream = LiveStream(
        **{name: getattr(new, name) for name in new.__struct_fields__},
        id=new_id("li"),
        project=scope.project,
        environment=scope.environment,
        stream_key=str(uuid4()),
        created_at=now,
        updated_at=now,
    )
    values = {name: getattr(stream, name) for name in stream.__struct_fields__}
    await scoped(LiveStreamRow, scope).insert(**_row(values))
    return stream


async def get(scope: Scope, id: str) -> LiveStream | None:
    """Return a live stream by its id."""
    row = await scoped(LiveStreamRow, scope).one(LiveStreamRow.id == id) if storable(id) else None
    return None if row is None else _stream(row)


async def page(
    scope: Scope,
    filter: LiveStreamFilter,
    sort_by: SortBy = "createdAt",
    sort_order: Literal["asc", "desc"] = "desc",
    current_page: int = 1,
    page_size: int = 25,
) -> Page[LiveStream]:
    """Return one page of the live streams that match, in a total order. current_page: from 1."""
    if not storable(filter.name or "") or not storable(filter.stream_key or ""):
        return Page((), 0)
    where: list[Combinable] = []
    if filter.name is not None:
        where.append(WhereRaw("live_stream.name_folded LIKE {} ESCAPE '!'", f"%{escaped(fold(filter.name))}%"))
    if filter.stream_key is not None:
        where.append(LiveStreamRow.stream_key == filter.stream_key)
    rows = scoped(LiveStreamRow, scope)
    total = await rows.count(*where)
    skip = (current_page - 1) * page_size
    if skip >= total:
        return Page((), total)
    query = rows.select().where(*where) if where else rows.select()
    ordered = query.order_by(SORT[sort_by], LiveStreamRow.id, ascending=sort_order == "asc")
    return Page(tuple(_stream(row) for row in await ordered.limit(page_size).offset(skip)), total)


async def update(scope: Scope, id: str, edit: LiveStreamEdit) -> LiveStream | None:
    """Change a live stream and return it as it is then; None when there is none."""
    values = {name: getattr(edit, name) for name in edit.__struct_fields__}
    changed = {name: value for name, value in values.items() if value is not msgspec.UNSET}
    row = _row({**changed, "updated_at": datetime.now(UTC)})
    async with transaction():
        await scoped(LiveStreamRow, scope).update(row).where(LiveStreamRow.id == id)
        return await get(scope, id)


async def delete(scope: Scope, id: str) -> tuple[str, ...] | None:
    """Remove a live stream; None when there is none. Returns the prefixes of storage that hold its bytes, doomed."""
    async with transaction():
        stream = await get(scope, id)
        if stream is None:
            return None
        await scoped(LiveStreamRow, scope).delete().where(LiveStreamRow.id == id)
        await doomed.doom([stream.prefix])
    return (stream.prefix,)


async def set_thumbnail(scope: Scope, id: str, key: str | None) -> LiveStream | None:
    """Show a stored picture for a live stream, or none of its own; what it replaces is doomed.

    None when there is no such live stream; then the picture is doomed.
    """
    async with transaction():
        row = await scoped(LiveStreamRow, scope).one(LiveStreamRow.id == id, lock=True)
        if row is None:
            await doomed.doom([key] if key is not None else [])
            return None
        values: dict[Any, Any] = {LiveStreamRow.thumbnail_key: key, LiveStreamRow.updated_at: datetime.now(UTC)}
        await scoped(LiveStreamRow, scope).update(values).where(LiveStreamRow.id == id)
        if row["thumbnail_key"] is not None:
            await doomed.doom([row["thumbnail_key"]])
        return await get(scope, id)


async def watched(id: str) -> LiveStream | None:
    """Return a live stream that a viewer asks for, whosever it is; what of it may be seen is for the caller to decide."""
    row = await unscoped(LiveStreamRow).one(LiveStreamRow.id == id) if storable(id) else None
    return None if row is None else _stream(row)


def _row(values: dict[str, Any]) -> dict[str, Any]:
    row = dict(values)
    if "restreams" in row:
        row["restreams"] = pack(row["restreams"])
    if "name" in row:
        row["name_folded"] = fold(row["name"])
    return row


def _stream(row: dict[str, Any]) -> LiveStream:
    known = {name: row[name] for name in LiveStream.__struct_fields__}
    return LiveStream(**{**known, "restreams": unpack(row["restreams"], tuple[Restream, ...])})
