"""What makes renditions and images of a source: the interface every transcoder plugin implements."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Protocol, runtime_checkable

import msgspec

from reelkit.interfaces.media import AudioStream, Ladder, Probe, Rung

__all__ = [
    "CutTask",
    "Cuts",
    "DraftSegment",
    "DraftTask",
    "MuxTask",
    "Muxes",
    "Output",
    "Outputs",
    "SoundTask",
    "Sounds",
    "TranscodeFailed",
    "TranscodeTask",
    "Transcoder",
]


class TranscodeFailed(Exception):
    """The source cannot be encoded; the text is for people and says why."""


class TranscodeTask(msgspec.Struct, frozen=True):
    """One ladder run. source: a local file of hostile bytes; folder: empty, the only place outputs may go."""

    source: Path
    probe: Probe
    ladder: Ladder
    folder: Path
    poster: bool = True
    storyboard: bool = True


class Output(msgspec.Struct, frozen=True):
    """One finished file. kind video: a fragmented MP4 of one video track, a key frame at each fragment; rung: its rung."""

    path: Path
    rung: Rung | None = None


class Outputs(msgspec.Struct, frozen=True):
    """What a ladder run made. storyboard: JPEG sheets and, last, their WebVTT."""

    renditions: tuple[Output, ...] = ()
    sounds: tuple[Path, ...] = ()
    """Fragmented MP4s of one AAC stereo track, in the order of the ladder's sounds."""
    poster: Path | None = None
    storyboard: tuple[Path, ...] = ()


class DraftTask(msgspec.Struct, frozen=True):
    """A quick low rendition of a source that cannot be packaged, to be played while it grows."""

    source: Path
    probe: Probe
    rung: Rung
    folder: Path


class DraftSegment(msgspec.Struct, frozen=True):
    """One finished piece of a draft, in order. number 0: the init segment; else from 1. duration: seconds."""

    number: int
    path: Path
    duration: float


@runtime_checkable
class Transcoder(Protocol):
    """Makes renditions. Cancelling the calling task ends every process it started."""

    def can(self, probe: Probe) -> bool:
        """Tell whether this transcoder takes such a source."""
        ...

    async def run(self, task: TranscodeTask, progress: Callable[[float], None]) -> Outputs:
        """Encode a whole ladder; calls progress with 0..1. Raises TranscodeFailed."""
        ...

    def draft(self, task: DraftTask, progress: Callable[[float], None]) -> AsyncIterator[DraftSegment]:
        """Yield the init segment, then muxed video and audio CMAF segments as they are finished. Raises TranscodeFailed."""
        ...


class SoundTask(msgspec.Struct, frozen=True):
    """One sound of a source as AAC stereo, to be played while it is made.

    It begins at second 0 of the source's own clock, whatever the file begins with, and lasts `duration`, with silence
    where the source has none.
    """

    source: Path
    probe: Probe
    stream: AudioStream
    duration: float
    folder: Path


@runtime_checkable
class Sounds(Protocol):
    """Optional: makes the sound of a source whose picture can be copied, so that it plays while its sound is made."""

    def sound(self, task: SoundTask, progress: Callable[[float], None]) -> AsyncIterator[DraftSegment]:
        """Yield the init segment, then fragments of a few seconds, of frames that have 1024 samples each.

        After one frame of priming, which an edit list hides, they are as many as cover the duration: players are told
        of all segments when the first is there. Raises TranscodeFailed.
        """
        ...


class CutTask(msgspec.Struct, frozen=True):
    """The part of a source that is wanted. start, stop: seconds; stop None: its end; folder: the only place to write to."""

    source: Path
    probe: Probe
    start: float
    stop: float | None
    folder: Path


class MuxTask(msgspec.Struct, frozen=True):
    """Renditions as they were made by `run`, each a fragmented MP4: a picture, if there is one, and its sounds.

    duration: seconds; folder: the only place to write to.
    """

    tracks: tuple[Path, ...]
    duration: float
    folder: Path


@runtime_checkable
class Muxes(Protocol):
    """Optional: puts renditions into one MP4 file, a picture and its sounds, for people to download."""

    async def mux(self, task: MuxTask, progress: Callable[[float], None]) -> Path:
        """Write the file without encoding anything; it can be played while it is loaded. Raises TranscodeFailed."""
        ...


@runtime_checkable
class Cuts(Protocol):
    """Optional: makes a part of a source a file of its own, for clips and for the limit of sandboxes."""

    async def cut(self, task: CutTask, progress: Callable[[float], None]) -> Path:
        """Write the part as a file that a source could be; progress: 0..1. Raises TranscodeFailed.

        It starts at the exact frame and ends at most a few frames late.
        """
        ...
