"""Captions that a plugin is to write: at most one wish a video, and what became of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from piccolo.columns import Text, Timestamptz

from reelkit.catalog.binding import transaction
from reelkit.catalog.ids import new_id
from reelkit.catalog.packing import sentence
from reelkit.catalog.scope import Owned, Scope, Scoped, scoped, unscoped
from reelkit.catalog.video_rows import VideoRow

__all__ = ["Transcript", "TranscriptStatus", "by_id", "drop", "end", "get", "waiting", "want"]

TranscriptStatus = Literal["waiting", "completed", "failed", "unprocessable"]


class Transcript(Owned, frozen=True, kw_only=True):
    """One wish. id: another one each time; caption_id: of the captions that were written last; failure: for people."""

    video_id: str
    id: str
    status: TranscriptStatus
    language: str | None = None
    caption_id: str | None = None
    failure: str | None = None
    created_at: datetime
    updated_at: datetime


class TranscriptRow(Scoped, tablename="transcript"):
    """Table `transcript`."""

    video_id = Text(primary_key=True)
    id = Text()
    status = Text()
    language = Text(null=True, default=None)
    caption_id = Text(null=True, default=None)
    failure = Text(null=True, default=None)
    created_at = Timestamptz()
    updated_at = Timestamptz()


async def want(scope: Scope, video_id: str) -> Transcript | None:
    """Wish captions for a video, again if need be; None when there is no such video."""
    now = datetime.now(UTC)
    async with transaction():
        if await scoped(VideoRow, scope).one(VideoRow.id == video_id, lock=True) is None:
            return None
        before = await get(scope, video_id)
        wish = Transcript(
            video_id=video_id,
            id=new_id("transcript_"),
            project=scope.project,
            environment=scope.environment,
            status="waiting",
            caption_id=None if before is None else before.caption_id,
            created_at=now,
            updated_at=now,
        )
        await scoped(TranscriptRow, scope).delete().where(TranscriptRow.video_id == video_id)
        await scoped(TranscriptRow, scope).insert(**msgspec.structs.asdict(wish))
    return wish


async def get(scope: Scope, video_id: str) -> Transcript | None:
    """Return the wish of a video."""
    row = await scoped(TranscriptRow, scope).one(TranscriptRow.video_id == video_id)
    return None if row is None else Transcript(**row)


async def drop(scope: Scope, video_id: str) -> None:
    """Take back a wish that is not fulfilled yet."""
    mine = (TranscriptRow.video_id == video_id, TranscriptRow.status == "waiting")
    await scoped(TranscriptRow, scope).delete().where(*mine)


async def end(
    scope: Scope,
    id: str,
    status: Literal["completed", "failed", "unprocessable"],
    *,
    language: str | None = None,
    caption_id: str | None = None,
    failure: str | None = None,
) -> bool:
    """Note what became of a wish; False when it is gone, or was renewed."""
    values: dict[Any, Any] = {
        TranscriptRow.status: status,
        TranscriptRow.failure: None if failure is None else sentence(failure),
        TranscriptRow.updated_at: datetime.now(UTC),
    }
    if status == "completed":
        values |= {TranscriptRow.language: language, TranscriptRow.caption_id: caption_id}
    changed = scoped(TranscriptRow, scope).update(values)
    waits = (TranscriptRow.id == id, TranscriptRow.status == "waiting")
    return bool(await changed.where(*waits).returning(TranscriptRow.id))


async def by_id(id: str) -> Transcript | None:
    """Return a wish, whosever it is, for the job that fulfils it."""
    row = await unscoped(TranscriptRow).one(TranscriptRow.id == id)
    return None if row is None else Transcript(**row)


async def waiting() -> list[Transcript]:
    """Return every wish that waits, oldest first, for whoever submits lost jobs again."""
    query = unscoped(TranscriptRow).select().where(TranscriptRow.status == "waiting")
    return [Transcript(**row) for row in await query.order_by(TranscriptRow.created_at)]
