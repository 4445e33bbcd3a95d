"""Bodies that describe a video, and what their fields may be."""

from __future__ import annotations

import re
from typing import Any, Literal

import msgspec

from reelkit.catalog.packing import fold
from reelkit.catalog.videos import Clip, Metadata, VideoWatermark
from reelkit.media.timecodes import timecode_seconds
from reelkit.problems import AttributeRequired, InvalidAttribute, Problem, every

__all__ = [
    "LANGUAGES",
    "TITLE_LENGTH",
    "Language",
    "NewVideoPayload",
    "SummaryAttribute",
    "VideoUpdatePayload",
    "check_creation",
    "check_update",
    "too_long",
]

Unset = msgspec.UnsetType
Language = Literal[
    "ar", "ca", "cs", "da", "de", "el", "en", "es", "fa", "fi", "fr", "he", "hi", "hr", "hu", "it", "ja", "ko", "ml", "nl",
    "nn", "no", "pl", "pt", "ru", "sk", "sl", "te", "tr", "uk", "ur", "vi", "zh",
]  # fmt: skip
LANGUAGES = Language.__args__  # type: ignore[attr-defined]  # Literal has them
SummaryAttribute = Literal["abstract", "takeaways"]

TITLE_LENGTH = 500
DESCRIPTION_LENGTH = 50_000
TAGS = 500
TAG_LENGTH = 255
METADATA = 1000
KEY_LENGTH = 255
VALUE_LENGTH = 5000
"""Characters and numbers that a video may have; generous for people, small enough for the database's indexes."""
SORTED_BYTES = 2000
"""What a title may take in an index, folded: some letters unfold to many. PostgreSQL's rows of an index end at 2,704."""
SOURCE_LENGTH = 4000

_OFFSET = re.compile(r"\d{1,5}(\.\d{1,4})?(px|%)", re.ASCII)
_SIZE = re.compile(r"\d{1,5}(\.\d{1,4})?(px|%)|initial", re.ASCII)
_OPACITY = re.compile(r"(100|\d{1,2})(\.\d{1,4})?%", re.ASCII)


class NewVideoPayload(msgspec.Struct, frozen=True, rename="camel"):
    """The contract's `video-creation-payload`. source: a URL, or the id of another video."""

    title: str
    description: str = ""
    source: str | None = None
    public: bool = True
    panoramic: bool = False
    mp4_support: bool = True
    player_id: str | None = None
    tags: tuple[str, ...] = ()
    metadata: tuple[Metadata, ...] = ()
    clip: Clip | None = None
    watermark: VideoWatermark | None = None
    language: Language | None = None
    transcript: bool = False
    transcript_summary: bool = False
    transcript_summary_attributes: tuple[SummaryAttribute, ...] = ()


class VideoUpdatePayload(msgspec.Struct, frozen=True, rename="camel"):
    """The contract's `video-update-payload`, a JSON merge patch: what is absent stays, arrays are replaced whole."""

    title: str | Unset = msgspec.UNSET
    description: str | Unset = msgspec.UNSET
    public: bool | Unset = msgspec.UNSET
    panoramic: bool | Unset = msgspec.UNSET
    mp4_support: bool | Unset = msgspec.UNSET
    player_id: str | Unset | None = msgspec.UNSET
    tags: tuple[str, ...] | Unset = msgspec.UNSET
    metadata: tuple[Metadata, ...] | Unset = msgspec.UNSET
    language: Language | Unset | None = msgspec.UNSET
    transcript: bool | Unset = msgspec.UNSET
    transcript_summary: bool | Unset = msgspec.UNSET
    transcript_summary_attributes: tuple[SummaryAttribute, ...] | Unset = msgspec.UNSET


FOR_GOOD = ("videoId", "source", "clip", "watermark")
"""What a video is created with and keeps."""


def check_creation(given: NewVideoPayload) -> None:
    """Raise one Problem that tells of every field that is empty, too long or makes no sense."""
    faults = [*_texts(given.title, given.description, given.tags, given.metadata)]
    if given.source is not None and len(given.source) > SOURCE_LENGTH:
        faults.append(_long("source", SOURCE_LENGTH, "characters"))
    if given.clip is not None:
        faults += _clip(given.clip)
    if given.watermark is not None:
        faults += _watermark(given.watermark)
    if faults:
        raise every(faults)


def check_update(given: VideoUpdatePayload, body: dict[str, Any]) -> None:
    """Raise one Problem that tells of every field that is empty, too long or cannot be changed. body: as it was sent."""
    faults: list[Problem] = [
        InvalidAttribute(name=name, detail="This is set when a video is created and cannot be changed.")
        for name in FOR_GOOD
        if name in body
    ]
    title = "unchanged" if given.title is msgspec.UNSET else given.title
    faults += _texts(title, given.description or "", given.tags or (), given.metadata or ())
    if faults:
        raise every(faults)


def _texts(title: str, description: str, tags: tuple[str, ...], metadata: tuple[Metadata, ...]) -> list[Problem]:
    faults: list[Problem] = []
    if not title.strip():
        faults.append(AttributeRequired(name="title"))
    elif (fault := too_long("title", title, TITLE_LENGTH)) is not None:
        faults.append(fault)
    if len(description) > DESCRIPTION_LENGTH:
        faults.append(_long("description", DESCRIPTION_LENGTH, "characters"))
    if len(tags) > TAGS:
        faults.append(_long("tags", TAGS, "tags"))
    if len(metadata) > METADATA:
        faults.append(_long("metadata", METADATA, "pairs"))
    # Of each list the first fault: ten thousand are no more use than one.
    for number, tag in enumerate(tags):
        if (fault := too_long(f"tags[{number}]", tag, TAG_LENGTH)) is not None:
            faults.append(fault)
            break
    for number, pair in enumerate(metadata):
        if len(pair.key) > KEY_LENGTH:
            faults.append(_long(f"metadata[{number}][key]", KEY_LENGTH, "characters"))
            break
        if len(pair.value) > VALUE_LENGTH:
            faults.append(_long(f"metadata[{number}][value]", VALUE_LENGTH, "characters"))
            break
    return faults


def too_long(name: str, text: str, limit: int) -> Problem | None:
    """Return the Problem of a text that has too many characters, or takes too much of an index that lists are sorted by."""
    if len(text) > limit or len(fold(text).encode(errors="replace")) > SORTED_BYTES:
        return _long(name, limit, "characters")
    return None


def _long(name: str, limit: int, what: str) -> Problem:
    return InvalidAttribute(name=name, detail=f"This may have at most {limit} {what}.", range=(0, limit))


def _clip(clip: Clip) -> list[Problem]:
    detail = "Write HH:MM:SS, HH:MM:SS.mmm, HH:MM:SS:frame or a whole number of seconds."
    faults: list[Problem] = [
        InvalidAttribute(name=f"clip[{name}]", detail=detail)
        for name, timecode in (("startTimecode", clip.start_timecode), ("endTimecode", clip.end_timecode))
        if timecode is not None and timecode_seconds(timecode) is None
    ]
    if faults or clip.end_timecode is None:
        return faults
    # How long a frame lasts is not known yet.
    spans = [
        (timecode_seconds(clip.end_timecode, rate) or 0.0) - (timecode_seconds(clip.start_timecode or "0", rate) or 0.0)
        for rate in (1.0, 100.0)
    ]
    if max(spans) <= 0:
        return [InvalidAttribute(name="clip[endTimecode]", detail="The clip must end after it starts.")]
    return []


def _watermark(mark: VideoWatermark) -> list[Problem]:
    faults: list[Problem] = []
    if not mark.id:
        faults.append(AttributeRequired(name="watermark[id]"))
    patterns = {
        "top": _OFFSET, "bottom": _OFFSET, "left": _OFFSET, "right": _OFFSET,
        "width": _SIZE, "height": _SIZE, "opacity": _OPACITY,
    }  # fmt: skip
    for name, pattern in patterns.items():
        value = getattr(mark, name)
        if value is not None and not pattern.fullmatch(value):
            detail = "Write a percentage." if name == "opacity" else 'Write pixels or a percentage: "10px", "5%".'
            faults.append(InvalidAttribute(name=f"watermark[{name}]", detail=detail))
    for one, other in (("top", "bottom"), ("left", "right")):
        if getattr(mark, one) is not None and getattr(mark, other) is not None:
            faults.append(InvalidAttribute(name=f"watermark[{other}]", detail=f"Give either {one} or {other}."))
    return faults
