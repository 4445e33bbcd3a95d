"""Writing: init segments and the heads of media segments. ISO/IEC 14496-12:2022, 8.8; CMAF is ISO/IEC 23000-19."""

from __future__ import annotations

import struct
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from reelkit.media.mp4.boxes import box, full_box
from reelkit.media.mp4.timeline import Placed
from reelkit.media.mp4.tracks import IDENTITY, Track

__all__ = ["init_segment", "segment_head", "segment_size"]

_SYNC, _NOT_SYNC = 0x02000000, 0x01010000
_LANGUAGE_UNKNOWN = "und"
_STYP = box(b"styp", b"msdh\0\0\0\0", b"msdhmsixcmfciso6")


def init_segment(track: Track, placed: Placed, matrix: bytes = IDENTITY) -> bytes:
    """Write `ftyp` and `moov` of one track with id 1; the sample entry is the source's. matrix: of the movie header."""
    picture = track.kind == "video"
    language = track.language if len(track.language) == 3 else _LANGUAGE_UNKNOWN
    packed = sum((ord(letter) - 0x60 & 31) << shift for letter, shift in zip(language, (10, 5, 0), strict=True))
    coded = (track.width, track.height) if track.rotation % 180 == 0 else (track.height, track.width)
    mvhd = full_box(
        b"mvhd", 0, 0, struct.pack(">4I", 0, 0, 1000, 0), struct.pack(">IH10x", 0x10000, 0x100), matrix or IDENTITY,
        bytes(24), struct.pack(">I", 2),
    )  # fmt: skip
    tkhd = full_box(
        b"tkhd", 0, 3, struct.pack(">5I8x", 0, 0, 1, 0, 0), struct.pack(">4H", 0, 0, 0 if picture else 0x100, 0),
        track.matrix,
        struct.pack(">II", *(min(side, 0xFFFF) << 16 for side in coded)),
    )  # fmt: skip
    edits = b""
    if placed.media_time:
        wide = placed.media_time >= 1 << 31
        edits = box(
            b"edts",
            full_box(b"elst", int(wide), 0, struct.pack(">IQqI" if wide else ">IIiI", 1, 0, placed.media_time, 0x10000)),
        )
    header = full_box(b"vmhd", 0, 1, bytes(8)) if picture else full_box(b"smhd", 0, 0, bytes(4))
    stbl = box(
        b"stbl",
        full_box(b"stsd", 0, 0, struct.pack(">I", 1), track.entry),
        *(full_box(kind, 0, 0, bytes(4)) for kind in (b"stts", b"stsc")),
        full_box(b"stsz", 0, 0, bytes(8)),
        full_box(b"stco", 0, 0, bytes(4)),
    )
    data = box(b"dinf", full_box(b"dref", 0, 0, struct.pack(">I", 1), full_box(b"url ", 0, 1)))
    handler = (b"vide", b"VideoHandler\0") if picture else (b"soun", b"SoundHandler\0")
    mdia = box(
        b"mdia",
        full_box(b"mdhd", 0, 0, struct.pack(">4IHH", 0, 0, track.timescale, 0, packed, 0)),
        full_box(b"hdlr", 0, 0, bytes(4), handler[0], bytes(12), handler[1]),
        box(b"minf", header, data, stbl),
    )
    trex = full_box(b"trex", 0, 0, struct.pack(">5I", 1, 1, 0, 0, _NOT_SYNC if picture else _SYNC))
    moov = box(b"moov", mvhd, box(b"trak", tkhd, edits, mdia), box(b"mvex", trex))
    return box(b"ftyp", b"iso6\0\0\0\0", b"iso6cmfcmp41") + moov


class _Run(msgspec.Struct, frozen=True):
    """What the boxes of one segment say. columns: flag and values of each field of `trun`, in order."""

    columns: list[tuple[int, NDArray[Any]]]
    duration: int | None
    flags: int
    first_flags: int | None
    size: int

    @property
    def wide(self) -> bool:
        return self.size + 8 >= 1 << 32


def _run(placed: Placed, start: int, stop: int, picture: bool) -> _Run:
    samples = placed.samples
    columns: list[tuple[int, NDArray[Any]]] = []
    durations = samples.durations_of(start, stop)
    steady = len(durations) == 1 or bool((durations == durations[0]).all())
    if not steady:
        columns.append((0x100, durations))
    columns.append((0x200, samples.sizes[start:stop]))
    default, first_flags = _SYNC, None
    if picture and not samples.all_sync:
        default = _NOT_SYNC
        inner = samples.sync[slice(*np.searchsorted(samples.sync, (start, stop)))]
        if len(inner) == 1 and inner[0] == start:
            first_flags = _SYNC
        else:
            flags = np.full(stop - start, _NOT_SYNC, np.uint32)
            flags[inner - start] = _SYNC
            columns.append((0x400, flags))
    offsets = samples.offsets if len(samples.offsets) == 1 else samples.offsets[start:stop]
    if placed.lift or offsets.any():
        columns.append((0x800, np.broadcast_to(offsets.astype(np.int64) + placed.lift, stop - start)))
    size = int(samples.ends[stop] - samples.ends[start])
    return _Run(columns, int(durations[0]) if steady else None, default, first_flags, size)


def segment_head(placed: Placed, number: int, start: int, stop: int, *, picture: bool) -> bytes:
    """Write all of a media segment that comes before its samples start <= i < stop: `styp`, `moof`, the header of `mdat`.

    number: of the segment, from 0.
    """
    run = _run(placed, start, stop, picture)
    rows = np.empty((stop - start, len(run.columns)), ">u4")
    for column, (_, values) in enumerate(run.columns):
        rows[:, column] = values
    bits = 1 | (0 if run.first_flags is None else 4) | sum(bit for bit, _ in run.columns)
    tfhd = full_box(
        b"tfhd", 0, 0x20000 | 0x20 | (0 if run.duration is None else 8), struct.pack(">I", 1),
        b"" if run.duration is None else struct.pack(">I", run.duration), struct.pack(">I", run.flags),
    )  # fmt: skip
    tfdt = full_box(b"tfdt", 1, 0, struct.pack(">Q", placed.decode_time(start)))
    mfhd = full_box(b"mfhd", 0, 0, struct.pack(">I", number + 1))
    first_flags = b"" if run.first_flags is None else struct.pack(">I", run.first_flags)
    # Counted from the beginning of `moof` to behind the header of `mdat`.
    data_offset = 8 + len(mfhd) + 8 + len(tfhd) + len(tfdt) + 20 + len(first_flags) + rows.nbytes + (16 if run.wide else 8)
    trun = full_box(b"trun", 0, bits, struct.pack(">II", stop - start, data_offset), first_flags, rows.tobytes())
    moof = box(b"moof", mfhd, box(b"traf", tfhd, tfdt, trun))
    mdat = struct.pack(">I4sQ", 1, b"mdat", run.size + 16) if run.wide else struct.pack(">I4s", run.size + 8, b"mdat")
    return _STYP + moof + mdat


def segment_size(placed: Placed, start: int, stop: int, *, picture: bool) -> int:
    """Return how many bytes a media segment has, head and samples."""
    run = _run(placed, start, stop, picture)
    fixed = len(_STYP) + 8 + 16 + 8 + 20 + 20 + 20 + (16 if run.wide else 8)
    optional = (0 if run.duration is None else 4) + (0 if run.first_flags is None else 4)
    return fixed + optional + (stop - start) * 4 * len(run.columns) + run.size
