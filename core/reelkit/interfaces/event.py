"""What happened: the typed events that plugins are told of; those in `WEBHOOK_EVENTS` go to webhooks too."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

__all__ = [
    "WEBHOOK_EVENTS",
    "CaptionGenerated",
    "Event",
    "LiveStreamEnded",
    "LiveStreamStarted",
    "RenditionEncoded",
    "SourceRecorded",
    "SourceUploaded",
    "SummaryGenerated",
    "VideoCreated",
    "VideoDeleted",
    "VideoFailed",
    "VideoPlayable",
    "WebhookEvent",
]


class _Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    project: str
    environment: Literal["production", "sandbox"]
    at: datetime
    """UTC."""


class _VideoEvent(_Event, frozen=True, kw_only=True):
    video_id: str


class VideoCreated(_VideoEvent, frozen=True, kw_only=True, tag="video.created"):
    """A video exists; it may have no source yet."""


class SourceUploaded(_VideoEvent, frozen=True, kw_only=True, tag="video.source.uploaded"):
    """Every byte of a source is stored. size: bytes."""

    size: int


class VideoPlayable(_VideoEvent, frozen=True, kw_only=True, tag="video.playable"):
    """The manifest answers 200 from now on."""


class RenditionEncoded(_VideoEvent, frozen=True, kw_only=True, tag="video.encoding.quality.completed"):
    """One rendition joined the master playlist, or the MP4 file can be had. quality: 240p … 2160p."""

    encoding: Literal["hls", "mp4"]
    quality: str


class VideoFailed(_VideoEvent, frozen=True, kw_only=True, tag="video.failed"):
    """A source could not be used. reason: a sentence for people."""

    reason: str


class VideoDeleted(_VideoEvent, frozen=True, kw_only=True, tag="video.deleted"):
    """A video and all that was made of it are gone."""


class CaptionGenerated(_VideoEvent, frozen=True, kw_only=True, tag="video.caption.generated"):
    """Captions were made from what is said. language: a BCP 47 tag."""

    caption_id: str
    language: str
    generation_mode: Literal["transcript"] = "transcript"


class SummaryGenerated(_VideoEvent, frozen=True, kw_only=True, tag="video.summary.generated"):
    """A summary was made from what is said."""

    summary_id: str


class SourceRecorded(_VideoEvent, frozen=True, kw_only=True, tag="video.source.recorded"):
    """The recording of a live stream has become a video."""

    live_stream_id: str


class LiveStreamStarted(_Event, frozen=True, kw_only=True, tag="live-stream.broadcast.started"):
    """Somebody broadcasts into a live stream."""

    live_stream_id: str


class LiveStreamEnded(_Event, frozen=True, kw_only=True, tag="live-stream.broadcast.ended"):
    """The broadcast is over."""

    live_stream_id: str


Event = (
    VideoCreated
    | SourceUploaded
    | VideoPlayable
    | RenditionEncoded
    | VideoFailed
    | VideoDeleted
    | CaptionGenerated
    | SummaryGenerated
    | SourceRecorded
    | LiveStreamStarted
    | LiveStreamEnded
)

WebhookEvent = Literal[
    "live-stream.broadcast.started",
    "live-stream.broadcast.ended",
    "video.source.recorded",
    "video.encoding.quality.completed",
    "video.caption.generated",
    "video.summary.generated",
]

WEBHOOK_EVENTS: tuple[WebhookEvent, ...] = WebhookEvent.__args__  # type: ignore[attr-defined]  # Literal has them
"""What webhooks can be asked to tell."""
