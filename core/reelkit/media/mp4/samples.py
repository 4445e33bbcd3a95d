"""Samples: where the frames of one track lie in the file, and when they are decoded and shown."""

from __future__ import annotations

from functools import cached_property

import msgspec
import numpy as np
from numpy.typing import NDArray

__all__ = ["MAX_SAMPLES", "Samples", "UInt32s", "merge_runs"]

MAX_SAMPLES = 12_000_000
"""Of one file. 24 hours at 60 frames a second with one sound track have 9 million."""

_REORDERED = 1000
"""No codec shows a frame later than this many others."""

UInt32s = NDArray[np.uint32]
Int32s = NDArray[np.int32]
Int64s = NDArray[np.int64]


class Samples(msgspec.Struct, frozen=True, eq=False, dict=True):
    """The samples of one track in decode order, as arrays. Times are in the track's timescale units.

    sizes: bytes, shape (samples,). durations: shape (samples,), or (1,) when all are equal.
    offsets: composition time minus decode time, shape (samples,), or (1,) when all are equal.
    sync: numbers of the samples that decoding can start with, ascending; ignored when all_sync.
    run_starts, run_positions: shape (runs,); from sample run_starts[r] to the next run's, the samples lie one
    after the other in the file from byte run_positions[r].
    first_time: decode time of the first sample.
    """

    sizes: UInt32s
    durations: UInt32s
    offsets: Int32s
    sync: Int32s
    all_sync: bool
    run_starts: Int32s
    run_positions: Int64s
    first_time: int = 0

    def __len__(self) -> int:
        return len(self.sizes)

    @cached_property
    def ends(self) -> Int64s:
        """Total bytes up to each sample, shape (samples + 1,)."""
        return _running_total(self.sizes)

    @cached_property
    def _times(self) -> Int64s:
        return self.first_time + _running_total(self.durations)

    def decode_time(self, number: int) -> int:
        """Return when one sample is decoded; the number of samples gives the end of the last."""
        if len(self.durations) == 1:
            return self.first_time + number * int(self.durations[0])
        return int(self._times[number])

    def decode_times(self, start: int, stop: int) -> Int64s:
        """Return when samples are decoded, shape (stop - start,)."""
        if len(self.durations) == 1:
            return self.first_time + np.arange(start, stop, dtype=np.int64) * np.int64(self.durations[0])
        return self._times[start:stop]

    def composition_times(self, start: int, stop: int) -> Int64s:
        """Return when samples are shown, before edits, shape (stop - start,)."""
        return self.decode_times(start, stop) + (self.offsets if len(self.offsets) == 1 else self.offsets[start:stop])

    def composition_times_at(self, numbers: NDArray[np.integer]) -> Int64s:
        """Return when the samples of these numbers are shown, before edits, shape of numbers."""
        wide = numbers.astype(np.int64)
        steady = len(self.durations) == 1
        times = self.first_time + wide * np.int64(self.durations[0]) if steady else self._times[wide]
        return times + (self.offsets if len(self.offsets) == 1 else self.offsets[wide])

    def composition_end(self, start: int = 0, stop: int | None = None) -> int:
        """Return when the last of samples start <= i < stop that is shown stops being shown, before edits."""
        stop = len(self) if stop is None else stop
        tail = max(start, stop - _REORDERED)
        ends = self.composition_times(tail, stop) + self.durations_of(tail, stop)
        return int(ends.max()) if stop > start else self.first_time

    def durations_of(self, start: int, stop: int) -> UInt32s:
        """Return how long samples last, shape (stop - start,), or (1,) when all are equal."""
        return self.durations if len(self.durations) == 1 else self.durations[start:stop]

    def sync_numbers(self) -> Int32s:
        """Return the numbers of all samples that decoding can start with, ascending."""
        return np.arange(len(self), dtype=np.int32) if self.all_sync else self.sync

    def ranges(self, start: int, stop: int) -> list[tuple[int, int]]:
        """Return the byte ranges of the file that hold samples start <= i < stop, in order, neighbours joined."""
        if stop <= start:
            return []
        first = int(np.searchsorted(self.run_starts, start, "right")) - 1
        last = int(np.searchsorted(self.run_starts, stop, "left"))
        starts = np.maximum(self.run_starts[first:last], start)
        stops = np.minimum(np.append(self.run_starts[first + 1 : last], stop), stop)
        begin = self.run_positions[first:last] + self.ends[starts] - self.ends[self.run_starts[first:last]]
        end = begin + self.ends[stops] - self.ends[starts]
        return [(a, b) for a, b in zip(begin.tolist(), end.tolist(), strict=True) if b > a]

    def within(self, size: int) -> Samples:
        """Return the samples before the first one that is not wholly inside a file of `size` bytes."""
        bounds = np.append(self.run_starts, len(self))
        stops = self.run_positions + self.ends[bounds[1:]] - self.ends[bounds[:-1]]
        outside = np.flatnonzero((stops > size) | (self.run_positions < 0))
        if not len(outside):
            return self
        run = int(outside[0])
        start, stop = int(bounds[run]), int(bounds[run + 1])
        room = size - int(self.run_positions[run])
        fit = 0
        if self.run_positions[run] >= 0 and room > 0:
            fit = int(np.searchsorted(self.ends[start : stop + 1] - self.ends[start], room, "right")) - 1
        return self.first(start + fit)

    def first(self, count: int) -> Samples:
        """Return the first `count` samples."""
        runs = int(np.searchsorted(self.run_starts, count, "left"))
        return Samples(
            sizes=self.sizes[:count],
            durations=self.durations if len(self.durations) == 1 else self.durations[:count],
            offsets=self.offsets if len(self.offsets) == 1 else self.offsets[:count],
            sync=self.sync[: np.searchsorted(self.sync, count)],
            all_sync=self.all_sync,
            run_starts=self.run_starts[:runs],
            run_positions=self.run_positions[:runs],
            first_time=self.first_time,
        )


def merge_runs(starts: Int64s, positions: Int64s, sizes: UInt32s) -> tuple[Int32s, Int64s]:
    """Join runs that lie next to each other in the file; empty runs vanish. starts, positions: shape (runs,)."""
    full = np.append(starts[1:] > starts[:-1], starts[-1] < len(sizes)) if len(starts) else np.zeros(0, np.bool_)
    starts, positions = starts[full], positions[full]
    if not len(starts):
        return np.zeros(0, np.int32), np.zeros(0, np.int64)
    # np.add.reduceat sums the sizes between starts without an array of running totals.
    length = np.add.reduceat(sizes, starts, dtype=np.int64)
    fresh = np.append(True, positions[1:] != positions[:-1] + length[:-1])
    return starts[fresh].astype(np.int32), positions[fresh]


def _running_total(values: UInt32s) -> Int64s:
    total = np.zeros(len(values) + 1, np.int64)
    np.cumsum(values, dtype=np.int64, out=total[1:])
    return total
