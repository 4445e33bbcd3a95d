"""The log of what webhooks were told, or are still to be told: written before the first try, so nothing is forgotten."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import msgspec
from piccolo.columns import BigInt, DoublePrecision, Text, Timestamptz

from reelkit.catalog.binding import transaction
from reelkit.catalog.ids import new_id
from reelkit.catalog.packing import storable
from reelkit.catalog.scope import Owned, Scope, Scoped, scoped, unscoped
from reelkit.catalog.video_pages import Page
from reelkit.catalog.webhooks import WebhookRow

__all__ = [
    "KEEP",
    "MOST",
    "Delivery",
    "Status",
    "enter",
    "finish",
    "get",
    "left",
    "page",
    "prune",
    "stranded",
    "tried",
]

KEEP = timedelta(days=30)
"""How long deliveries that have ended stay in the log."""
MOST = 1000
"""Of one webhook."""

Status = Literal["waiting", "delivered", "failed"]


class Delivery(Owned, frozen=True, kw_only=True):
    """One event on its way to one webhook.

    body: JSON, byte for byte what is sent; tries: made so far; response_code, failure, duration (seconds): of the last
    try; replay_of: the delivery that this one repeats, because somebody asked for it.
    """

    id: str
    webhook_id: str
    event: str
    body: str
    status: Status
    tries: int
    response_code: int | None = None
    failure: str | None = None
    duration: float | None = None
    replay_of: str | None = None
    created_at: datetime
    updated_at: datetime


class DeliveryRow(Scoped, tablename="webhook_delivery"):
    """Table `webhook_delivery`."""

    id = Text(primary_key=True)
    webhook_id = Text()
    event = Text()
    body = Text()
    status = Text()
    tries = BigInt()
    response_code = BigInt(null=True, default=None)
    failure = Text(null=True, default=None)
    duration = DoublePrecision(null=True, default=None)
    replay_of = Text(null=True, default=None)
    created_at = Timestamptz()
    updated_at = Timestamptz()


async def enter(scope: Scope, webhook_id: str, event: str, body: str, *, replay_of: str | None = None) -> Delivery | None:
    """Note a delivery that is to be made from now on; None when the webhook is gone."""
    now = datetime.now(UTC)
    delivery = Delivery(
        id=new_id("delivery_"),
        project=scope.project,
        environment=scope.environment,
        webhook_id=webhook_id,
        event=event,
        body=body,
        status="waiting",
        tries=0,
        replay_of=replay_of,
        created_at=now,
        updated_at=now,
    )
    async with transaction():
        if await scoped(WebhookRow, scope).one(WebhookRow.id == webhook_id, lock=True) is None:
            return None
        await scoped(DeliveryRow, scope).insert(**msgspec.structs.asdict(delivery))
    return delivery


async def get(scope: Scope, id: str) -> Delivery | None:
    """Return a delivery by its id."""
    row = await scoped(DeliveryRow, scope).one(DeliveryRow.id == id) if storable(id) else None
    return None if row is None else _delivery(row)


async def page(
    scope: Scope, webhook_id: str, status: Status | None = None, current_page: int = 1, page_size: int = 25
) -> Page[Delivery]:
    """Return a page of a webhook's deliveries, newest first. current_page: from 1."""
    where = [DeliveryRow.webhook_id == webhook_id, *([DeliveryRow.status == status] if status is not None else [])]
    rows = scoped(DeliveryRow, scope)
    total = await rows.count(*where)
    skip = (current_page - 1) * page_size
    if skip >= total:
        return Page((), total)
    query = rows.select().where(*where).order_by(DeliveryRow.created_at, DeliveryRow.id, ascending=False)
    return Page(tuple(_delivery(row) for row in await query.limit(page_size).offset(skip)), total)


async def tried(delivery: Delivery, *, response_code: int | None, failure: str | None, duration: float) -> Delivery | None:
    """Note the outcome of one more try; None when the delivery was removed meanwhile."""
    values: dict[Any, Any] = {
        DeliveryRow.tries: delivery.tries + 1,
        DeliveryRow.response_code: response_code,
        DeliveryRow.failure: failure,
        DeliveryRow.duration: duration,
        DeliveryRow.updated_at: datetime.now(UTC),
    }
    await scoped(DeliveryRow, delivery.scope).update(values).where(DeliveryRow.id == delivery.id)
    return await get(delivery.scope, delivery.id)


async def left(delivery: Delivery) -> int:
    """Return how many deliveries beside this one are still to be made to its webhook."""
    mine = DeliveryRow.webhook_id == delivery.webhook_id
    rows = scoped(DeliveryRow, delivery.scope)
    return await rows.count(mine, DeliveryRow.status == "waiting", DeliveryRow.id != delivery.id)


async def finish(scope: Scope, id: str, status: Status, failure: str | None = None) -> None:
    """Note that no more tries are made. failure: the reason, when it is not that of the last try."""
    values: dict[Any, Any] = {DeliveryRow.status: status, DeliveryRow.updated_at: datetime.now(UTC)}
    if failure is not None:
        values[DeliveryRow.failure] = failure
    await scoped(DeliveryRow, scope).update(values).where(DeliveryRow.id == id, DeliveryRow.status == "waiting")


async def stranded(age: timedelta) -> list[Delivery]:
    """Return what has been waiting for so long that its job may never have been submitted, whosever it is."""
    old = DeliveryRow.updated_at < datetime.now(UTC) - age
    query = unscoped(DeliveryRow).select().where(DeliveryRow.status == "waiting", old)
    return [_delivery(row) for row in await query.order_by(DeliveryRow.updated_at).limit(1000)]


async def prune(keep: timedelta = KEEP, most: int = MOST) -> None:
    """Forget what is old, and of each webhook all but the newest; what still waits stays."""
    ended = DeliveryRow.status != "waiting"
    await unscoped(DeliveryRow).delete().where(ended, DeliveryRow.updated_at < datetime.now(UTC) - keep)
    for webhook in await unscoped(WebhookRow).select(WebhookRow.id):
        mine = DeliveryRow.webhook_id == webhook["id"]
        newest = unscoped(DeliveryRow).select(DeliveryRow.created_at).where(mine)
        beyond = await newest.order_by(DeliveryRow.created_at, ascending=False).limit(1).offset(most)
        if beyond:
            await unscoped(DeliveryRow).delete().where(mine, ended, DeliveryRow.created_at <= beyond[0]["created_at"])


def _delivery(row: dict[str, Any]) -> Delivery:
    return msgspec.convert(row, Delivery)
