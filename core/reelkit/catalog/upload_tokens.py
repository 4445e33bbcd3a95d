"""Upload tokens: what lets a browser upload without a key."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from piccolo.columns import BigInt, Column, Text, Timestamptz

from reelkit.catalog.ids import new_id
from reelkit.catalog.packing import storable
from reelkit.catalog.scope import Owned, Scope, Scoped, scoped, unscoped
from reelkit.catalog.videos import Page

__all__ = ["SortBy", "UploadToken", "create", "delete", "find", "get", "page"]

SortBy = Literal["createdAt", "ttl"]


class UploadToken(Owned, frozen=True, kw_only=True):
    """A token. ttl: seconds that it lives, 0 for ever; expires_at: None for never."""

    token: str
    ttl: int
    created_at: datetime
    expires_at: datetime | None

    @property
    def is_valid(self) -> bool:
        """Whether it has not expired."""
        return self.expires_at is None or self.expires_at > datetime.now(UTC)


class UploadTokenRow(Scoped, tablename="upload_token"):
    """Table `upload_token`."""

    id = Text(primary_key=True)
    ttl = BigInt()
    created_at = Timestamptz()
    expires_at = Timestamptz(null=True, default=None)


SORT: dict[SortBy, Column] = {"createdAt": UploadTokenRow.created_at, "ttl": UploadTokenRow.ttl}


async def create(scope: Scope, ttl: int = 0) -> UploadToken:
    """Make a token. ttl: seconds, 0 for ever."""
    now = datetime.now(UTC)
    made = UploadToken(
        token=new_id("to"),
        project=scope.project,
        environment=scope.environment,
        ttl=ttl,
        created_at=now,
        expires_at=now + timedelta(seconds=ttl) if ttl else None,
    )
    await scoped(UploadTokenRow, scope).insert(
        id=made.token, ttl=made.ttl, created_at=made.created_at, expires_at=made.expires_at
    )
    return made


async def get(scope: Scope, token: str) -> UploadToken | None:
    """Return a token, expired or not."""
    row = await scoped(UploadTokenRow, scope).one(UploadTokenRow.id == token) if storable(token) else None
    return None if row is None else token_of(row)


async def find(token: str) -> UploadToken | None:
    """Return a token, whosever it is: it is a credential of its own."""
    row = await unscoped(UploadTokenRow).one(UploadTokenRow.id == token) if storable(token) else None
    return None if row is None else token_of(row)


async def page(
    scope: Scope,
    sort_by: SortBy = "createdAt",
    sort_order: Literal["asc", "desc"] = "desc",
    current_page: int = 1,
    page_size: int = 25,
) -> Page[UploadToken]:
    """Return one page of the tokens, in a total order. current_page: from 1."""
    rows = scoped(UploadTokenRow, scope)
    total = await rows.count()
    found = (
        await rows.select()
        .order_by(SORT[sort_by], UploadTokenRow.id, ascending=sort_order == "asc")
        .limit(page_size)
        .offset((current_page - 1) * page_size)
    )
    return Page(tuple(token_of(row) for row in found), total)


async def delete(scope: Scope, token: str) -> bool:
    """Remove a token; False when there is none. Uploads that it began can still be finished with a key."""
    if not storable(token):
        return False
    rows = scoped(UploadTokenRow, scope).delete().where(UploadTokenRow.id == token)
    return bool(await rows.returning(UploadTokenRow.id))


def token_of(row: dict[str, Any]) -> UploadToken:
    """Return the token of a whole row."""
    return UploadToken(token=row["id"], **{name: value for name, value in row.items() if name != "id"})
