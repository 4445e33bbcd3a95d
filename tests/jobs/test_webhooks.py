"""What webhooks are sent, field by field as the contract's `webhookPayloads`; and that nothing noted is forgotten."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from reelkit.catalog import webhook_deliveries
from reelkit.catalog import webhooks as catalogued
from reelkit.catalog.database import Database
from reelkit.catalog.scope import Scope
from reelkit.interfaces.event import (
    WEBHOOK_EVENTS,
    CaptionGenerated,
    Event,
    LiveStreamEnded,
    LiveStreamStarted,
    RenditionEncoded,
    SourceRecorded,
    SummaryGenerated,
)
from reelkit.jobs import webhooks
from reelkit.jobs.runtime import running
from reelkit.jobs.webhooks import webhook_body
from reelkit.plugins import load_plugins
from reelkit.site import Network, Site

FACTS: dict[str, Any] = {
    "project": "p",
    "environment": "production",
    "at": datetime(2026, 1, 2, 4, 4, 5, 678901, tzinfo=timezone(timedelta(hours=1))),
}

BODIES: list[tuple[Event, dict[str, str]]] = [
    (
        RenditionEncoded(**FACTS, video_id="vi1", encoding="hls", quality="720p"),
        {"type": "video.encoding.quality.completed", "videoId": "vi1", "encoding": "hls", "quality": "720p"},
    ),
    (
        SourceRecorded(**FACTS, video_id="vi1", live_stream_id="li1"),
        {"type": "video.source.recorded", "videoId": "vi1", "liveStreamId": "li1"},
    ),
    (
        CaptionGenerated(**FACTS, video_id="vi1", caption_id="caption_1", language="fr"),
        {
            "type": "video.caption.generated",
            "videoId": "vi1",
            "captionId": "caption_1",
            "generationMode": "transcript",
            "language": "fr",
        },
    ),
    (
        SummaryGenerated(**FACTS, video_id="vi1", summary_id="summary_1"),
        {"type": "video.summary.generated", "videoId": "vi1", "summaryId": "summary_1"},
    ),
    (LiveStreamStarted(**FACTS, live_stream_id="li1"), {"type": "live-stream.broadcast.started", "liveStreamId": "li1"}),
    (LiveStreamEnded(**FACTS, live_stream_id="li1"), {"type": "live-stream.broadcast.ended", "liveStreamId": "li1"}),
]


@pytest.mark.parametrize(("event", "fields"), BODIES, ids=[fields["type"] for _, fields in BODIES])
def test_a_body_has_the_fields_of_the_contract(event: Event, fields: dict[str, str]) -> None:
    body = webhook_body(event)
    assert json.loads(body) == {**fields, "emittedAt": "2026-01-02T03:04:05+00:00"}
    assert " " not in body


def test_every_event_that_can_be_asked_for_has_a_body() -> None:
    assert {fields["type"] for _, fields in BODIES} == set(WEBHOOK_EVENTS)


async def test_a_delivery_whose_process_died_before_it_was_tried_is_taken_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = asyncio.Event()
    heads: list[bytes] = []

    async def receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        told.set()
        writer.close()

    monkeypatch.setattr(webhooks, "STRANDED", timedelta(0))
    scope = Scope("default", "production")
    async with await asyncio.start_server(receive, "127.0.0.1", 0) as server:
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        site = Site(folder=tmp_path, network=Network(allow_private=(address,)))
        async with running(site, load_plugins(site)) as runtime:
            webhook = await catalogued.create(scope, f"http://{address}/", ("video.source.recorded",))
            assert webhook is not None
            noted = await webhook_deliveries.enter(scope, webhook.id, "video.source.recorded", "{}")
            assert noted is not None

            await webhooks.keep_deliveries(runtime)

            await asyncio.wait_for(told.wait(), 30)
            assert (await runtime.engine.wait("webhook", noted.id, 30)).state == "done"
            found = await webhook_deliveries.get(scope, noted.id)
            assert found is not None and (found.status, found.response_code) == ("delivered", 204)
            await webhooks.keep_deliveries(runtime)
            assert await webhook_deliveries.get(scope, noted.id) == found
    # Spelt as the contract does, for receivers that mind.
    assert b"\r\nX-Api-Video-Signature: " in heads[0] and b"\r\nX-Api-Video-WebhookID: webhook_" in heads[0]


async def test_a_webhook_with_many_deliveries_left_lets_others_go_before_it(database: Database) -> None:
    scope, submitted = Scope("default", "production"), []

    async def submit(kind: str, key: str, payload: dict[str, Any], priority: int = 0) -> None:
        submitted.append(priority)

    runtime: Any = SimpleNamespace(engine=SimpleNamespace(submit=submit))
    silent = await catalogued.create(scope, "https://silent.example/", ("video.source.recorded",))
    other = await catalogued.create(scope, "https://other.example/", ("video.source.recorded",))
    assert silent is not None and other is not None
    for webhook in (silent, silent, silent, other):
        delivery = await webhook_deliveries.enter(scope, webhook.id, "video.source.recorded", "{}")
        assert delivery is not None
        await webhooks.submit_delivery(runtime, delivery)
    assert submitted == [0, 1, 2, 0]
