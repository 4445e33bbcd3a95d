"""Timeline: where the samples of each track stand in the presentation that players see.

A player sees tracks in segments of their own, so all of them must share one clock without looking at each other. It is
the clock of the source as ffmpeg reads it, moved so that the first frame of the picture is shown at 0: start delays and
frames before an edit become part of the decode times, because Chromium ignores empty edits and drops frames that would
be shown before 0, and with them all others up to the next key frame. One edit list entry with a media_time is kept for
what decode times cannot say: the reordering of frames (media_time of the picture) and the priming of sound codecs.
Negative composition offsets are lifted to 0 and more, and media_time with them; ffmpeg shifts such fragments otherwise.
"""

from __future__ import annotations

from fractions import Fraction

import msgspec
import numpy as np

from reelkit.media.mp4.samples import Int64s, Samples
from reelkit.media.mp4.tracks import Track

__all__ = ["Placed", "place_audio", "place_video"]

_LEAD, _PREROLL = Fraction(1, 5), Fraction(1, 10)


class Placed(msgspec.Struct, frozen=True, eq=False):
    """A track in the presentation. Samples first <= i < stop are played.

    shift: what is taken from decode times. lift: what is added to composition offsets. media_time: of the edit list.
    origin: seconds that were taken from the source's clock. end: presentation time when the last frame ends, in units.
    """

    samples: Samples
    timescale: int
    first: int
    stop: int
    shift: int
    lift: int
    media_time: int
    origin: Fraction
    end: int

    def decode_time(self, number: int) -> int:
        """Return `tfdt` of a segment that begins with a sample."""
        return self.samples.decode_time(number) - self.shift

    def shown(self, times: Int64s) -> Int64s:
        """Turn composition times of the samples into presentation times, in timescale units."""
        return times + (self.lift - self.shift - self.media_time)


def _placed(samples: Samples, track: Track, first: int, stop: int, offset: int, origin: Fraction) -> Placed:
    """Choose shift, lift and media_time such that each sample is shown at its composition time + offset."""
    lift = max(0, -int(samples.offsets[0] if len(samples.offsets) == 1 else samples.offsets[first:stop].min()))
    decoded = samples.decode_time(first) + offset
    start = max(0, decoded - lift)
    return Placed(
        samples=samples,
        timescale=track.timescale,
        first=first,
        stop=stop,
        shift=samples.decode_time(first) - start,
        lift=lift,
        media_time=lift + start - decoded,
        origin=origin,
        end=samples.composition_end(first, stop) + offset,
    )


def _shown_part(track: Track, samples: Samples) -> tuple[int, int, Int64s]:
    """Return media_time, how many samples there are before the end of the edit, and all composition times.

    An edit that points past the media is ignored: playing all of it beats playing nothing.
    """
    times = samples.composition_times(0, len(samples))
    media_time, media_end = track.edit.media_time, track.edit.media_end
    if media_time >= samples.composition_end():
        return 0, len(samples), times
    stop = len(samples)
    if media_end is not None and media_end > media_time:
        inside = np.flatnonzero(times < media_end)
        stop = int(inside[-1]) + 1 if len(inside) else stop
    return media_time, stop, times


def place_video(track: Track) -> Placed | None:
    """Place a picture: its first frame is shown at 0. None when no sample can be decoded first."""
    samples = track.samples
    if samples is None or not len(samples):
        return None
    media_time, stop, times = _shown_part(track, samples)
    sync = samples.sync_numbers()
    sync = sync[sync < stop]
    if not len(sync):
        return None
    # The last key frame at or before the edit: frames of its group before the edit must be decoded, so they are shown.
    before = np.flatnonzero(times[sync] <= media_time)
    first = int(sync[before[-1]]) if len(before) else int(sync[0])
    earliest = int(times[first:stop].min())
    delay = Fraction(track.edit.delay, track.movie_scale)
    origin = delay + Fraction(earliest - media_time, track.timescale)
    return _placed(samples, track, first, stop, -earliest, origin)


def place_audio(track: Track, origin: Fraction) -> Placed | None:
    """Place a sound on the clock of the picture. origin: seconds of the source's clock at which the picture begins.

    Sound before 0 is left out, but for what a decoder needs to start up; None when nothing is left.
    """
    samples = track.samples
    if samples is None or not len(samples):
        return None
    media_time, stop, times = _shown_part(track, samples)
    delay = Fraction(track.edit.delay, track.movie_scale) - origin
    offset = round(delay * track.timescale) - media_time
    shown = times[:stop] + offset
    first = 0
    if shown[0] < -_LEAD * track.timescale:
        first = int(np.searchsorted(shown, round(-_PREROLL * track.timescale)))
    # Muxers that write no edit lists stretch the priming frame instead; players would skip as much of what follows.
    durations = samples.durations_of(first, stop)
    if first + 1 < stop and shown[first] < 0 and len(durations) > 1 and durations[0] > durations[1]:
        first += 1
    if first >= stop:
        return None
    return _placed(samples, track, first, stop, offset, origin)
