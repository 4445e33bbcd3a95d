"""The job `webhook`: tell one address of one event, signed, in at most four tries."""

from __future__ import annotations

import asyncio
import hmac
import time
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from reelkit.catalog import untold, webhook_deliveries, webhooks
from reelkit.catalog.binding import transaction
from reelkit.catalog.scope import Scope
from reelkit.catalog.untold import Untold
from reelkit.catalog.webhook_deliveries import Delivery
from reelkit.catalog.webhooks import Webhook
from reelkit.interfaces.event import WEBHOOK_EVENTS, Event
from reelkit.jobs.job import JobContext
from reelkit.outbound import OutboundFailed, OutboundLimits, OutboundRefused

if TYPE_CHECKING:
    from reelkit.jobs.runtime import Runtime
    from reelkit.outbound import Outbound

__all__ = ["EVERY", "deliver", "delivery_failed", "enter_deliveries", "keep_deliveries", "submit_delivery", "webhook_body"]

TRIES = 4
PAUSE = 3.0
"""Seconds between two tries."""
LIMITS = OutboundLimits(connect=5.0, read=10.0, total=10.0, redirects=0)
"""A redirect is an answer above 299: a failure like others, and not followed."""
EVERY = 60.0
"""Seconds between two looks for deliveries without a job."""
STRANDED = timedelta(minutes=5)
"""Longer than all tries of one delivery take."""

_OURS = frozenset({"project", "environment", "at", "type"})

log = structlog.get_logger("reelkit.webhooks")


async def enter_deliveries(noted: Untold, event: Event) -> list[Delivery]:
    """Note what each webhook that asked for an event is to be told, once however often this is called for it."""
    kind = str(type(event).__struct_config__.tag)
    if kind not in WEBHOOK_EVENTS:
        return []
    body = webhook_body(event)
    async with transaction():
        if not await untold.note_webhooks(noted.scope, noted.id):
            return []
        asked = await webhooks.list_webhooks(noted.scope, kind)
        entered = [await webhook_deliveries.enter(noted.scope, webhook.id, kind, body) for webhook in asked]
    return [delivery for delivery in entered if delivery is not None]


async def submit_delivery(runtime: Runtime, delivery: Delivery) -> None:
    """Have a delivery made; twice is once. Raises JobsUnavailable."""
    payload = {"project": delivery.project, "environment": delivery.environment, "delivery_id": delivery.id}
    # A webhook that does not answer has many that wait; those of others go before them.
    priority = await webhook_deliveries.left(delivery)
    await runtime.engine.submit("webhook", delivery.id, payload, priority=priority)


def webhook_body(event: Event) -> str:
    """Return what webhooks are sent: compact JSON in the fields of the contract's `webhookPayloads`."""
    fields = {
        "type": type(event).__struct_config__.tag,
        "emittedAt": event.at.astimezone(UTC).isoformat(timespec="seconds"),
        **{_camel(name): value for name, value in msgspec.structs.asdict(event).items() if name not in _OURS},
    }
    return msgspec.json.encode(fields).decode()


async def deliver(runtime: Runtime, job: JobContext, payload: dict[str, Any]) -> None:
    """Make the tries that are left of a delivery. An address that does not answer is no failure of the job."""
    scope = Scope(payload["project"], payload["environment"])
    delivery = await webhook_deliveries.get(scope, payload["delivery_id"])
    webhook = await webhooks.get(scope, delivery.webhook_id) if delivery is not None else None
    if webhook is None:
        return
    from reelkit.outbound import Outbound

    async with Outbound(runtime.site.network.allow_private, limits=LIMITS) as outbound:
        while delivery is not None and delivery.status == "waiting":
            began = time.monotonic()
            status, failure, again = await _try(outbound, webhook, delivery)
            took = time.monotonic() - began
            delivery = await webhook_deliveries.tried(delivery, response_code=status, failure=failure, duration=took)
            if delivery is None:
                return
            if failure is None:
                await webhook_deliveries.finish(scope, delivery.id, "delivered")
                return
            log.info("a webhook did not take an event", webhook=webhook.id, delivery=delivery.id, failure=failure)
            if not again or delivery.tries >= TRIES:
                await webhook_deliveries.finish(scope, delivery.id, "failed")
                return
            job.progress(delivery.tries / TRIES)
            await asyncio.sleep(PAUSE)


async def delivery_failed(_: Runtime, payload: dict[str, Any], reason: str) -> None:
    """Note that a delivery was given up for a reason of our own."""
    scope = Scope(payload["project"], payload["environment"])
    await webhook_deliveries.finish(scope, payload["delivery_id"], "failed", reason)


async def keep_deliveries(runtime: Runtime) -> None:
    """Take up the deliveries that no job takes care of: their process died in between."""
    for delivery in await webhook_deliveries.stranded(STRANDED):
        status = await runtime.engine.status("webhook", delivery.id)
        if status is None:
            await submit_delivery(runtime, delivery)
        elif status.final:
            reason = status.failure or "The delivery was given up."
            await webhook_deliveries.finish(delivery.scope, delivery.id, "failed", reason)


async def _try(outbound: Outbound, webhook: Webhook, delivery: Delivery) -> tuple[int | None, str | None, bool]:
    """Send once. Returns the status of the answer, the reason if that is no success, and whether to try again."""
    body = delivery.body.encode()
    headers = {
        "Content-Type": "application/json",
        "X-Api-Video-WebhookID": webhook.id,
        "X-Api-Video-Signature": hmac.new(webhook.signature_secret.encode(), body, "sha256").hexdigest(),
        # The same in every try, so that a receiver can tell a repeat from news.
        "X-Reelkit-Delivery": delivery.id,
    }
    try:
        # The answer's body is left unread: nothing in it matters.
        async with outbound.open("POST", webhook.url, headers=headers, content=body) as answer:
            if answer.status <= 299:
                return answer.status, None, False
            return answer.status, f"It answered with the status {answer.status}.", True
    except OutboundRefused as error:
        return None, str(error), False
    except OutboundFailed as error:
        return None, str(error), True


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)
