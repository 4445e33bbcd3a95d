"""Playback tokens that were used. Those that were not have no row: who signed them says that they are good."""

from __future__ import annotations

from datetime import UTC, datetime

from piccolo.columns import Text, Timestamptz

from reelkit.catalog.scope import Scope, Scoped, scoped, unscoped

__all__ = ["forget_expired", "is_used", "use"]


class UsedPlaybackTokenRow(Scoped, tablename="used_playback_token"):
    """Table `used_playback_token`."""

    id = Text(primary_key=True)
    video_id = Text()
    expires_at = Timestamptz()


async def use(scope: Scope, video_id: str, token: str, expires_at: datetime) -> bool:
    """Use a token up. False when somebody has; of many who try at once exactly one gets True."""
    rows = scoped(UsedPlaybackTokenRow, scope)
    insert = rows.insert(id=token, video_id=video_id, expires_at=expires_at)
    return bool(await insert.on_conflict(action="DO NOTHING").returning(UsedPlaybackTokenRow.id))


async def is_used(scope: Scope, token: str) -> bool:
    """Tell whether a token was used up."""
    return await scoped(UsedPlaybackTokenRow, scope).one(UsedPlaybackTokenRow.id == token) is not None


async def forget_expired() -> None:
    """Remove what needs no remembering: a token that has expired opens nothing anyway."""
    await unscoped(UsedPlaybackTokenRow).delete().where(UsedPlaybackTokenRow.expires_at < datetime.now(UTC))
