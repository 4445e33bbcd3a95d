"""API keys as they are stored: a digest, never the key itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
from piccolo.columns import JSONB, Text, Timestamptz

from reelkit.catalog.binding import transaction
from reelkit.catalog.ids import new_id
from reelkit.catalog.packing import pack, unpack
from reelkit.catalog.scope import Owned, Scope, Scoped, scoped, unscoped

__all__ = ["ApiKey", "by_digest", "get", "insert", "list_keys", "revoke", "set_tier", "touch"]


class ApiKey(Owned, frozen=True, kw_only=True):
    """What is known of a key. prefix: its first characters, to be recognised by; scopes: what it may do, `*` all."""

    id: str
    name: str
    prefix: str
    digest: str
    """SHA-256 of the key, hexadecimal."""
    tier: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    """At most a minute behind."""
    revoked_at: datetime | None = None


class ApiKeyRow(Scoped, tablename="api_key"):
    """Table `api_key`."""

    id = Text(primary_key=True)
    name = Text()
    prefix = Text()
    digest = Text()
    tier = Text()
    scopes = JSONB()
    created_at = Timestamptz()
    expires_at = Timestamptz(null=True, default=None)
    last_used_at = Timestamptz(null=True, default=None)
    revoked_at = Timestamptz(null=True, default=None)


async def insert(
    scope: Scope,
    *,
    name: str,
    prefix: str,
    digest: str,
    tier: str,
    scopes: tuple[str, ...],
    expires_at: datetime | None = None,
) -> ApiKey:
    """Store a new key."""
    key = ApiKey(
        id=new_id("ke"),
        project=scope.project,
        environment=scope.environment,
        name=name,
        prefix=prefix,
        digest=digest,
        tier=tier,
        scopes=scopes,
        created_at=datetime.now(UTC),
        expires_at=expires_at,
    )
    await scoped(ApiKeyRow, scope).insert(**{**msgspec.structs.asdict(key), "scopes": pack(scopes)})
    return key


async def get(scope: Scope, id: str) -> ApiKey | None:
    """Return a key by its id."""
    row = await scoped(ApiKeyRow, scope).one(ApiKeyRow.id == id)
    return None if row is None else _key(row)


async def list_keys(scope: Scope) -> list[ApiKey]:
    """Return every key, revoked ones too, oldest first."""
    rows = await scoped(ApiKeyRow, scope).select().order_by(ApiKeyRow.created_at, ApiKeyRow.id)
    return [_key(row) for row in rows]


async def revoke(scope: Scope, id: str) -> ApiKey | None:
    """End a key for good and return it; again is no error and keeps the first time. None when there is no such key."""
    async with transaction():
        await (
            scoped(ApiKeyRow, scope)
            .update({ApiKeyRow.revoked_at: datetime.now(UTC)})
            .where(ApiKeyRow.id == id, ApiKeyRow.revoked_at.is_null())
        )
        return await get(scope, id)


async def set_tier(scope: Scope, id: str, tier: str) -> ApiKey | None:
    """Move a key to another tier and return it. None when there is no such key."""
    async with transaction():
        await scoped(ApiKeyRow, scope).update({ApiKeyRow.tier: tier}).where(ApiKeyRow.id == id)
        return await get(scope, id)


async def by_digest(digest: str) -> ApiKey | None:
    """Find the key that somebody presents: its row says whose it is, so no scope is known before."""
    row = await unscoped(ApiKeyRow).one(ApiKeyRow.digest == digest)
    return None if row is None else _key(row)


async def touch(ids: Sequence[str], at: datetime) -> None:
    """Note that keys were used, whosever they are; an earlier time than the one noted is ignored."""
    if ids:
        used = ApiKeyRow.last_used_at
        await unscoped(ApiKeyRow).update({used: at}).where(ApiKeyRow.id.is_in(list(ids)), used.is_null() | (used < at))


def _key(row: dict[str, object]) -> ApiKey:
    return msgspec.convert({**row, "scopes": unpack(str(row["scopes"]), tuple[str, ...])}, ApiKey)
