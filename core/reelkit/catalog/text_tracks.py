"""Files of text that run beside a video: captions and chapters, one of a kind and language."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from piccolo.columns import BigInt, Boolean, Text, Timestamptz

from reelkit.catalog import doomed
from reelkit.catalog.binding import transaction
from reelkit.catalog.ids import new_id
from reelkit.catalog.languages import language_name
from reelkit.catalog.packing import storable
from reelkit.catalog.scope import Environment, Scope, Scoped, scoped
from reelkit.catalog.video_pages import Page
from reelkit.catalog.video_rows import VideoRow

__all__ = ["Kind", "TextTrack", "TextTrackRow", "get", "new_key", "page", "put", "remove", "show", "track_of"]

Kind = Literal["caption", "chapter"]


class TextTrack(msgspec.Struct, frozen=True, kw_only=True):
    """One file. language: tag as BCP 47 writes it; shown: players show it unless told otherwise.

    well_formed: it begins as WebVTT does, so that players can be handed it without asking for it by name.
    """

    id: str
    video_id: str
    project: str
    environment: Environment
    kind: Kind
    language: str
    shown: bool
    well_formed: bool
    storage_key: str
    size: int
    created_at: datetime
    updated_at: datetime

    @property
    def language_name(self) -> str:
        """What the language calls itself."""
        return language_name(self.language)


class TextTrackRow(Scoped, tablename="text_track"):
    """Table `text_track`."""

    id = Text(primary_key=True)
    video_id = Text()
    kind = Text()
    language = Text()
    shown = Boolean()
    well_formed = Boolean()
    storage_key = Text()
    size = BigInt()
    created_at = Timestamptz()
    updated_at = Timestamptz()


def new_key(scope: Scope, video_id: str, kind: Kind) -> str:
    """Return a key of storage for a file that is to come; each upload has its own."""
    return f"{scope.project}/{video_id}/text/{new_id(f'{kind}_')}.vtt"


async def put(
    scope: Scope, video_id: str, kind: Kind, language: str, *, storage_key: str, size: int, well_formed: bool
) -> TextTrack | None:
    """Add a stored file, or put it in place of the one of its language; its id and whether it is shown stay.

    None when there is no such video. What is replaced, or not wanted, is doomed.
    """
    now = datetime.now(UTC)
    async with transaction():
        video = await scoped(VideoRow, scope).one(VideoRow.id == video_id, lock=True) if storable(video_id) else None
        if video is None or video["discarded_at"] is not None:
            await doomed.doom([storage_key])
            return None
        before = await get(scope, video_id, kind, language)
        if before is not None:
            values: dict[Any, Any] = {
                TextTrackRow.storage_key: storage_key,
                TextTrackRow.size: size,
                TextTrackRow.well_formed: well_formed,
                TextTrackRow.updated_at: now,
            }
            await scoped(TextTrackRow, scope).update(values).where(TextTrackRow.id == before.id)
            await doomed.doom([before.storage_key])
            return await get(scope, video_id, kind, language)
        track = TextTrack(
            id=new_id(f"{kind}_"),
            video_id=video_id,
            project=scope.project,
            environment=scope.environment,
            kind=kind,
            language=language,
            shown=False,
            well_formed=well_formed,
            storage_key=storage_key,
            size=size,
            created_at=now,
            updated_at=now,
        )
        await scoped(TextTrackRow, scope).insert(**msgspec.structs.asdict(track))
    return track


async def get(scope: Scope, video_id: str, kind: Kind, language: str) -> TextTrack | None:
    """Return the file of a language."""
    row = await scoped(TextTrackRow, scope).one(*_one(video_id, kind, language))
    return None if row is None else track_of(row)


async def page(scope: Scope, video_id: str, kind: Kind, current_page: int = 1, page_size: int = 25) -> Page[TextTrack]:
    """Return files of a video by their language."""
    where = (TextTrackRow.video_id == video_id, TextTrackRow.kind == kind)
    total = await scoped(TextTrackRow, scope).count(*where)
    query = scoped(TextTrackRow, scope).select().where(*where).order_by(TextTrackRow.language)
    skip = (current_page - 1) * page_size
    rows = await query.limit(page_size).offset(skip) if skip < total else []
    return Page(tuple(track_of(row) for row in rows), total)


async def show(scope: Scope, video_id: str, kind: Kind, language: str, shown: bool) -> TextTrack | None:
    """Have players show a file, and no other of its kind, unless told otherwise; or not. None when there is none."""
    async with transaction():
        # The video's row, so that two who choose at once leave one chosen.
        await scoped(VideoRow, scope).one(VideoRow.id == video_id, lock=True)
        track = await get(scope, video_id, kind, language)
        if track is None:
            return None
        if track.shown != shown:
            others = (TextTrackRow.video_id == video_id, TextTrackRow.kind == kind, TextTrackRow.shown.eq(True))
            if shown:
                await scoped(TextTrackRow, scope).update({TextTrackRow.shown: False}).where(*others)
            values: dict[Any, Any] = {TextTrackRow.shown: shown, TextTrackRow.updated_at: datetime.now(UTC)}
            await scoped(TextTrackRow, scope).update(values).where(TextTrackRow.id == track.id)
        return await get(scope, video_id, kind, language)


async def remove(scope: Scope, video_id: str, kind: Kind, language: str) -> TextTrack | None:
    """Remove a file and return what it was; its bytes are doomed."""
    async with transaction():
        # The video's row, as whoever puts another file in its place does.
        await scoped(VideoRow, scope).one(VideoRow.id == video_id, lock=True)
        removed = scoped(TextTrackRow, scope).delete().where(*_one(video_id, kind, language))
        rows = await removed.returning(*TextTrackRow.all_columns())
        if not rows:
            return None
        track = track_of(rows[0])
        await doomed.doom([track.storage_key])
    return track


def track_of(row: dict[str, Any]) -> TextTrack:
    """Return the TextTrack of a row."""
    return TextTrack(**row)


def _one(video_id: str, kind: Kind, language: str) -> tuple[Any, ...]:
    return TextTrackRow.video_id == video_id, TextTrackRow.kind == kind, TextTrackRow.language == language
