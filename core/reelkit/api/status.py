"""How far a video is: the contract's `video-status`, and our own `error` where something could not be used."""

from __future__ import annotations

from math import gcd
from typing import Literal

import msgspec

from reelkit.catalog.parts import PartialUpload, UploadPart
from reelkit.catalog.renditions import Rendition
from reelkit.catalog.sources import Source
from reelkit.catalog.transcripts import Transcript, TranscriptStatus
from reelkit.catalog.videos import Video
from reelkit.interfaces.media import Probe
from reelkit.jobs.mp4 import MP4_CONTAINERS

__all__ = [
    "Encoding",
    "EncodingMetadata",
    "Failure",
    "Ingest",
    "Quality",
    "TranscriptState",
    "VideoStatus",
    "transcript_state",
    "video_status",
]

Unset = msgspec.UnsetType
LOWEST = "240p"


class Failure(msgspec.Struct, frozen=True):
    """Why something failed, for people. Not in the contract, whose clients ignore it; its enums have no such word."""

    title: str
    detail: str


class ReceivedParts(msgspec.Struct, frozen=True):
    """Parts of an upload that are here. total: None until known."""

    parts: tuple[int, ...]
    total: int | None


class ReceivedBytes(msgspec.Struct, frozen=True):
    """A stretch of the file that is here. start, to: its first and last byte; total: bytes of the file once known.

    The contract has no null there, and its Python client raises on one.
    """

    start: int = msgspec.field(name="from")
    to: int
    total: int | Unset = msgspec.UNSET


class Ingest(msgspec.Struct, frozen=True, omit_defaults=True):
    """The way of the bytes. filesize: bytes."""

    status: Literal["uploading", "uploaded", "ingesting", "ingested"]
    filesize: int | Unset | None = msgspec.UNSET
    received_parts: ReceivedParts | Unset = msgspec.field(default=msgspec.UNSET, name="receivedParts")
    received_bytes: tuple[ReceivedBytes, ...] | Unset = msgspec.field(default=msgspec.UNSET, name="receivedBytes")
    error: Failure | Unset = msgspec.UNSET


class Quality(msgspec.Struct, frozen=True):
    """One rendition."""

    type: Literal["hls", "mp4"]
    quality: str
    status: Literal["waiting", "encoding", "encoded", "failed"]


class EncodingMetadata(msgspec.Struct, frozen=True, rename="camel"):
    """What the source is; None until known. bitrate: bits per second; duration: whole seconds; samplerate: Hz."""

    width: int | None = None
    height: int | None = None
    bitrate: float | None = None
    duration: int | None = None
    framerate: int | None = None
    samplerate: int | None = None
    video_codec: str | None = None
    audio_codec: str | None = None
    aspect_ratio: str | None = None


class Encoding(msgspec.Struct, frozen=True):
    """What became of the source. playable: the manifest answers 200."""

    playable: bool
    qualities: tuple[Quality, ...]
    metadata: EncodingMetadata
    error: Failure | Unset = msgspec.UNSET


class TranscriptState(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of the captions that a plugin is to write. Not in the contract, whose clients ignore it."""

    status: TranscriptStatus
    language: str | None = None
    error: Failure | Unset = msgspec.UNSET


class VideoStatus(msgspec.Struct, frozen=True):
    """The contract's `video-status`; ingest is left out while there is no source, transcript where none is wanted."""

    encoding: Encoding
    ingest: Ingest | Unset = msgspec.UNSET
    transcript: TranscriptState | Unset = msgspec.UNSET


def video_status(
    video: Video,
    source: Source | None,
    renditions: tuple[Rendition, ...],
    playable: bool,
    parts: tuple[PartialUpload, tuple[UploadPart, ...]] | None = None,
) -> VideoStatus:
    """Tell how far a video is. renditions: of its source, whatever their status; parts: of an upload in parts, in order."""
    if source is None or (video.fetching and source.status == "uploading"):
        ingest: Ingest | Unset = Ingest("ingesting") if video.fetching else msgspec.UNSET
        return VideoStatus(Encoding(False, (), EncodingMetadata()), ingest)
    qualities = _qualities(video, source, renditions)
    failed = next((r for r in renditions if r.status == "failed"), None)
    error: Failure | Unset = msgspec.UNSET
    if source.status == "failed":
        error = Failure("The source cannot be used.", source.failure or "")
    elif failed is not None:
        error = Failure("A rendition could not be made.", failed.failure or "")
    metadata = _metadata(source.probe) if source.probe is not None else EncodingMetadata()
    return VideoStatus(Encoding(playable, qualities, metadata, error), _ingest(video, source, parts))


def transcript_state(wish: Transcript) -> TranscriptState:
    """Return the JSON of a wish for captions."""
    error: Failure | Unset = msgspec.UNSET
    if wish.failure is not None:
        error = Failure("No captions were written.", wish.failure)
    return TranscriptState(wish.status, wish.language, error)


def _ingest(video: Video, source: Source, parts: tuple[PartialUpload, tuple[UploadPart, ...]] | None) -> Ingest:
    if source.status == "failed":
        status: Literal["uploading", "uploaded", "ingesting"] = "uploading" if video.origin == "upload" else "ingesting"
        if source.checksum is not None:  # all its bytes were counted
            status = "uploaded"
        return Ingest(status, source.size, error=Failure("The source cannot be used.", source.failure or ""))
    if parts is not None:
        return _in_parts(source.status, source.size, *parts)
    if source.status == "uploading":
        return Ingest("uploading", source.size, received_parts=ReceivedParts((), None))
    return Ingest(source.status, source.size, received_parts=ReceivedParts((1,), 1))


def _in_parts(
    status: Literal["uploading", "uploaded", "ingesting", "ingested"],
    size: int | None,
    upload: PartialUpload,
    parts: tuple[UploadPart, ...],
) -> Ingest:
    if upload.mode == "part":
        return Ingest(status, size, received_parts=ReceivedParts(tuple(part.number for part in parts), upload.total))
    stretches: list[tuple[int, int]] = []
    pieces = [(part.start or 0, part.size) for part in parts]
    if upload.tail_size:
        pieces.append((sum(part.size for part in parts), upload.tail_size))
    if upload.joined and not pieces:  # of other uploads, which are forgotten by now
        pieces.append((0, upload.total or 0))
    for start, length in pieces:
        joins = bool(stretches) and stretches[-1][1] == start
        first = stretches.pop()[0] if joins else start
        stretches.append((first, start + length))
    total = msgspec.UNSET if upload.total is None else upload.total
    found = tuple(ReceivedBytes(start, stop - 1, total) for start, stop in stretches)
    return Ingest(status, size if size is not None else upload.total, received_bytes=found)


def _qualities(video: Video, source: Source, renditions: tuple[Rendition, ...]) -> tuple[Quality, ...]:
    found: dict[str, Quality] = {}
    # A draft stands for its rung until the rung itself is planned.
    for rendition in sorted(renditions, key=lambda r: r.kind == "draft"):
        if rendition.kind != "audio":
            # Sound alone has no height, but the contract has no word for that, and clients refuse any other.
            name = rendition.quality or LOWEST
            found.setdefault(name, Quality("hls", name, rendition.status))
    hls = sorted(found.values(), key=lambda quality: int(quality.quality.removesuffix("p")))
    if not hls and source.status == "failed":
        # The only word that the contract has for "nothing will come".
        hls = [Quality("hls", LOWEST, "failed")]
    mp4: list[Quality] = []
    state = _mp4_status(source)
    if video.mp4_support and hls and source.status == "ingested" and state is not None:
        mp4 = [Quality("mp4", hls[-1].quality, state)]
    return (*hls, *mp4)


def _mp4_status(source: Source) -> Literal["waiting", "encoded", "failed"] | None:
    """Return how far the MP4 file is: the source itself, or one that is made of it; None when there will be none."""
    if source.probe is not None and source.probe.container in MP4_CONTAINERS:
        return "encoded"
    return source.mp4_status


def _metadata(probe: Probe) -> EncodingMetadata:
    video, audio = probe.video, probe.audio[0] if probe.audio else None
    whole = probe.size * 8 / probe.duration if probe.duration > 0 else None
    divisor = gcd(video.width, video.height) if video else 0
    return EncodingMetadata(
        width=video.width if video else None,
        height=video.height if video else None,
        bitrate=round(whole) if whole is not None else None,
        duration=round(probe.duration),
        framerate=round(video.frame_rate) if video else None,
        samplerate=audio.sample_rate if audio else None,
        video_codec=video.codec if video else None,
        audio_codec=audio.codec if audio else None,
        aspect_ratio=f"{video.width // divisor}/{video.height // divisor}" if video and divisor else None,
    )
