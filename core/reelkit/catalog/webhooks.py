"""Webhooks: addresses that are told what happens in a project."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from piccolo.columns import JSONB, BigInt, Text, Timestamptz

from reelkit.catalog.ids import new_id
from reelkit.catalog.packing import pack, storable, unpack
from reelkit.catalog.scope import Owned, Scope, Scoped, scoped
from reelkit.interfaces.event import WebhookEvent

__all__ = ["LIMIT", "Webhook", "create", "delete", "get", "list_webhooks"]

LIMIT = 10
"""Of one environment of a project; the schema holds it too."""


class Webhook(Owned, frozen=True, kw_only=True):
    """An address. events: what it is told; signature_secret: by which it knows that we told it."""

    id: str
    url: str
    events: tuple[WebhookEvent, ...]
    signature_secret: str
    created_at: datetime


class WebhookRow(Scoped, tablename="webhook"):
    """Table `webhook`."""

    id = Text(primary_key=True)
    slot = BigInt()
    url = Text()
    events = JSONB()
    signature_secret = Text()
    created_at = Timestamptz()


async def create(scope: Scope, url: str, events: tuple[WebhookEvent, ...]) -> Webhook | None:
    """Create a webhook; None when the scope has as many as it may."""
    webhook = Webhook(
        id=new_id("webhook_"),
        project=scope.project,
        environment=scope.environment,
        url=url,
        events=events,
        signature_secret=new_id("sig_sec_") + new_id(""),
        created_at=datetime.now(UTC),
    )
    rows = scoped(WebhookRow, scope)
    for slot in range(LIMIT):
        insert = rows.insert(
            id=webhook.id,
            slot=slot,
            url=url,
            events=pack(events),
            signature_secret=webhook.signature_secret,
            created_at=webhook.created_at,
        )
        await insert.on_conflict(action="DO NOTHING")
        if await rows.one(WebhookRow.id == webhook.id) is not None:
            return webhook
    return None


async def get(scope: Scope, id: str) -> Webhook | None:
    """Return a webhook by its id."""
    row = await scoped(WebhookRow, scope).one(WebhookRow.id == id) if storable(id) else None
    return None if row is None else _webhook(row)


async def list_webhooks(scope: Scope, event: str | None = None) -> list[Webhook]:
    """Return the webhooks of a scope, all or those that are told of an event, newest first."""
    rows = await scoped(WebhookRow, scope).select().order_by(WebhookRow.created_at, WebhookRow.id, ascending=False)
    found = [_webhook(row) for row in rows]
    return [webhook for webhook in found if event is None or event in webhook.events]


async def delete(scope: Scope, id: str) -> bool:
    """Remove a webhook and the log of its deliveries; False when there is none."""
    if not storable(id):
        return False
    return bool(await scoped(WebhookRow, scope).delete().where(WebhookRow.id == id).returning(WebhookRow.id))


def _webhook(row: dict[str, Any]) -> Webhook:
    known = {name: row[name] for name in Webhook.__struct_fields__}
    return Webhook(**{**known, "events": unpack(row["events"], tuple[WebhookEvent, ...])})
