"""Webhooks and the log of their deliveries, on both databases."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from reelkit.catalog import webhook_deliveries, webhooks
from reelkit.catalog.scope import Scope
from reelkit.catalog.webhook_deliveries import Delivery
from reelkit.catalog.webhooks import Webhook
from reelkit.interfaces.event import WebhookEvent

pytestmark = pytest.mark.usefixtures("database")

RECORDED: WebhookEvent = "video.source.recorded"
ENCODED: WebhookEvent = "video.encoding.quality.completed"


async def create(scope: Scope, *events: WebhookEvent) -> Webhook:
    made = await webhooks.create(scope, "https://hook.example.org/", events or (ENCODED,))
    assert made is not None
    return made


async def enter(webhook: Webhook, body: str = "{}") -> Delivery:
    made = await webhook_deliveries.enter(webhook.scope, webhook.id, ENCODED, body)
    assert made is not None
    return made


async def test_a_webhook_is_its_scopes_alone(scope: Scope, strangers: list[Scope]) -> None:
    made = await create(scope, RECORDED, ENCODED)
    delivery = await enter(made)
    assert await webhooks.get(scope, made.id) == made
    assert await webhooks.list_webhooks(scope, ENCODED) == [made]
    assert await webhooks.list_webhooks(scope, "video.summary.generated") == []
    for stranger in strangers:
        assert await webhooks.get(stranger, made.id) is None
        assert await webhooks.list_webhooks(stranger) == []
        assert await webhook_deliveries.get(stranger, delivery.id) is None
        assert (await webhook_deliveries.page(stranger, made.id)).total == 0
        assert await webhook_deliveries.enter(stranger, made.id, ENCODED, "{}") is None
        assert not await webhooks.delete(stranger, made.id)
    assert await webhooks.delete(scope, made.id)
    assert not await webhooks.delete(scope, made.id)
    assert await webhook_deliveries.get(scope, delivery.id) is None
    assert await webhook_deliveries.tried(delivery, response_code=200, failure=None, duration=0.1) is None


async def test_twenty_at_once_make_ten_webhooks(scope: Scope, strangers: list[Scope]) -> None:
    made = await asyncio.gather(*(webhooks.create(scope, "https://a.example/", (ENCODED,)) for _ in range(20)))
    assert sum(one is not None for one in made) == webhooks.LIMIT == len(await webhooks.list_webhooks(scope))
    assert await webhooks.create(strangers[0], "https://a.example/", (ENCODED,)) is not None


async def test_tries_are_counted_and_an_end_stays_the_end(scope: Scope) -> None:
    delivery = await enter(await create(scope), '{"a":"é"}')
    assert (await webhook_deliveries.get(scope, delivery.id)) == delivery
    tried = await webhook_deliveries.tried(delivery, response_code=None, failure="Nobody there.", duration=0.25)
    assert tried is not None
    assert (tried.tries, tried.failure, tried.duration, tried.status) == (1, "Nobody there.", 0.25, "waiting")
    tried = await webhook_deliveries.tried(tried, response_code=204, failure=None, duration=0.5)
    assert tried is not None and (tried.tries, tried.failure, tried.response_code) == (2, None, 204)
    await webhook_deliveries.finish(scope, delivery.id, "delivered")
    await webhook_deliveries.finish(scope, delivery.id, "failed", "too late")
    ended = await webhook_deliveries.get(scope, delivery.id)
    assert ended is not None and (ended.status, ended.failure, ended.body) == ("delivered", None, '{"a":"é"}')


async def test_the_log_of_each_webhook_is_bounded_and_keeps_what_waits(scope: Scope) -> None:
    first, second = await create(scope), await create(scope)
    waiting = await enter(first)
    ended = [await enter(first) for _ in range(6)]
    for delivery in ended:
        await webhook_deliveries.finish(scope, delivery.id, "delivered")
    other = await enter(second)
    await webhook_deliveries.finish(scope, other.id, "failed", "x")

    await webhook_deliveries.prune(most=3)

    left = await webhook_deliveries.page(scope, first.id)
    assert {delivery.id for delivery in left.items} == {waiting.id, *(delivery.id for delivery in ended[-3:])}
    assert left.total == 4
    newest = await webhook_deliveries.page(scope, first.id, "delivered", current_page=2, page_size=2)
    assert ([delivery.id for delivery in newest.items], newest.total) == ([ended[-3].id], 3)
    assert (await webhook_deliveries.page(scope, second.id)).total == 1

    await webhook_deliveries.prune(keep=timedelta(0))

    assert [delivery.id for delivery in (await webhook_deliveries.page(scope, first.id)).items] == [waiting.id]
    assert (await webhook_deliveries.page(scope, second.id)).total == 0


async def test_what_has_waited_long_is_found(scope: Scope) -> None:
    webhook = await create(scope)
    waiting, ended = await enter(webhook), await enter(webhook)
    await webhook_deliveries.finish(scope, ended.id, "delivered")
    assert await webhook_deliveries.stranded(timedelta(hours=1)) == []
    assert [delivery.id for delivery in await webhook_deliveries.stranded(timedelta(0))] == [waiting.id]
