"""Segments: where a presentation is cut. Picture at key frames only, about every 4 s; sound at the same times."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from reelkit.media.mp4.samples import Int64s
from reelkit.media.mp4.timeline import Placed

__all__ = ["LONGEST", "TARGET", "audio_cuts", "key_frames", "longest_gop", "video_cuts"]

TARGET = Fraction(4)
LONGEST = Fraction(6)
"""Seconds. A picture with key frames further apart is not packaged."""


def key_frames(placed: Placed) -> tuple[Int64s, Int64s]:
    """Return the sync samples of a picture and when they are shown, in units; both ascending, shape (key frames,)."""
    samples = placed.samples
    sync = samples.sync_numbers().astype(np.int64)
    sync = sync[(sync >= placed.first) & (sync < placed.stop)]
    times = placed.shown(samples.composition_times_at(sync))
    # A key frame that is shown before an earlier one cannot begin a segment.
    later = np.append(True, times[1:] > np.maximum.accumulate(times)[:-1]) if len(times) else np.zeros(0, np.bool_)
    return sync[later], times[later]


def longest_gop(placed: Placed) -> Fraction:
    """Return the longest time from one key frame to the next or to the end, in seconds."""
    _, times = key_frames(placed)
    return Fraction(int(np.diff(times, append=placed.end).max(initial=0)), placed.timescale)


def video_cuts(placed: Placed) -> tuple[list[int], list[int]]:
    """Cut a picture: first samples of the segments, and when segments begin, in units, with the end as one more.

    Each segment ends at the key frame closest to 4 s after its beginning, but not beyond 6 s if an earlier one is there;
    the end of the picture counts as one. So a rendition that has no other key frames than these is cut at the same times.
    """
    numbers, times = (array.tolist() for array in key_frames(placed))
    target, longest = TARGET * placed.timescale, LONGEST * placed.timescale
    cuts, start = [0], 0
    while True:
        begin = times[start]
        later = bisect_left(times, begin + target, start + 1)
        earlier = later - 1
        if later >= len(times):
            over, under = placed.end - begin - target, begin + target - times[earlier]
            if earlier == start or (over <= under and placed.end - begin <= longest):
                break
            chosen = earlier
        elif earlier == start:
            chosen = later
        else:
            over, under = times[later] - begin - target, begin + target - times[earlier]
            chosen = later if over <= under and times[later] - begin <= longest else earlier
        cuts.append(chosen)
        start = chosen
    # The first segment begins at 0, even when frames are shown before its key frame.
    return [numbers[cut] for cut in cuts], [0, *(times[cut] for cut in cuts[1:]), max(placed.end, times[cuts[-1]])]


def audio_cuts(placed: Placed, times: Sequence[Fraction]) -> tuple[list[int], list[int]]:
    """Cut a sound: first samples of the segments, and when they begin, in units, with the end as one more.

    times: seconds at which the picture is cut, ascending; behind the last one, and without a picture, every 4 s.
    Times without sound between them make no segment. The first segment begins at 0, even when its sound does later.
    """
    shown = placed.shown(placed.samples.composition_times(placed.first, placed.stop))
    limit = Fraction(placed.end, placed.timescale)
    # A rest of less than a second joins the segment before it.
    wanted = [time for time in times if 0 < time <= limit - TARGET / 4]
    last = times[-1] if times else Fraction(0)
    while (last := last + TARGET) <= limit - TARGET / 4:
        wanted.append(last)
    units = np.array([-(-time.numerator * placed.timescale // time.denominator) for time in wanted], np.int64)
    found = np.searchsorted(shown, units)
    inner = sorted({int(place) for place in found if 0 < place < len(shown)})
    begins = [0, *(int(shown[place]) for place in inner), max(placed.end, 0)]
    return [placed.first, *(placed.first + place for place in inner)], begins
