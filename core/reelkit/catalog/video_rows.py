"""What a video is: its Structs, and the table that keeps it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec
from piccolo.columns import JSONB, BigInt, Boolean, Text, Timestamptz

from reelkit.catalog.packing import fold, pack, unpack
from reelkit.catalog.scope import Environment, Scope, Scoped
from reelkit.interfaces.playback import PlaybackPolicy

__all__ = [
    "COLUMNS",
    "Clip",
    "Metadata",
    "NewVideo",
    "Origin",
    "Video",
    "VideoCountRow",
    "VideoRow",
    "VideoWatermark",
    "row_values",
    "video_of",
]

Origin = Literal["upload", "url", "copy", "live"]
"""Where the source comes from: a client, an address, another video, the recording of a live stream."""


class Metadata(msgspec.Struct, frozen=True):
    """One pair that the owner attached."""

    key: str
    value: str


class Clip(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The part of the source that becomes the video. Timecodes: `HH:MM:SS[.mmm]`, `HH:MM:SS:frame` or seconds."""

    start_timecode: str | None = None
    end_timecode: str | None = None


class VideoWatermark(msgspec.Struct, frozen=True, omit_defaults=True):
    """A picture over the video, for good: which one, where, how large, how opaque; lengths in px or %."""

    id: str
    top: str | None = None
    left: str | None = None
    bottom: str | None = None
    right: str | None = None
    width: str | None = None
    height: str | None = None
    opacity: str | None = None


class NewVideo(msgspec.Struct, frozen=True, kw_only=True):
    """What a video is made of; the defaults are the contract's."""

    title: str
    description: str = ""
    public: bool = True
    panoramic: bool = False
    mp4_support: bool = True
    language: str | None = None
    language_origin: Literal["api", "auto"] | None = None
    player_id: str | None = None
    tags: tuple[str, ...] = ()
    metadata: tuple[Metadata, ...] = ()
    origin: Origin = "upload"
    origin_uri: str | None = None
    """The URL, or the id of the other video."""
    fetching: bool = False
    """Its source is still to be brought here by a job."""
    live_stream_id: str | None = None
    clip: Clip | None = None
    watermark: VideoWatermark | None = None
    transcript: bool = False
    transcript_summary: bool = False
    summary_attributes: tuple[str, ...] = ()


class Video(NewVideo, frozen=True, kw_only=True):
    """A video, with or without a source."""

    video_id: str
    project: str
    environment: Environment
    created_at: datetime
    published_at: datetime
    updated_at: datetime
    thumbnail_key: str | None = None
    """A picture that the owner chose, instead of the poster of the source."""
    thumbnail_timecode: str | None = None
    """The frame that the owner wants for it and that was not taken yet."""
    discarded_at: datetime | None = None
    playback_policy: PlaybackPolicy | None = None
    """What the owner limits playback to; None: as the site says."""

    @property
    def scope(self) -> Scope:
        """Whose it is."""
        return Scope(self.project, self.environment)

    @property
    def prefix(self) -> str:
        """The folder of storage that holds everything of it."""
        return f"{self.project}/{self.video_id}/"


class VideoRow(Scoped, tablename="video"):
    """Table `video`."""

    id = Text(primary_key=True)
    title = Text()
    title_folded = Text()
    description = Text()
    description_folded = Text()
    public = Boolean()
    panoramic = Boolean()
    mp4_support = Boolean()
    language = Text(null=True, default=None)
    language_origin = Text(null=True, default=None)
    player_id = Text(null=True, default=None)
    tags = JSONB()
    metadata = JSONB()
    origin = Text(default="upload")
    origin_uri = Text(null=True, default=None)
    fetching = Boolean()
    live_stream_id = Text(null=True, default=None)
    clip = JSONB(null=True, default=None)
    watermark = JSONB(null=True, default=None)
    transcript = Boolean()
    transcript_summary = Boolean()
    summary_attributes = JSONB(null=True, default=None)
    thumbnail_key = Text(null=True, default=None)
    thumbnail_timecode = Text(null=True, default=None)
    created_at = Timestamptz()
    published_at = Timestamptz()
    updated_at = Timestamptz()
    discarded_at = Timestamptz(null=True, default=None)
    playback_policy = JSONB(null=True, default=None)


class VideoCountRow(Scoped, tablename="video_count"):
    """Table `video_count`: how many videos each scope has, kept by every change. Writers of a scope queue at its row."""

    id = Text(primary_key=True)
    total = BigInt()
    discarded = BigInt()


COLUMNS = (*(c for c in VideoRow._meta.columns if c._meta.name not in ("title_folded", "description_folded")),)

_PACKED: dict[str, Any] = {
    "tags": tuple[str, ...],
    "metadata": tuple[Metadata, ...],
    "clip": Clip,
    "watermark": VideoWatermark,
    "summary_attributes": tuple[str, ...],
    "playback_policy": PlaybackPolicy,
}


def video_of(row: dict[str, Any]) -> Video:
    """Return the Video of a row of `COLUMNS`."""
    values = {name: value for name, value in row.items() if not name.endswith("_folded")}
    values["video_id"] = values.pop("id")
    for name, kind in _PACKED.items():
        values[name] = unpack(values[name], kind)
    values["summary_attributes"] = values["summary_attributes"] or ()
    return Video(**values)


def row_values(values: dict[str, Any]) -> dict[str, Any]:
    """Return what the table keeps of fields of a video: JSON packed, texts that are searched folded beside them."""
    kept = {
        name: pack(value) if name in _PACKED and value is not None else value
        for name, value in values.items()
        if name != "video_id"
    }
    for name in ("title", "description"):
        if name in values:
            kept[f"{name}_folded"] = fold(values[name])
    return kept
