"""Saved indexes: a small header, then the arrays as they lie in memory, so that loading is no parsing.

Layout: magic and version (8 bytes), CRC-32 of all that follows the first 16 bytes, length of the header, the header in
MessagePack, then the arrays, little-endian, each at a multiple of 8.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any, TypeVar

import msgspec
import numpy as np

from reelkit.media.mp4.errors import BadIndex
from reelkit.media.mp4.samples import Samples
from reelkit.media.mp4.tracks import Track

__all__ = ["load", "save"]

_MAGIC = b"reelidx\x01"
_PREFIX = struct.Struct("<8sII")

_ARRAYS = {
    "sizes": "<u4",
    "durations": "<u4",
    "offsets": "<i4",
    "sync": "<i4",
    "run_starts": "<i4",
    "run_positions": "<i8",
}

T = TypeVar("T")


class _SavedSamples(msgspec.Struct, frozen=True):
    """lengths: items of each array, in the order of _ARRAYS."""

    lengths: tuple[int, ...]
    all_sync: bool
    first_time: int


class _Saved(msgspec.Struct, frozen=True):
    header: msgspec.Raw
    tracks: list[msgspec.Raw]
    samples: list[_SavedSamples | None]


def save(header: Any, tracks: tuple[Track, ...]) -> bytes:
    """Write a header Struct and tracks with their samples."""
    described: list[_SavedSamples | None] = []
    arrays: list[bytes] = []
    for track in tracks:
        if track.samples is None:
            described.append(None)
            continue
        values = [getattr(track.samples, name) for name in _ARRAYS]
        described.append(
            _SavedSamples(tuple(len(value) for value in values), track.samples.all_sync, track.samples.first_time)
        )
        for value, dtype in zip(values, _ARRAYS.values(), strict=True):
            data = np.ascontiguousarray(value, dtype).tobytes()
            arrays += [data, bytes(-len(data) % 8)]
    facts = [msgspec.Raw(msgspec.msgpack.encode(msgspec.structs.replace(track, samples=None))) for track in tracks]
    encoded = msgspec.msgpack.encode(_Saved(msgspec.Raw(msgspec.msgpack.encode(header)), facts, described))
    body = b"".join([encoded, bytes(-len(encoded) % 8), *arrays])
    return _PREFIX.pack(_MAGIC, zlib.crc32(body), len(encoded)) + body


def load(data: bytes | memoryview, header: type[T]) -> tuple[T, tuple[Track, ...]]:
    """Read what save wrote; the arrays are views of data. Raises BadIndex."""
    view = memoryview(data)
    if len(view) < _PREFIX.size:
        raise BadIndex("Too short to be a saved index.")
    magic, check, length = _PREFIX.unpack_from(view)
    if magic != _MAGIC:
        raise BadIndex("Not a saved index, or one of another version.")
    body = view[_PREFIX.size :]
    if zlib.crc32(body) != check or length > len(body):
        raise BadIndex("A saved index is damaged.")
    try:
        saved = msgspec.msgpack.decode(body[:length], type=_Saved)
        facts = [msgspec.msgpack.decode(track, type=Track) for track in saved.tracks]
        found = msgspec.msgpack.decode(saved.header, type=header)
        tracks, place = [], length + -length % 8
        for track, described in zip(facts, saved.samples, strict=True):
            samples = None
            if described is not None:
                samples, place = _samples(body, place, described)
            tracks.append(msgspec.structs.replace(track, samples=samples))
    except (msgspec.MsgspecError, ValueError) as error:
        raise BadIndex(f"A saved index cannot be read: {error}") from None
    return found, tuple(tracks)


def _samples(body: memoryview, place: int, described: _SavedSamples) -> tuple[Samples, int]:
    arrays: dict[str, Any] = {}
    for (name, dtype), count in zip(_ARRAYS.items(), described.lengths, strict=True):
        arrays[name] = np.frombuffer(body, dtype, count, place) if count else np.zeros(0, dtype)
        size = arrays[name].nbytes
        place += size + -size % 8
    return Samples(**arrays, all_sync=described.all_sync, first_time=described.first_time), place
