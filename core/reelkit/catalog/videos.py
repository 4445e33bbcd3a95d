"""Videos: what people upload into, list and play."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Generic, Literal, TypeVar

import msgspec
from piccolo.columns import JSONB, BigInt, Boolean, Column, Text, Timestamptz
from piccolo.columns.combination import WhereRaw
from piccolo.custom_types import Combinable
from piccolo.querystring import QueryString

from reelkit.catalog import doomed
from reelkit.catalog.binding import engine, transaction
from reelkit.catalog.ids import new_id
from reelkit.catalog.packing import fold, pack, storable, unpack
from reelkit.catalog.scope import Environment, Scope, Scoped, scoped
from reelkit.problems import InvalidAttribute

__all__ = ["Metadata", "NewVideo", "Page", "SortBy", "Video", "VideoFilter", "create", "delete", "get", "page"]

SortBy = Literal["title", "createdAt", "publishedAt", "updatedAt"]

T = TypeVar("T")


class Metadata(msgspec.Struct, frozen=True):
    """One pair that the owner attached."""

    key: str
    value: str


class NewVideo(msgspec.Struct, frozen=True, kw_only=True):
    """What a video is made of; the defaults are the contract's."""

    title: str
    description: str = ""
    public: bool = True
    panoramic: bool = False
    mp4_support: bool = True
    language: str | None = None
    language_origin: Literal["api", "auto"] | None = None
    player_id: str | None = None
    tags: tuple[str, ...] = ()
    metadata: tuple[Metadata, ...] = ()


class Video(NewVideo, frozen=True, kw_only=True):
    """A video, with or without a source."""

    video_id: str
    project: str
    environment: Environment
    created_at: datetime
    published_at: datetime
    updated_at: datetime

    @property
    def scope(self) -> Scope:
        """Whose it is."""
        return Scope(self.project, self.environment)

    @property
    def prefix(self) -> str:
        """The folder of storage that holds everything of it."""
        return f"{self.project}/{self.video_id}/"


class VideoFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which videos: all conditions hold. title, description: contained, ignoring case and accents; tags: each of them."""

    title: str | None = None
    description: str | None = None
    tags: tuple[str, ...] = ()
    metadata: tuple[Metadata, ...] = ()


class Page(msgspec.Struct, Generic[T], frozen=True):
    """Some items of a list. total: how many the whole list has."""

    items: tuple[T, ...]
    total: int


class VideoRow(Scoped, tablename="video"):
    """Table `video`."""

    id = Text(primary_key=True)
    title = Text()
    title_folded = Text()
    description = Text()
    description_folded = Text()
    public = Boolean()
    panoramic = Boolean()
    mp4_support = Boolean()
    language = Text(null=True, default=None)
    language_origin = Text(null=True, default=None)
    player_id = Text(null=True, default=None)
    tags = JSONB()
    metadata = JSONB()
    created_at = Timestamptz()
    published_at = Timestamptz()
    updated_at = Timestamptz()


class VideoCountRow(Scoped, tablename="video_count"):
    """Table `video_count`: how many videos each scope has, kept by every insert and delete."""

    id = Text(primary_key=True)
    total = BigInt()


COLUMNS = (*(c for c in VideoRow._meta.columns if c._meta.name not in ("title_folded", "description_folded")),)

SORT: dict[SortBy, Column] = {
    "title": VideoRow.title_folded,
    "createdAt": VideoRow.created_at,
    "publishedAt": VideoRow.published_at,
    "updatedAt": VideoRow.updated_at,
}


async def create(scope: Scope, new: NewVideo) -> Video:
    """Create a video without a source. Raises InvalidAttribute for text that no database can keep."""
    _refuse_unstorable(new)
    now = datetime.now(UTC)
    values = msgspec.structs.asdict(new)
    video = Video(
        **values,
        video_id=new_id("vi"),
        project=scope.project,
        environment=scope.environment,
        created_at=now,
        published_at=now,
        updated_at=now,
    )
    async with transaction():
        await _count(scope, +1)
        await scoped(VideoRow, scope).insert(
            **{**values, "tags": pack(new.tags), "metadata": pack(new.metadata)},
            id=video.video_id,
            title_folded=fold(new.title),
            description_folded=fold(new.description),
            created_at=now,
            published_at=now,
            updated_at=now,
        )
    return video


async def get(scope: Scope, id: str) -> Video | None:
    """Return a video by its id."""
    if not storable(id):
        return None
    rows = await scoped(VideoRow, scope).select(*COLUMNS).where(VideoRow.id == id)
    return video_of(rows[0]) if rows else None


async def page(
    scope: Scope,
    filter: VideoFilter | None = None,
    sort_by: SortBy = "createdAt",
    sort_order: Literal["asc", "desc"] = "desc",
    current_page: int = 1,
    page_size: int = 25,
) -> Page[Video]:
    """Return one page of the videos that match, in a total order. current_page: from 1."""
    where = _conditions(filter or VideoFilter())
    if where is None:
        return Page((), 0)
    rows = scoped(VideoRow, scope)
    total = await (rows.count(*where) if where else _counted(scope))
    skip = (current_page - 1) * page_size
    if skip >= total:
        return Page((), total)
    column, up = SORT[sort_by], sort_order == "asc"
    taken = min(page_size, total - skip)
    from_end = skip > total // 2  # the last page costs as little as the first
    if from_end:
        up, skip = not up, total - skip - taken
    # A covering index finds the ids of a page, however deep, and only those rows are then read. Not in one statement:
    # SQLite would rather walk all rows of the scope in the order asked for (247 ms at a million) than look up 25.
    finding = rows.select(VideoRow.id).order_by(column, VideoRow.id, ascending=up).limit(taken).offset(skip)
    ids = [row["id"] for row in await (finding.where(*where) if where else finding)]
    if from_end:
        ids.reverse()
    found = {row["id"]: row for row in await rows.select(*COLUMNS).where(VideoRow.id.is_in(ids))} if ids else {}
    return Page(tuple(video_of(found[id]) for id in ids if id in found), total)


async def delete(scope: Scope, id: str) -> tuple[str, ...] | None:
    """Remove a video and everything that belongs to it; None when there is none.

    Returns the prefixes of storage that hold its bytes. They are doomed in the same transaction, so that whoever sweeps
    `doomed.pending()` removes them even if this process dies now.
    """
    if not storable(id):
        return None
    async with transaction():
        rows = scoped(VideoRow, scope)
        row = await rows.one(VideoRow.id == id, lock=True)
        if row is None:
            return None
        await rows.delete().where(VideoRow.id == id)
        await _count(scope, -1)
        prefix = video_of(row).prefix
        await doomed.doom([prefix])
    return (prefix,)


def video_of(row: dict[str, Any]) -> Video:
    """Return the Video of a row of `COLUMNS`."""
    values = {name: value for name, value in row.items() if not name.endswith("_folded")}
    values["video_id"] = values.pop("id")
    values["tags"] = unpack(values["tags"], tuple[str, ...])
    values["metadata"] = unpack(values["metadata"], tuple[Metadata, ...])
    return Video(**values)


def _conditions(filter: VideoFilter) -> list[Combinable] | None:
    """Return the WHERE of a filter, or None when nothing can match."""
    texts = [filter.title or "", filter.description or "", *filter.tags]
    texts += [text for pair in filter.metadata for text in (pair.key, pair.value)]
    if not all(storable(text) for text in texts):
        return None
    where: list[Combinable] = []
    for column, text in (("title_folded", filter.title), ("description_folded", filter.description)):
        if text is not None:
            where.append(WhereRaw(f"video.{column} LIKE {{}} ESCAPE '!'", f"%{_escaped(fold(text))}%"))
    if engine().engine_type == "postgres":
        if filter.tags:
            where.append(WhereRaw("video.tags @> {}", pack(filter.tags)))
        if filter.metadata:
            where.append(WhereRaw("video.metadata @> {}", pack(filter.metadata)))
        return where
    where += [WhereRaw("EXISTS (SELECT 1 FROM json_each(video.tags) t WHERE t.value = {})", tag) for tag in filter.tags]
    where += [
        WhereRaw(
            "EXISTS (SELECT 1 FROM json_each(video.metadata) m WHERE"
            " json_extract(m.value, '$.key') = {} AND json_extract(m.value, '$.value') = {})",
            pair.key,
            pair.value,
        )
        for pair in filter.metadata
    ]
    return where


def _escaped(text: str) -> str:
    return text.replace("!", "!!").replace("%", "!%").replace("_", "!_")


async def _counted(scope: Scope) -> int:
    row = await scoped(VideoCountRow, scope).one()
    return 0 if row is None else int(row["total"])


async def _count(scope: Scope, change: int) -> None:
    """Keep the count, in the open transaction. On Postgres this row is what the scope's writers queue at, for one commit."""
    counts = scoped(VideoCountRow, scope)
    more = {VideoCountRow.total: QueryString("total + {}", change)}
    if not await counts.update(more).returning(VideoCountRow.total):
        insert = counts.insert(id=f"{scope.project}/{scope.environment}", total=0)
        await insert.on_conflict(action="DO NOTHING")
        await counts.update(more)


def _refuse_unstorable(new: NewVideo) -> None:
    texts = {
        "title": (new.title,),
        "description": (new.description,),
        "language": (new.language or "",),
        "playerId": (new.player_id or "",),
        "tags": new.tags,
        "metadata": tuple(text for pair in new.metadata for text in (pair.key, pair.value)),
    }
    for name, values in texts.items():
        if not all(storable(text) for text in values):
            raise InvalidAttribute(name=name, detail="The character U+0000 and lone surrogates cannot be stored.")
