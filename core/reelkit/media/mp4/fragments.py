"""Movie fragments: `moof` boxes to the same arrays that sample tables give. ISO/IEC 14496-12:2022, 8.8."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from reelkit.media.mp4.boxes import Box, children, find, uint
from reelkit.media.mp4.errors import CorruptMp4, OversizedMp4
from reelkit.media.mp4.sample_tables import compact
from reelkit.media.mp4.samples import MAX_SAMPLES, Samples, merge_runs

__all__ = ["Defaults", "Fragments", "read_defaults"]

_NOT_SYNC = 0x10000
_MAX_RUNS = 250_000
"""Of one file. 24 hours of picture and sound in fragments of 2 s have 86,400."""


class Defaults(msgspec.Struct, frozen=True):
    """`trex`: what samples have unless a fragment says otherwise."""

    description: int = 1
    duration: int = 0
    size: int = 0
    flags: int = 0


def read_defaults(moov: memoryview) -> dict[int, Defaults] | None:
    """Read `mvex` of the contents of `moov`, by track id; None when the file is not fragmented. Raises CorruptMp4."""
    mvex = find(moov, b"mvex")
    if mvex is None:
        return None
    found = {}
    for child in children(mvex):
        if child.kind == b"trex":
            fields = [uint(mvex, child.body + place, 4) for place in range(4, 24, 4)]
            found[fields[0]] = Defaults(*fields[1:])
    return found


class _Run(msgspec.Struct):
    """One `trun`, expanded where it varies. start: decode time, None: where the last run ended."""

    start: int | None
    position: int
    sizes: NDArray[Any]
    durations: NDArray[Any]
    offsets: NDArray[Any]
    sync: NDArray[np.bool_]
    description: int


class Fragments:
    """Collects the runs of each track while the fragments of a file are read in order."""

    def __init__(self, defaults: dict[int, Defaults], wanted: set[int]) -> None:
        """defaults: by track id. wanted: ids of the tracks to collect."""
        self._defaults = defaults
        self._runs: dict[int, list[_Run]] = {track: [] for track in wanted}
        self._count = 0
        self._run_count = 0

    def add(self, moof: memoryview, start: int, file_size: int) -> None:
        """Read the contents of one `moof` box that begins at byte `start`. Raises CorruptMp4, OversizedMp4."""
        after = start
        for child in children(moof):
            if child.kind == b"traf":
                after = self._track(moof, child, start, after, file_size)

    def _track(self, moof: memoryview, traf: Box, moof_start: int, after: int, file_size: int) -> int:
        """Read one `traf`; `after`: where the data of the one before ends. Returns where its own ends."""
        inner = moof[traf.body : traf.stop]
        tfhd = find(inner, b"tfhd")
        if tfhd is None:
            raise CorruptMp4("A track fragment has no header (tfhd).")
        flags, track = uint(tfhd, 1, 3), uint(tfhd, 4, 4)
        default = self._defaults.get(track, Defaults())
        place, base = 8, moof_start if flags & 0x20000 else after
        if flags & 1:
            base, place = uint(tfhd, place, 8), place + 8
        fields = []
        for bit, fallback in ((2, default.description), (8, default.duration), (0x10, default.size), (0x20, default.flags)):
            fields.append(uint(tfhd, place, 4) if flags & bit else fallback)
            place += 4 if flags & bit else 0
        own = Defaults(*fields)
        tfdt = find(inner, b"tfdt")
        start = None if tfdt is None else uint(tfdt, 4, 8 if uint(tfdt, 0, 1) == 1 else 4)
        if start is not None and start >= 1 << 62:
            # Negative decode times written as unsigned ones: players ignore them too.
            start = None
        position = base
        for child in children(inner):
            if child.kind != b"trun":
                continue
            run = _read_run(inner[child.body : child.stop], own, base, position, start, file_size)
            start = None
            position = run.position + int(run.sizes.sum(dtype=np.int64))
            # Those of tracks that nobody wants cost time, too, and 16 bytes claim millions of frames.
            self._count += len(run.sizes)
            self._run_count += 1
            if self._count > MAX_SAMPLES:
                raise OversizedMp4(f"The file claims more than {MAX_SAMPLES} frames.")
            if self._run_count > _MAX_RUNS:
                raise OversizedMp4(f"The file has more than {_MAX_RUNS} fragments.")
            if track in self._runs and len(run.sizes):
                self._runs[track].append(run)
        return position

    def descriptions(self, track: int) -> set[int]:
        """Return which sample descriptions (from 1) the fragments of a track use."""
        return {run.description for run in self._runs[track]}

    def samples(self, track: int, before: Samples | None) -> tuple[Samples, str | None]:
        """Join the fragments of a track behind the samples of its `moov`; with what is wrong with their times, or None."""
        runs = self._runs[track]
        if before is not None and not len(before):
            before = None
        if not runs:
            return before or _join([]), None
        clock = 0 if before is None else before.decode_time(len(before))
        first = clock if before is not None or runs[0].start is None else runs[0].start
        clock, refusal = first, None
        for number, run in enumerate(runs):
            start = clock if run.start is None else run.start
            if start != clock and (number or before is not None):
                # The last frame lasts until the next fragment begins, as players show it.
                previous = runs[number - 1].durations if number else None
                last = int(previous[-1]) if previous is not None else 0
                if previous is not None and 0 <= last + start - clock < 1 << 32:
                    runs[number - 1].durations = np.append(previous[:-1], last + start - clock)
                else:
                    refusal, start = "The fragments of the file overlap in time.", clock
            clock = start + int(run.durations.sum(dtype=np.int64))
        joined = _join(runs, first)
        return (joined if before is None else _concatenate(before, joined)), refusal


def _read_run(trun: memoryview, default: Defaults, base: int, position: int, start: int | None, file_size: int) -> _Run:
    flags, count = uint(trun, 1, 3), uint(trun, 4, 4)
    place, first_flags = 8, None
    if flags & 1:
        delta = uint(trun, place, 4)
        position, place = base + (delta - (1 << 32) if delta >> 31 else delta), place + 4
    if flags & 4:
        first_flags, place = uint(trun, place, 4), place + 4
    columns = [bit for bit in (0x100, 0x200, 0x400, 0x800) if flags & bit]
    room = (len(trun) - place) // (4 * len(columns)) if columns else count
    endless = not flags & 0x200 and default.size and count > file_size // default.size + 1
    if (not columns and count > MAX_SAMPLES) or endless:
        raise OversizedMp4(f"A fragment claims {count} frames of no known place.")
    if count > room:
        raise CorruptMp4(f"A fragment claims {count} frames and has room for {room}.")
    rows = np.frombuffer(trun, ">u4", count * len(columns), place).reshape(count, len(columns)) if columns else None

    def column(bit: int, fallback: int) -> NDArray[Any]:
        if rows is None or bit not in columns:
            return np.full(count, fallback, np.uint32)
        return rows[:, columns.index(bit)].astype(np.uint32)

    sample_flags = column(0x400, default.flags)
    if first_flags is not None and count:
        sample_flags[0] = first_flags
    # Version 0 offsets are unsigned in the standard and signed in practice.
    return _Run(
        start=start,
        position=position,
        sizes=column(0x200, default.size),
        durations=column(0x100, default.duration),
        offsets=column(0x800, 0).view(np.int32),
        sync=(sample_flags & _NOT_SYNC) == 0,
        description=default.description,
    )


def _join(runs: list[_Run], first_time: int = 0) -> Samples:
    if not runs:
        empty = np.zeros(0, np.int32)
        return Samples(
            np.zeros(0, np.uint32), np.zeros(1, np.uint32), np.zeros(1, np.int32), empty, True, empty, np.zeros(0, np.int64)
        )
    sizes = np.concatenate([run.sizes for run in runs])
    lengths = np.array([len(run.sizes) for run in runs], np.int64)
    positions = np.array([min(run.position, 1 << 62) for run in runs], np.int64)
    run_starts, run_positions = merge_runs(np.cumsum(lengths) - lengths, positions, sizes)
    sync = np.concatenate([run.sync for run in runs])
    return Samples(
        sizes=sizes,
        durations=compact(np.concatenate([run.durations for run in runs]), np.uint32),
        offsets=compact(np.concatenate([run.offsets for run in runs]), np.int32),
        sync=np.zeros(0, np.int32) if sync.all() else np.flatnonzero(sync).astype(np.int32),
        all_sync=bool(sync.all()),
        run_starts=run_starts,
        run_positions=run_positions,
        first_time=first_time,
    )


def _concatenate(first: Samples, second: Samples) -> Samples:
    """Put the samples of fragments behind those of the `moov`."""
    count = len(first)

    def wide(values: NDArray[Any], length: int) -> NDArray[Any]:
        return np.broadcast_to(values, (length,)) if len(values) == 1 else values

    sync = np.append(first.sync_numbers(), second.sync_numbers() + count).astype(np.int32)
    sizes = np.append(first.sizes, second.sizes)
    starts, positions = merge_runs(
        np.append(first.run_starts, second.run_starts + count).astype(np.int64),
        np.append(first.run_positions, second.run_positions),
        sizes,
    )
    every = len(sync) == len(sizes)
    return Samples(
        sizes=sizes,
        durations=compact(np.append(wide(first.durations, count), wide(second.durations, len(second))), np.uint32),
        offsets=compact(np.append(wide(first.offsets, count), wide(second.offsets, len(second))), np.int32),
        sync=np.zeros(0, np.int32) if every else sync,
        all_sync=every,
        run_starts=starts,
        run_positions=positions,
        first_time=first.first_time,
    )
