"""Requests of people who want a key, until the operator has decided."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from piccolo.columns import Text, Timestamptz

from reelkit.catalog.ids import new_id
from reelkit.catalog.packing import storable
from reelkit.catalog.scope import Owned, Scope, Scoped, scoped

__all__ = ["AccessRequest", "Status", "create", "decide", "issued", "list_requests"]

Status = Literal["waiting", "approved", "refused"]


class AccessRequest(Owned, frozen=True, kw_only=True):
    """A request. purpose: what the person wants to do; key_id: of the key that an approval issued."""

    id: str
    name: str
    email: str
    purpose: str
    status: Status
    created_at: datetime
    key_id: str | None = None
    decided_at: datetime | None = None


class AccessRequestRow(Scoped, tablename="access_request"):
    """Table `access_request`."""

    id = Text(primary_key=True)
    name = Text()
    email = Text()
    purpose = Text()
    status = Text()
    key_id = Text(null=True, default=None)
    created_at = Timestamptz()
    decided_at = Timestamptz(null=True, default=None)


async def create(scope: Scope, *, name: str, email: str, purpose: str) -> AccessRequest:
    """Store a request; it waits."""
    made = AccessRequest(
        id=new_id("ar"),
        project=scope.project,
        environment=scope.environment,
        name=name,
        email=email,
        purpose=purpose,
        status="waiting",
        created_at=datetime.now(UTC),
    )
    await scoped(AccessRequestRow, scope).insert(**msgspec.structs.asdict(made))
    return made


async def list_requests(scope: Scope, status: Status | None = None) -> list[AccessRequest]:
    """Return the requests of a status, or all, oldest first."""
    query = scoped(AccessRequestRow, scope).select()
    if status is not None:
        query = query.where(AccessRequestRow.status == status)
    return [_request(row) for row in await query.order_by(AccessRequestRow.created_at, AccessRequestRow.id)]


async def decide(scope: Scope, id: str, status: Literal["approved", "refused"]) -> AccessRequest | None:
    """Decide a request that waits and return it; None when there is none, so that of two who decide one does."""
    row = AccessRequestRow
    if not storable(id):
        return None
    changed = (
        await scoped(row, scope)
        .update({row.status: status, row.decided_at: datetime.now(UTC)})
        .where(row.id == id, row.status == "waiting")
        .returning(*row.all_columns())
    )
    return _request(changed[0]) if changed else None


async def issued(scope: Scope, id: str, key_id: str) -> None:
    """Note which key an approval issued."""
    await scoped(AccessRequestRow, scope).update({AccessRequestRow.key_id: key_id}).where(AccessRequestRow.id == id)


def _request(row: dict[str, Any]) -> AccessRequest:
    return msgspec.convert(row, AccessRequest)
