"""Refresh tokens as they are stored: the digest of the one that a family may be renewed with, never a token itself."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
from piccolo.columns import Text, Timestamptz

from reelkit.catalog.scope import Owned, Scope, Scoped, scoped, unscoped

__all__ = ["Family", "begin", "renew", "revoke"]


class Family(Owned, frozen=True, kw_only=True):
    """Every token that one sign-in was renewed to; only the last one counts. key_id: the key that signed in."""

    id: str
    key_id: str
    expires_at: datetime


class RefreshTokenRow(Scoped, tablename="refresh_token"):
    """Table `refresh_token`."""

    id = Text(primary_key=True)
    key_id = Text()
    digest = Text()
    created_at = Timestamptz()
    expires_at = Timestamptz()
    revoked_at = Timestamptz(null=True, default=None)


async def begin(scope: Scope, *, id: str, key_id: str, digest: str, expires_at: datetime) -> None:
    """Store a family with its first token, and forget those of the scope that have expired."""
    now = datetime.now(UTC)
    rows = scoped(RefreshTokenRow, scope)
    await rows.delete().where(RefreshTokenRow.expires_at < now)
    await rows.insert(id=id, key_id=key_id, digest=digest, created_at=now, expires_at=expires_at)


async def renew(id: str, *, digest: str, new: str, expires_at: datetime) -> Family | None:
    """Replace the token of a family, whosever it is: the token is the credential. None when it is not the last one.

    digest: of the token that is given up; new: of its successor. One statement, so that of two who come with the same
    token at the same moment one gets the successor and the other None.
    """
    row = RefreshTokenRow
    changed = (
        await unscoped(row)
        .update({row.digest: new, row.expires_at: expires_at})
        .where(row.id == id, row.digest == digest, row.revoked_at.is_null(), row.expires_at > datetime.now(UTC))
        .returning(row.id, row.project, row.environment, row.key_id, row.expires_at)
    )
    return msgspec.convert(changed[0], Family) if changed else None


async def revoke(id: str) -> bool:
    """End a family for good, whosever it is; tell whether there was one that had not ended."""
    row = RefreshTokenRow
    ended = unscoped(row).update({row.revoked_at: datetime.now(UTC)}).where(row.id == id, row.revoked_at.is_null())
    return bool(await ended.returning(row.id))
