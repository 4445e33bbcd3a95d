"""Boxes: walking those in a buffer and building new ones. ISO/IEC 14496-12:2022, 4.2."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from reelkit.media.mp4.errors import CorruptMp4

__all__ = ["Box", "box", "children", "find", "full_box", "name_of", "parse_header", "uint"]


class Box(NamedTuple):
    """One box of a buffer: header at start, contents at body <= i < stop."""

    kind: bytes
    start: int
    body: int
    stop: int


def name_of(kind: bytes) -> str:
    """Return a box type as people write it: `moov`, or hexadecimal when it is not printable ASCII."""
    text = kind.decode("ascii", "replace")
    return text if text.isascii() and text.isprintable() else kind.hex()


def parse_header(head: bytes | memoryview, start: int, end: int) -> Box:
    """Read the box header that head begins with; 16 bytes suffice. start: its place in a space of `end` bytes.

    stop may lie beyond end: the caller decides whether that is a cut file or a lie. Size 0 reaches to end.
    Raises CorruptMp4 when the size is smaller than the header.
    """
    size, kind = struct.unpack_from(">I4s", head)
    body = start + 8
    if size == 1:
        if len(head) < 16:
            raise CorruptMp4(f"The file ends inside the header of a box ({name_of(kind)}).")
        (size,) = struct.unpack_from(">Q", head, 8)
        body += 8
    elif size == 0:
        size = end - start
    if size < body - start:
        raise CorruptMp4(f"A box ({name_of(kind)}) claims a size of {size} bytes, less than its own header.")
    return Box(kind, start, body, start + size)


def children(data: memoryview, start: int = 0, stop: int | None = None) -> Iterator[Box]:
    """Yield the boxes of data[start:stop] in order. Fewer than 8 bytes at the end are padding (QuickTime writes 4 zeros).

    Raises CorruptMp4 when a box reaches out of its parent.
    """
    stop = len(data) if stop is None else stop
    while stop - start >= 8:
        found = parse_header(data[start : min(start + 16, stop)], start, stop)
        if found.stop > stop:
            raise CorruptMp4(f"A box ({name_of(found.kind)}) claims to be larger than the box it is in.")
        yield found
        start = found.stop


def find(data: memoryview, *path: bytes) -> memoryview | None:
    """Return the contents of the first box at a path below data, or None. Raises CorruptMp4."""
    for kind in path:
        for child in children(data):
            if child.kind == kind:
                data = data[child.body : child.stop]
                break
        else:
            return None
    return data


def uint(data: memoryview, offset: int, size: int) -> int:
    """Read a big-endian unsigned number. Raises CorruptMp4 when it lies outside of data."""
    if offset + size > len(data):
        raise CorruptMp4("A box ends before its last field.")
    return int.from_bytes(data[offset : offset + size], "big")


def box(kind: bytes, *parts: bytes) -> bytes:
    """Build a box; contents of 4 GiB and more get a 64-bit size."""
    body = b"".join(parts)
    if len(body) + 8 >= 1 << 32:
        return struct.pack(">I4sQ", 1, kind, len(body) + 16) + body
    return struct.pack(">I4s", len(body) + 8, kind) + body


def full_box(kind: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    """Build a box with version and flags."""
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)
