"""What webhooks are sent: the contract's `webhookPayloads`, field by field."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
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
from reelkit.jobs.webhooks import webhook_body

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
