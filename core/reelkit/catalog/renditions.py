"""Renditions: what a source became, and the segments of those that are played while they grow."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from piccolo.columns import BigInt, DoublePrecision, Text, Timestamptz

from reelkit.catalog.ids import new_id
from reelkit.catalog.scope import Owned, Scope, Scoped, scoped

__all__ = ["DraftSegment", "Kind", "NewRendition", "Rendition", "RenditionStatus", "for_video", "prefixes_of"]

Kind = Literal["copy", "encoded", "audio", "draft"]
"""copy: packaged from the source itself; encoded: a rung; audio: the sound of all rungs; draft: grows while it plays."""
RenditionStatus = Literal["waiting", "encoding", "encoded", "failed"]


class NewRendition(msgspec.Struct, frozen=True, kw_only=True):
    """A rendition to be made, or, with status encoded and its keys, one that needs no making (kind copy)."""

    kind: Kind
    quality: str = ""
    """240p … 2160p; empty for audio."""
    track: int = 0
    """Number of the sound among those of the source, for audio."""
    status: Literal["waiting", "encoded"] = "waiting"
    width: int = 0
    height: int = 0
    frame_rate: float = 0.0
    codecs: str = ""
    """RFC 6381."""
    bandwidth: int = 0
    """Peak bits per second."""
    average_bandwidth: int = 0
    storage_key: str | None = None
    index_key: str | None = None


class Rendition(Owned, frozen=True, kw_only=True):
    """One rendition. progress: 0 to 1; the other fields as in NewRendition."""

    id: str
    video_id: str
    source_id: str
    kind: Kind
    quality: str
    track: int
    status: RenditionStatus
    width: int
    height: int
    frame_rate: float
    codecs: str
    bandwidth: int
    average_bandwidth: int
    storage_key: str | None
    index_key: str | None
    progress: float
    failure: str | None
    created_at: datetime
    encoded_at: datetime | None

    @property
    def prefix(self) -> str:
        """The folder of storage of its own bytes; a copy has none."""
        folder = "draft" if self.kind == "draft" else "rendition"
        return f"{self.project}/{self.video_id}/{folder}/{self.id}/"


class DraftSegment(msgspec.Struct, frozen=True):
    """A stored piece of a draft. number 0: the init segment, else from 1; duration: seconds."""

    number: int
    duration: float
    storage_key: str


class RenditionRow(Scoped, tablename="rendition"):
    """Table `rendition`."""

    id = Text(primary_key=True)
    video_id = Text()
    source_id = Text()
    kind = Text()
    quality = Text()
    track = BigInt()
    status = Text()
    width = BigInt()
    height = BigInt()
    frame_rate = DoublePrecision()
    codecs = Text()
    bandwidth = BigInt()
    average_bandwidth = BigInt()
    storage_key = Text(null=True, default=None)
    index_key = Text(null=True, default=None)
    progress = DoublePrecision()
    failure = Text(null=True, default=None)
    created_at = Timestamptz()
    encoded_at = Timestamptz(null=True, default=None)


class DraftSegmentRow(Scoped, tablename="draft_segment"):
    """Table `draft_segment`."""

    id = Text(primary_key=True)
    rendition_id = Text()
    number = BigInt()
    duration = DoublePrecision()
    storage_key = Text()


async def for_video(scope: Scope, video_id: str) -> tuple[Rendition, ...]:
    """Return every rendition of a video, whatever its status, highest first."""
    rows = await scoped(RenditionRow, scope).select().where(RenditionRow.video_id == video_id)
    return in_order(rows)


async def prefixes_of(scope: Scope, video_id: str) -> tuple[str, ...]:
    """Return the folders of storage of every rendition of a video."""
    return tuple(rendition.prefix for rendition in await for_video(scope, video_id) if rendition.kind != "copy")


def in_order(rows: list[dict[str, Any]]) -> tuple[Rendition, ...]:
    """Return the Renditions of whole rows, highest first."""
    found = (Rendition(**row) for row in rows)
    return tuple(sorted(found, key=lambda r: (-r.height, -r.bandwidth, r.kind, r.track, r.id)))


async def insert(scope: Scope, source_id: str, video_id: str, new: NewRendition) -> Rendition:
    """Store a new rendition, in the open transaction that saw its source."""
    now = datetime.now(UTC)
    rendition = Rendition(
        **msgspec.structs.asdict(new),
        id=new_id("re"),
        project=scope.project,
        environment=scope.environment,
        video_id=video_id,
        source_id=source_id,
        progress=1.0 if new.status == "encoded" else 0.0,
        failure=None,
        created_at=now,
        encoded_at=now if new.status == "encoded" else None,
    )
    await scoped(RenditionRow, scope).insert(**msgspec.structs.asdict(rendition))
    return rendition
