"""Sample tables: a `stbl` box to arrays. ISO/IEC 14496-12:2022, 8.5 to 8.7.

Counts in a file are claims: every table is held against the bytes it has, and runs are clipped before they are
expanded, so memory follows the size of the file and never a number written in it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reelkit.media.mp4.boxes import children, uint
from reelkit.media.mp4.errors import CorruptMp4, OversizedMp4
from reelkit.media.mp4.samples import MAX_SAMPLES, Samples, merge_runs

__all__ = ["compact", "count_samples", "expand_runs", "read_sample_tables", "used_descriptions"]

_TABLES = (b"stts", b"ctts", b"stss", b"stsc", b"stsz", b"stz2", b"stco", b"co64")
_FAR = np.uint64(1 << 62)


def _tables(stbl: memoryview) -> dict[bytes, memoryview]:
    found: dict[bytes, memoryview] = {}
    for child in children(stbl):
        if child.kind in _TABLES:
            found.setdefault(child.kind, stbl[child.body : child.stop])
    return found


def _rows(table: memoryview, width: int, dtype: str = ">u4") -> NDArray[Any]:
    """Read a counted table of rows of `width` fields, shape (rows, width). Raises CorruptMp4 when its bytes are missing."""
    count = uint(table, 4, 4)
    size = np.dtype(dtype).itemsize
    if count * width * size > len(table) - 8:
        raise CorruptMp4(f"A sample table claims {count} entries and has room for {(len(table) - 8) // (width * size)}.")
    return np.frombuffer(table, dtype, count * width, 8).reshape(count, width)


def expand_runs(counts: NDArray[Any], values: NDArray[Any], total: int, rest: int) -> NDArray[np.int64]:
    """Repeat each value count times, cut or filled up with `rest` to exactly `total` values, shape (total,)."""
    ends = np.minimum(np.cumsum(np.minimum(counts.astype(np.int64), total)), total)
    expanded = np.repeat(values.astype(np.int64), np.diff(ends, prepend=0))
    if len(expanded) < total:
        expanded = np.append(expanded, np.full(total - len(expanded), rest, np.int64))
    return expanded


def compact(values: NDArray[Any], dtype: type[Any]) -> NDArray[Any]:
    """Keep one value when all are equal, shape (1,), else all of them."""
    if len(values) and (values[0] == values[-1]) and bool((values == values[0]).all()):
        values = values[:1]
    return np.ascontiguousarray(values, dtype) if len(values) else np.zeros(1, dtype)


def count_samples(stbl: memoryview) -> int:
    """Return how many samples the size table claims; may be a lie. Raises CorruptMp4."""
    tables = _tables(stbl)
    table = tables.get(b"stsz") or tables.get(b"stz2")
    return uint(table, 8, 4) if table is not None else 0


def _sizes(tables: dict[bytes, memoryview], file_size: int) -> NDArray[np.uint32]:
    if b"stsz" in tables:
        table = tables[b"stsz"]
        constant, count, width = uint(table, 4, 4), uint(table, 8, 4), 32
    elif b"stz2" in tables:
        table = tables[b"stz2"]
        constant, count, width = 0, uint(table, 8, 4), uint(table, 7, 1)
    else:
        return np.zeros(0, np.uint32)
    if constant:
        # Only as many samples as the file can hold are worth an array.
        count = min(count, file_size // constant)
    if count > MAX_SAMPLES:
        raise OversizedMp4(f"A track claims {count} frames; at most {MAX_SAMPLES} are read.")
    if constant:
        return np.full(count, constant, np.uint32)
    if count * width > (len(table) - 12) * 8:
        raise CorruptMp4(f"A size table claims {count} samples and has room for {(len(table) - 12) * 8 // width}.")
    if width == 4:
        packed = np.frombuffer(table, np.uint8, (count + 1) // 2, 12)
        return np.stack([packed >> 4, packed & 15], 1).reshape(-1)[:count].astype(np.uint32)
    if width not in (8, 16, 32):
        raise CorruptMp4(f"A compact size table has fields of {width} bits.")
    return np.frombuffer(table, f">u{width // 8}", count, 12).astype(np.uint32)


def _chunk_positions(tables: dict[bytes, memoryview]) -> NDArray[np.int64]:
    if b"co64" in tables:
        positions: NDArray[np.int64] = np.minimum(_rows(tables[b"co64"], 1, ">u8")[:, 0], _FAR).astype(np.int64)
        return positions
    if b"stco" in tables:
        return _rows(tables[b"stco"], 1)[:, 0].astype(np.int64)
    return np.zeros(0, np.int64)


def _chunk_runs(tables: dict[bytes, memoryview], chunks: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Read `stsc`: samples in each chunk and its sample description (from 1), both of shape (chunks,)."""
    if b"stsc" not in tables or not chunks:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    rows = _rows(tables[b"stsc"], 3).astype(np.int64)
    first = rows[:, 0] - 1
    if not len(rows) or first[0] < 0 or (np.diff(first) <= 0).any():
        raise CorruptMp4("The table of chunks (stsc) is out of order.")
    lengths = np.diff(np.minimum(np.append(first, chunks), chunks))
    lead = np.zeros(min(int(first[0]), chunks), np.int64)
    per_chunk = np.append(lead, np.repeat(rows[:, 1], lengths))
    described = np.append(lead + rows[0, 2], np.repeat(rows[:, 2], lengths))
    return np.minimum(per_chunk, MAX_SAMPLES), described


def used_descriptions(stbl: memoryview) -> list[int]:
    """Return which sample descriptions (from 1) have samples, ascending. Raises CorruptMp4."""
    tables = _tables(stbl)
    per_chunk, described = _chunk_runs(tables, len(_chunk_positions(tables)))
    return [int(number) for number in np.unique(described[per_chunk > 0])]


def read_sample_tables(stbl: memoryview, file_size: int) -> Samples:
    """Read the sample tables of one track. file_size bounds what constant-size tables can claim.

    Times that are missing repeat the last, as ffmpeg does; samples without a place in the file are left out.
    Raises CorruptMp4, OversizedMp4.
    """
    tables = _tables(stbl)
    sizes = _sizes(tables, file_size)
    positions = _chunk_positions(tables)
    per_chunk, _ = _chunk_runs(tables, len(positions))
    ends = np.minimum(np.cumsum(per_chunk), len(sizes))
    count = int(ends[-1]) if len(ends) else 0
    sizes = sizes[:count]
    starts, places = merge_runs(ends - np.diff(ends, prepend=0), positions[: len(ends)], sizes)

    durations = np.zeros(1, np.uint32)
    if b"stts" in tables and count:
        rows = _rows(tables[b"stts"], 2)
        # Deltas over 31 bits are negative ones written by broken muxers; ffmpeg takes 1 for them too.
        deltas = np.where(rows[:, 1] > 0x7FFFFFFF, 1, rows[:, 1])
        durations = compact(expand_runs(rows[:, 0], deltas, count, int(deltas[-1]) if len(deltas) else 0), np.uint32)
    offsets = np.zeros(1, np.int32)
    if b"ctts" in tables and count:
        # Version 0 offsets are unsigned in the standard and signed in practice.
        rows = _rows(tables[b"ctts"], 2)
        signed = np.ascontiguousarray(rows[:, 1]).astype(np.uint32).view(np.int32)
        offsets = compact(expand_runs(rows[:, 0], signed, count, 0), np.int32)
    sync, all_sync = np.zeros(0, np.int32), b"stss" not in tables
    if not all_sync:
        numbers = _rows(tables[b"stss"], 1)[:, 0].astype(np.int64) - 1
        numbers = np.unique(numbers[(numbers >= 0) & (numbers < count)])
        sync = numbers.astype(np.int32)
    return Samples(
        sizes=sizes,
        durations=durations,
        offsets=offsets,
        sync=sync,
        all_sync=all_sync,
        run_starts=starts,
        run_positions=places,
    )
