"""What kind of picture some bytes are, and how large it would unfold, from their head alone: nothing is decoded."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["BadPicture", "NoPicture", "Picture", "PictureKind", "read_picture"]

PictureKind = Literal["jpg", "png", "webp"]

MOST_PIXELS = 64 * 1024 * 1024
"""A picture of more is there to fill somebody's memory."""
MOST_MARKERS = 4096
"""Of a JPEG before its size, of up to 64 KiB each: millions of empty ones would hold up everybody."""

# Frame headers, ISO/IEC 10918-1 table B.1: C4, C8 and CC are no frames.
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers without a length."""


class BadPicture(ValueError):
    """The bytes are no picture that can be used; the text says why, for people."""


class NoPicture(BadPicture):
    """The bytes are of another kind of file."""


class Picture(msgspec.Struct, frozen=True):
    """width, height: pixels, as stored."""

    kind: PictureKind
    width: int
    height: int

    @property
    def type(self) -> str:
        """The content type."""
        return "image/jpeg" if self.kind == "jpg" else f"image/{self.kind}"


def read_picture(data: bytes) -> Picture:
    """Look at a JPEG, PNG or WebP file. Raises NoPicture, BadPicture."""
    try:
        if data.startswith(b"\xff\xd8\xff"):
            picture = Picture("jpg", *_jpeg_size(data))
        elif data.startswith(b"\x89PNG\r\n\x1a\n") and data[12:16] == b"IHDR":
            picture = Picture("png", _big(data, 16, 4), _big(data, 20, 4))
        elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            picture = Picture("webp", *_webp_size(data))
        else:
            raise NoPicture("The file is neither a JPEG nor a PNG nor a WebP picture.")
    except IndexError:
        raise BadPicture("The picture ends before it says how large it is.") from None
    if not picture.width or not picture.height:
        raise BadPicture("The picture has no size.")
    if picture.width * picture.height > MOST_PIXELS:
        raise BadPicture(f"The picture has {picture.width} x {picture.height} pixels; that is too many.")
    return picture


def _jpeg_size(data: bytes) -> tuple[int, int]:
    at = 2
    for _ in range(MOST_MARKERS):
        if data[at] != 0xFF:
            break
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        if marker in _JPEG_FRAMES:
            return _big(data, at + 7, 2), _big(data, at + 5, 2)
        if marker in (0xD9, 0xDA):
            break
        at += 2 if marker in _JPEG_ALONE else 2 + max(2, _big(data, at + 2, 2))
    raise BadPicture("The JPEG picture is damaged.")


def _webp_size(data: bytes) -> tuple[int, int]:
    """RFC 9649, 2.5 to 2.7: sizes of the extended format and of lossless pictures are stored less one."""
    match data[12:16]:
        case b"VP8X":
            return _little(data, 24, 3) + 1, _little(data, 27, 3) + 1
        case b"VP8L":
            bits = _little(data, 21, 4)
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8 ":
            return _little(data, 26, 2) & 0x3FFF, _little(data, 28, 2) & 0x3FFF
    raise BadPicture("The WebP picture is damaged.")


def _big(data: bytes, at: int, size: int) -> int:
    if at + size > len(data):
        raise IndexError
    return int.from_bytes(data[at : at + size], "big")


def _little(data: bytes, at: int, size: int) -> int:
    if at + size > len(data):
        raise IndexError
    return int.from_bytes(data[at : at + size], "little")
