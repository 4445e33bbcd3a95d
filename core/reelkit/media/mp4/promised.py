"""Promised sounds: all of their segments are known, and played, before their bytes are encoded.

AAC has 1024 samples a frame, so how many frames a sound has, when each is heard and where segments are cut follow from
its length alone. Players get a playlist that never changes, whatever is made of it yet.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np

from reelkit.media.mp4.index import MediaIndex, build_index
from reelkit.media.mp4.layout import ReadAt
from reelkit.media.mp4.packager import Packager
from reelkit.media.mp4.samples import Samples

__all__ = ["FRAME", "GrowingSound", "MadeSegment", "promised"]

FRAME = 1024
"""Samples of a frame."""


class MadeSegment(msgspec.Struct, frozen=True):
    """A whole segment. number: from 0; duration: seconds."""

    number: int
    duration: float
    data: bytes


async def promised(init: bytes, duration: float) -> MediaIndex:
    """Return the index of a sound to come. init: its init segment; duration: seconds, rounded up to whole frames.

    Frames have no bytes yet; one more than the duration needs stands in front, for the priming that an edit list hides.
    Raises Mp4Error, ValueError when the init segment is not one of sound alone.
    """
    begun = await build_index(_reader(init), len(init))
    if [track.kind for track in begun.tracks] != ["audio"]:
        raise ValueError("The init segment of a sound has one track of sound.")
    track = begun.tracks[0]
    frames = math.ceil(duration * track.timescale / FRAME) + 1
    samples = Samples(
        sizes=np.zeros(frames, np.uint32),
        durations=np.array([FRAME], np.uint32),
        offsets=np.zeros(1, np.int32),
        sync=np.zeros(0, np.int32),
        all_sync=True,
        run_starts=np.zeros(1, np.int32),
        run_positions=np.zeros(1, np.int64),
    )
    whole = msgspec.structs.replace(track, samples=samples, duration=(frames - 1) * FRAME / track.timescale, size=0)
    return msgspec.structs.replace(begun, tracks=(whole,), duration=whole.duration)


class GrowingSound:
    """Cuts the segments of a promised sound out of the fragments that its encoder hands over.

    packager: of the promised index, on the clock of the picture. init: the encoder's init segment.
    """

    def __init__(self, packager: Packager, init: bytes) -> None:
        self._packager = packager
        self._track = packager.index.tracks[0]
        self._durations = packager.segments(self._track)
        samples = self._track.samples
        assert samples is not None
        self._sizes = np.zeros(len(samples), np.uint32)
        self._init = init
        self._known, self._kept, self._next = 0, 0, 0
        self._pending = bytearray()

    @property
    def complete(self) -> bool:
        """Every segment was made."""
        return self._next == len(self._durations)

    async def add(self, fragment: bytes) -> list[MadeSegment]:
        """Take the next fragment, `moof` and `mdat`, and return the segments that are whole now. Raises Mp4Error."""
        data = self._init + fragment
        index = await build_index(_reader(data), len(data))
        samples = index.tracks[0].samples if index.tracks else None
        if samples is None:
            return []
        for start, stop in samples.ranges(0, len(samples)):
            self._pending += data[start:stop]
        # A frame that was not promised is behind the end.
        count = min(len(samples), len(self._sizes) - self._known)
        self._sizes[self._known : self._known + count] = samples.sizes[:count]
        self._known += count
        made: list[MadeSegment] = []
        while not self.complete:
            first, stop = self._packager.samples(self._track, self._next)
            if stop > self._known:
                break
            begin = int(self._sizes[self._kept : first].sum(dtype=np.int64))
            end = begin + int(self._sizes[first:stop].sum(dtype=np.int64))
            head = self._packager.head(self._track, self._next, self._sizes)
            made.append(MadeSegment(self._next, self._durations[self._next], head + bytes(self._pending[begin:end])))
            del self._pending[:end]
            self._kept, self._next = stop, self._next + 1
        return made


def _reader(data: bytes) -> ReadAt:
    async def read_at(start: int, stop: int) -> bytes:
        return data[start:stop]

    return read_at
