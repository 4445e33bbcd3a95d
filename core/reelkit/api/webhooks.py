"""Webhooks over HTTP: create, list, read, delete; and, beyond the contract, what they were told, and telling it again."""

from __future__ import annotations

import re
from typing import Any, Literal, cast

import msgspec
from litestar import Request, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from reelkit.access.principal import Principal
from reelkit.api.changes import Changing
from reelkit.api.pagination import Pagination, paginate, requested_page
from reelkit.api.payloads import read_payload
from reelkit.api.queries import Query
from reelkit.api.video_json import atom
from reelkit.catalog import webhook_deliveries, webhooks
from reelkit.catalog.scope import Scope
from reelkit.catalog.webhook_deliveries import Delivery, Status
from reelkit.catalog.webhooks import LIMIT, Webhook
from reelkit.interfaces.event import WebhookEvent
from reelkit.jobs.runtime import Runtime
from reelkit.jobs.webhooks import submit_delivery
from reelkit.outbound import OutboundRefused
from reelkit.problems import InvalidAttribute, NotFound, WebhookLimitReached

__all__ = ["HANDLERS", "DeliveryJson", "DeliveryList", "NewWebhookPayload", "WebhookJson", "WebhookList"]

URL_LENGTH = 2048

_WEBHOOK_ID = re.compile(r"webhook_[0-9A-Za-z]{1,62}", re.ASCII)
_DELIVERY_ID = re.compile(r"delivery_[0-9A-Za-z]{1,62}", re.ASCII)


class NewWebhookPayload(msgspec.Struct, frozen=True, rename="camel"):
    """The contract's `webhooks-creation-payload`."""

    events: tuple[WebhookEvent, ...]
    url: str


class WebhookJson(msgspec.Struct, frozen=True, rename="camel"):
    """The contract's `webhook`."""

    webhook_id: str
    created_at: str
    events: tuple[WebhookEvent, ...]
    url: str
    signature_secret: str


class WebhookList(msgspec.Struct, frozen=True):
    """The contract's `webhooks-list-response`."""

    data: tuple[WebhookJson, ...]
    pagination: Pagination


class DeliveryJson(msgspec.Struct, frozen=True, rename="camel"):
    """One event on its way to a webhook. payload: what is sent; response_code, failure, duration (s): of the last try."""

    delivery_id: str
    webhook_id: str
    event: WebhookEvent
    status: Status
    tries: int
    response_code: int | None
    failure: str | None
    duration: float | None
    replay_of: str | None
    created_at: str
    updated_at: str
    payload: dict[str, str]


class DeliveryList(msgspec.Struct, frozen=True):
    """Deliveries, the newest first."""

    data: tuple[DeliveryJson, ...]
    pagination: Pagination


def webhook_json(webhook: Webhook) -> WebhookJson:
    """Return the JSON of a webhook."""
    return WebhookJson(
        webhook_id=webhook.id,
        created_at=atom(webhook.created_at),
        events=webhook.events,
        url=webhook.url,
        signature_secret=webhook.signature_secret,
    )


def delivery_json(delivery: Delivery) -> DeliveryJson:
    """Return the JSON of a delivery."""
    return DeliveryJson(
        delivery_id=delivery.id,
        webhook_id=delivery.webhook_id,
        event=cast("WebhookEvent", delivery.event),
        status=delivery.status,
        tries=delivery.tries,
        response_code=delivery.response_code,
        failure=delivery.failure,
        duration=None if delivery.duration is None else round(delivery.duration, 3),
        replay_of=delivery.replay_of,
        created_at=atom(delivery.created_at),
        updated_at=atom(delivery.updated_at),
        payload=msgspec.json.decode(delivery.body, type=dict[str, str]),
    )


async def find_webhook(scope: Scope, id: str) -> Webhook:
    """Return a webhook of the caller's. Raises NotFound, also for one that belongs to somebody else."""
    webhook = await webhooks.get(scope, id) if _WEBHOOK_ID.fullmatch(id) else None
    if webhook is None:
        raise NotFound(name="webhookId")
    return webhook


@post("/webhooks", operation_id="POST-webhooks", status_code=201)
async def create_webhook(
    request: Request[Any, Any, Any], principal: NamedDependency[Principal], runtime: NamedDependency[Runtime]
) -> WebhookJson:
    """Have an address told of events from now on."""
    change = Changing(runtime, principal.scope, "webhook", "create")
    given = await change.propose(read_payload(await request.body(), NewWebhookPayload))
    if not given.events:
        raise InvalidAttribute(name="events", detail="Name at least one event.")
    if len(given.url) > URL_LENGTH:
        raise InvalidAttribute(name="url", detail=f"The URL is longer than {URL_LENGTH} characters.")
    from reelkit.outbound import checked_url

    try:
        checked_url(given.url)
    except OutboundRefused as error:
        raise InvalidAttribute(name="url", detail=str(error)) from error
    webhook = await webhooks.create(principal.scope, given.url, tuple(dict.fromkeys(given.events)))
    if webhook is None:
        raise WebhookLimitReached(detail=f"There are {LIMIT} webhooks already; delete one first.")
    answer = webhook_json(webhook)
    await change.made(answer, id=webhook.id)
    return answer


@get("/webhooks", operation_id="LIST-webhooks")
async def list_webhooks(request: Request[Any, Any, Any], principal: NamedDependency[Principal]) -> WebhookList:
    """List the webhooks, or those that are told of an event, newest first."""
    query = Query(request.scope["query_string"])
    page = requested_page(query)
    event = query.text("events") or next(iter(query.array("events")), None)
    query.check()
    found = await webhooks.list_webhooks(principal.scope, event)
    skip = (page.number - 1) * page.size
    data = tuple(webhook_json(webhook) for webhook in found[skip : skip + page.size])
    return WebhookList(data, paginate("/webhooks", query, page, len(data), len(found)))


@get("/webhooks/{webhook_id:str}", operation_id="GET-Webhook")
async def get_webhook(webhook_id: FromPath[str], principal: NamedDependency[Principal]) -> WebhookJson:
    """Read one webhook."""
    return webhook_json(await find_webhook(principal.scope, webhook_id))


@delete("/webhooks/{webhook_id:str}", operation_id="DELETE-webhook", status_code=204)
async def delete_webhook(
    webhook_id: FromPath[str], principal: NamedDependency[Principal], runtime: NamedDependency[Runtime]
) -> None:
    """Tell an address nothing any more; its log goes with it, and what is still to be told is not."""
    before = webhook_json(await find_webhook(principal.scope, webhook_id))
    change = Changing(runtime, principal.scope, "webhook", "delete", id=webhook_id, before=before)
    await change.propose(None)
    if not await webhooks.delete(principal.scope, webhook_id):
        raise NotFound(name="webhookId")
    await change.made()


@get("/webhooks/{webhook_id:str}/deliveries", operation_id="LIST-webhook-deliveries")
async def list_deliveries(
    request: Request[Any, Any, Any], webhook_id: FromPath[str], principal: NamedDependency[Principal]
) -> DeliveryList:
    """List what a webhook was told in the last 30 days, at most the newest 1,000, newest first. Not in api.video."""
    query = Query(request.scope["query_string"])
    page = requested_page(query)
    status = query.one_of("status", ("waiting", "delivered", "failed"), "")
    query.check()
    await find_webhook(principal.scope, webhook_id)
    wanted = cast("Literal['waiting', 'delivered', 'failed']", status) if status else None
    found = await webhook_deliveries.page(principal.scope, webhook_id, wanted, page.number, page.size)
    data = tuple(delivery_json(delivery) for delivery in found.items)
    return DeliveryList(data, paginate(f"/webhooks/{webhook_id}/deliveries", query, page, len(data), found.total))


@post(
    "/webhooks/{webhook_id:str}/deliveries/{delivery_id:str}/replay",
    operation_id="POST-webhook-delivery-replay",
    status_code=201,
)
async def replay_delivery(
    webhook_id: FromPath[str],
    delivery_id: FromPath[str],
    principal: NamedDependency[Principal],
    runtime: NamedDependency[Runtime],
) -> DeliveryJson:
    """Tell a webhook something again, byte for byte, as a delivery of its own. Not in api.video."""
    await find_webhook(principal.scope, webhook_id)
    told = await webhook_deliveries.get(principal.scope, delivery_id) if _DELIVERY_ID.fullmatch(delivery_id) else None
    if told is None or told.webhook_id != webhook_id:
        raise NotFound(name="deliveryId")
    again = await webhook_deliveries.enter(principal.scope, webhook_id, told.event, told.body, replay_of=told.id)
    if again is None:
        raise NotFound(name="webhookId")
    await submit_delivery(runtime, again)
    return delivery_json(again)


HANDLERS = (
    create_webhook,
    list_webhooks,
    get_webhook,
    delete_webhook,
    list_deliveries,
    replay_delivery,
)
