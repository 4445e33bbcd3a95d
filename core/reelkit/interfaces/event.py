"""What happened: the typed events that plugins are told of."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

__all__ = [
    "Event",
    "RenditionEncoded",
    "SourceUploaded",
    "VideoCreated",
    "VideoDeleted",
    "VideoFailed",
    "VideoPlayable",
]


class _Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    project: str
    environment: Literal["production", "sandbox"]
    video_id: str
    at: datetime
    """UTC."""


class VideoCreated(_Event, frozen=True, kw_only=True, tag="video.created"):
    """A video exists; it may have no source yet."""


class SourceUploaded(_Event, frozen=True, kw_only=True, tag="video.source.uploaded"):
    """Every byte of a source is stored. size: bytes."""

    size: int


class VideoPlayable(_Event, frozen=True, kw_only=True, tag="video.playable"):
    """The manifest answers 200 from now on."""


class RenditionEncoded(_Event, frozen=True, kw_only=True, tag="video.encoding.quality.completed"):
    """One rendition joined the master playlist. quality: 240p … 2160p."""

    encoding: Literal["hls", "mp4"]
    quality: str


class VideoFailed(_Event, frozen=True, kw_only=True, tag="video.failed"):
    """A source could not be used. reason: a sentence for people."""

    reason: str


class VideoDeleted(_Event, frozen=True, kw_only=True, tag="video.deleted"):
    """A video and all that was made of it are gone."""


Event = VideoCreated | SourceUploaded | VideoPlayable | RenditionEncoded | VideoFailed | VideoDeleted
