"""Packager: an index to CMAF segments, made of byte ranges of the source. One track a segment, nothing is encoded."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cached_property

import msgspec

from reelkit.media.mp4.index import MediaIndex
from reelkit.media.mp4.samples import UInt32s
from reelkit.media.mp4.segments import LONGEST, audio_cuts, key_frames, longest_gop, video_cuts
from reelkit.media.mp4.timeline import Placed, place_audio, place_video
from reelkit.media.mp4.tracks import Track
from reelkit.media.mp4.writing import init_segment, segment_head, segment_size

__all__ = ["Packager", "SegmentPlan"]

_TOLERANCE = Fraction(1, 20)
_LATEST = Fraction(1)
"""hls.js takes a first segment of sound that begins later for one of another clock, and stops at a gap before it."""
_PLAYED_EVERYWHERE = ("mp4a.40.2", "mp4a.40.5", "mp4a.40.29", "mp4a.67", "opus", "flac")
"""What Chromium and Firefox take in MP4 segments: neither has AC-3, and Chromium no MP3 there."""


class SegmentPlan(msgspec.Struct, frozen=True):
    """A media segment: the bytes of head, then the byte ranges of the source (start, stop), in order. size: of all."""

    head: bytes
    ranges: list[tuple[int, int]]
    size: int


class _Cut(msgspec.Struct, frozen=True, eq=False):
    """A track cut up. firsts: first sample of each segment; begins: when, in units, with the end as one more."""

    placed: Placed
    firsts: list[int]
    begins: list[int]

    @property
    def durations(self) -> list[float]:
        scale = self.placed.timescale
        return [(stop - start) / scale for start, stop in zip(self.begins, self.begins[1:], strict=False)]


class Packager:
    """Cuts segments out of one indexed file.

    index: of the file. origin: for a file with sound only that belongs to the picture of another file: that packager's
    origin, so that both keep one clock. cuts: that packager's cut_times.
    """

    def __init__(self, index: MediaIndex, *, origin: Fraction | None = None, cuts: Sequence[float] | None = None) -> None:
        self.index = index
        self._cuts = [Fraction(time).limit_denominator(1_000_000) for time in cuts or ()]
        self._tracks: dict[str, _Cut | str] = {}
        videos = [track for track in index.tracks if track.kind == "video"]
        self.video_track: Track | None = min(videos, key=lambda track: (not track.enabled, track.number), default=None)
        self._origin = origin if origin is not None else Fraction(0)
        if self.video_track is not None:
            cut = self._video(self.video_track)
            self._tracks[self.video_track.name] = cut
            if isinstance(cut, _Cut):
                self._origin = cut.placed.origin
                self._cuts = [Fraction(begin, cut.placed.timescale) for begin in cut.begins]
            elif (placed := place_video(self.video_track)) is not None:
                self._origin = placed.origin

    @property
    def origin(self) -> Fraction:
        """Seconds of the source's clock at which the presentation begins: when the first frame is shown."""
        return self._origin

    @property
    def cut_times(self) -> list[float]:
        """When the segments of the picture begin, and the end, in seconds; empty without a picture that can be packaged."""
        return [float(time) for time in self._cuts]

    @cached_property
    def audio_tracks(self) -> tuple[Track, ...]:
        """The sound tracks to offer, those that players should choose first in front.

        Those that every browser plays; when there are none, all that can be packaged. hls.js drops a variant when one
        of its sounds has a codec that the browser does not know.
        """
        found = [track for track in self.index.tracks if track.kind == "audio" and self.refusal(track) is None]
        played = [track for track in found if track.codecs in _PLAYED_EVERYWHERE]
        return tuple(sorted(played or found, key=lambda track: not track.enabled))

    @property
    def heard(self) -> tuple[Track, ...]:
        """The sound tracks that every browser plays as they are, those that players should choose first in front."""
        return tuple(track for track in self.audio_tracks if track.codecs in _PLAYED_EVERYWHERE)

    @cached_property
    def can_package(self) -> str | None:
        """Why the file cannot be played from copied bytes, as a sentence for people; None when it can.

        The picture must do, and one of the sound tracks if there are any, in a codec that browsers play.
        """
        if self.video_track is not None and (reason := self.refusal(self.video_track)) is not None:
            return reason
        sounds = [track for track in self.index.tracks if track.kind == "audio"]
        if sounds and not self.audio_tracks:
            return self.refusal(sounds[0])
        if sounds and not self.heard:
            return f"Not every browser plays the sound ({self.audio_tracks[0].codec})."
        return None if self.index.tracks else "The file has neither picture nor sound."

    def refusal(self, track: Track) -> str | None:
        """Why this track cannot be packaged, as a sentence for people; None when it can."""
        cut = self._cut(track)
        return cut if isinstance(cut, str) else None

    @cached_property
    def longest_gop(self) -> float:
        """The longest time between key frames, in seconds; 0 without a picture of a known codec."""
        if self.video_track is None or (placed := place_video(self.video_track)) is None:
            return 0.0
        return float(longest_gop(placed))

    @cached_property
    def independent(self) -> bool:
        """Tell whether each segment of the picture can be decoded alone: no frame is shown before its key frame.

        Not so for open GOPs of HEVC. Raises ValueError when the picture cannot be packaged.
        """
        if self.video_track is None:
            return True
        cut = self._package(self.video_track)
        samples, placed = cut.placed.samples, cut.placed
        numbers, times = key_frames(placed)
        wanted = dict(zip(numbers.tolist(), times.tolist(), strict=True))
        stops = [*cut.firsts[1:], placed.stop]
        return all(
            int(placed.shown(samples.composition_times(first, stop)).min()) >= wanted[first]
            for first, stop in zip(cut.firsts, stops, strict=True)
        )

    def segments(self, track: Track) -> list[float]:
        """Return how long each segment lasts, in seconds. Raises ValueError when the track cannot be packaged."""
        return self._package(track).durations

    def init_segment(self, track: Track) -> bytes:
        """Return the init segment of a track. Raises ValueError when it cannot be packaged."""
        return init_segment(track, self._package(track).placed, self.index.matrix)

    def segment(self, track: Track, number: int) -> SegmentPlan:
        """Plan one segment, from 0. Raises ValueError when the track cannot be packaged, IndexError beyond the last."""
        cut = self._package(track)
        start, stop = self.samples(track, number)
        head = segment_head(cut.placed, number, start, stop, picture=track.kind == "video")
        samples = cut.placed.samples
        return SegmentPlan(head, samples.ranges(start, stop), len(head) + int(samples.ends[stop] - samples.ends[start]))

    def samples(self, track: Track, number: int) -> tuple[int, int]:
        """Return which samples of a track a segment holds: first <= i < stop. Raises as `segment` does."""
        cut = self._package(track)
        if not 0 <= number < len(cut.firsts):
            raise IndexError(f"{track.name} has {len(cut.firsts)} segments, not a segment {number}.")
        return cut.firsts[number], cut.firsts[number + 1] if number + 1 < len(cut.firsts) else cut.placed.stop

    def head(self, track: Track, number: int, sizes: UInt32s) -> bytes:
        """Write what comes before the samples of a segment of sound whose index was made before its samples were.

        sizes: bytes of every sample of the track; those of the segment are known by now. Raises as `segment` does.
        """
        start, stop = self.samples(track, number)
        placed = self._package(track).placed
        known = msgspec.structs.replace(placed.samples, sizes=sizes)
        return segment_head(msgspec.structs.replace(placed, samples=known), number, start, stop, picture=False)

    def bandwidth(self, track: Track) -> tuple[int, int]:
        """Return the peak and the average bit rate of the segments of a track, in bits per second (RFC 8216, 4.1).

        The peak is that of any run of segments of 0.5 to 1.5 target durations.
        """
        cut = self._package(track)
        picture = track.kind == "video"
        stops = [*cut.firsts[1:], cut.placed.stop]
        sizes = [
            8 * segment_size(cut.placed, start, stop, picture=picture) for start, stop in zip(cut.firsts, stops, strict=True)
        ]
        durations = cut.durations
        total = sum(durations)
        if not total:
            return 0, 0
        target = max(durations)
        peak = max(_rates(sizes, durations, target), default=sum(sizes) / total)
        average = sum(sizes) / total
        return round(max(peak, average)), round(average)

    def _package(self, track: Track) -> _Cut:
        cut = self._cut(track)
        if isinstance(cut, str):
            raise ValueError(cut)
        return cut

    def _cut(self, track: Track) -> _Cut | str:
        if track.name not in self._tracks:
            self._tracks[track.name] = self._video(track) if track.kind == "video" else self._audio(track)
        return self._tracks[track.name]

    def _video(self, track: Track) -> _Cut | str:
        if track.refusal is not None:
            return track.refusal
        placed = place_video(track)
        if placed is None:
            return "The picture has no key frame." if track.samples else "The picture is empty."
        if placed.end <= 0:
            return "All frames of the picture have the same time."
        longest = longest_gop(placed)
        if longest > LONGEST + _TOLERANCE:
            return (
                f"The key frames of the picture are up to {float(longest):.1f} s apart; at most {LONGEST} s can be packaged."
            )
        return _Cut(placed, *video_cuts(placed))

    def _audio(self, track: Track) -> _Cut | str:
        if track.refusal is not None:
            return track.refusal
        placed = place_audio(track, self._origin)
        if placed is None or placed.end <= 0:
            return "The sound is empty."
        begin = placed.shown(placed.samples.composition_times(placed.first, placed.first + 1))
        late = Fraction(int(begin[0]), placed.timescale)
        if late >= _LATEST:
            return f"The sound begins {float(late):.1f} s after the picture."
        return _Cut(placed, *audio_cuts(placed, self._cuts))


def _rates(sizes: list[int], durations: list[float], target: float) -> list[float]:
    """Return the bit rates of all shortest runs of segments that last at least half a target duration."""
    rates = []
    bits, lasting, start = 0, 0.0, 0
    for size, duration in zip(sizes, durations, strict=True):
        bits, lasting = bits + size, lasting + duration
        while start < len(sizes) and lasting - durations[start] >= target / 2:
            bits, lasting, start = bits - sizes[start], lasting - durations[start], start + 1
        if target / 2 <= lasting <= target * 1.5:
            rates.append(bits / lasting)
    return rates
