"""Content-Range of uploads: `part n/N`, `bytes a-b/N`, the total `*` while unknown; and which part may join the others."""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from reelkit.api.parts_problems import (
    ContentRangeAlreadyInitiated,
    DifferentTotalBytes,
    DifferentTotalParts,
    FromByteTooHigh,
    PartTooHighAllowed,
    PartTooHighTotal,
    PartZero,
    RangeMismatch,
    RangeTooLarge,
    RangeTooSmall,
    StartedWithBytes,
    StartedWithPart,
    ToByteTooHighAllowed,
    ToByteTooHighTotal,
    TotalBytesTooHigh,
    TotalBytesTooLow,
    TotalBytesZero,
    TotalPartsTooHigh,
    TotalPartsTooLow,
    TotalPartsZero,
    UploadedPartTooSmall,
)
from reelkit.catalog.parts import Mode, PartialUpload, Standing
from reelkit.problems import ContentRangeMalformed, FileTooLarge

__all__ = ["LARGEST", "MOST_PARTS", "SMALLEST", "Piece", "check_piece", "check_size", "content_range"]

SMALLEST = 5 << 20
"""Bytes of every part but the last: what object stores insist on."""
LARGEST = 5 << 30
"""Bytes of one part: what object stores take at most. A whole file in one request may be larger."""
MOST_PARTS = 10_000

_DIGITS = r"(\d{1,18})"
_CONTENT_RANGE = re.compile(
    rf"\s*(?:part\s+{_DIGITS}/(?:{_DIGITS}|\*)|bytes\s+{_DIGITS}-{_DIGITS}/(?:{_DIGITS}|\*))\s*", re.IGNORECASE | re.ASCII
)


class Piece(msgspec.Struct, frozen=True):
    """What a Content-Range says. total: parts or bytes, None while unknown; start, size: bytes, of byte ranges only.

    number: the storage's; that of a byte range follows from where it begins, so that parts are in order however they come.
    """

    mode: Literal["part", "bytes"]
    number: int
    total: int | None
    start: int | None = None
    size: int | None = None

    @property
    def is_whole(self) -> bool:
        """Whether it is all of the file."""
        if self.mode == "part":
            return (self.number, self.total) == (1, 1)
        return self.start == 0 and self.size == self.total

    @property
    def stop(self) -> int:
        """The byte behind the last one of a byte range."""
        return (self.start or 0) + (self.size or 0)

    def is_last(self, total: int | None) -> bool:
        """Whether nothing comes behind it. total: known from other parts."""
        end = self.number if self.mode == "part" else self.stop
        return end == (total if self.total is None else self.total)


def content_range(header: str | None, limit: int) -> Piece | None:
    """Read a Content-Range; None when there is none. limit: bytes a file may have.

    Raises ContentRangeMalformed, and the Problems of a range that fits into no upload at all.
    """
    if not header or not header.strip():
        return None
    match = _CONTENT_RANGE.fullmatch(header)
    if match is None:
        raise ContentRangeMalformed(name="Content-Range", detail='Send "part N/TOTAL" or "bytes A-B/TOTAL".')
    part, parts, first, last, total = (None if group is None else int(group) for group in match.groups())
    if part is not None:
        return _numbered(part, parts)
    return _range(first or 0, last or 0, total, min(limit, MOST_PARTS * SMALLEST))


def _numbered(part: int, parts: int | None) -> Piece:
    if part == 0:
        raise PartZero("Parts are counted from 1.", (1, MOST_PARTS))
    if parts == 0:
        raise TotalPartsZero("A file has at least one part.", (1, MOST_PARTS))
    if part > MOST_PARTS:
        raise PartTooHighAllowed(f"A file has at most {MOST_PARTS} parts.", (1, MOST_PARTS))
    if parts is not None and parts > MOST_PARTS:
        raise TotalPartsTooHigh(f"A file has at most {MOST_PARTS} parts.", (1, MOST_PARTS))
    if parts is not None and part > parts:
        raise PartTooHighTotal(f"This is part {part} of {parts}.", (1, parts))
    return Piece("part", part, parts)


def _range(first: int, last: int, total: int | None, limit: int) -> Piece:
    if total == 0:
        raise TotalBytesZero("A file has at least one byte.", (1, limit))
    if first > last:
        raise FromByteTooHigh(f"The range begins at byte {first} and ends at byte {last}.", (0, last))
    if total is not None and last >= total:
        raise ToByteTooHighTotal(f"The last byte of {total} is byte {total - 1}.", (0, total - 1))
    size = last + 1 - first
    whole = first == 0 and size == total
    # A whole file is no part, and goes to storages that take larger ones.
    if total is not None and total > limit and not whole:
        raise TotalBytesTooHigh(f"A file in parts has at most {limit} bytes here.", (1, limit))
    if last >= limit and not whole:
        raise ToByteTooHighAllowed(f"A file in parts has at most {limit} bytes here.", (0, limit - 1))
    if size > LARGEST and not whole:
        raise RangeTooLarge(f"One range has at most {LARGEST} bytes.", (SMALLEST, LARGEST))
    return Piece("bytes", 1 + first // SMALLEST, total, first, size)


def check_piece(piece: Piece, stands: Standing) -> None:
    """Return when a part may join what is here of its upload. Raises the Problem that speaks against it."""
    upload = stands.upload
    _check_mode(piece.mode, upload)
    known = upload.total
    if piece.mode == "part":
        if piece.total is not None and known is not None and piece.total != known:
            raise DifferentTotalParts(f"The parts before were of {known}.", (known, known))
        if piece.total is not None and piece.total < stands.highest:
            raise TotalPartsTooLow(f"Part {stands.highest} is here already.", (stands.highest, MOST_PARTS))
        if known is not None and piece.number > known:
            raise PartTooHighTotal(f"The upload has {known} parts.", (1, known))
        return
    if piece.total is not None and known is not None and piece.total != known:
        raise DifferentTotalBytes(f"The ranges before were of {known} bytes.", (known, known))
    if piece.total is not None and piece.total < stands.highest:
        raise TotalBytesTooLow(f"Byte {stands.highest - 1} is here already.", (stands.highest, MOST_PARTS * SMALLEST))
    if known is not None and piece.stop > known:
        raise ToByteTooHighTotal(f"The last byte of {known} is byte {known - 1}.", (0, known - 1))
    if (piece.size or 0) < SMALLEST and not piece.is_last(known):
        raise RangeTooSmall(f"Every range but the last has at least {SMALLEST} bytes.", (SMALLEST, LARGEST))


def check_size(piece: Piece, size: int, stands: Standing, limit: int) -> None:
    """Return when as many bytes came as should. size: bytes. Raises the Problem that speaks against it."""
    if piece.size is not None and size != piece.size:
        raise RangeMismatch(f"The header tells {piece.size} bytes, the file has {size}.", (piece.size, piece.size))
    if piece.mode == "part" and size < SMALLEST and not piece.is_last(stands.upload.total):
        raise UploadedPartTooSmall(f"Every part but the last has at least {SMALLEST} bytes.", (SMALLEST, LARGEST))
    if stands.size + size > limit:
        raise FileTooLarge(name="file", detail=f"This site takes files of at most {limit} bytes.")


def _check_mode(mode: Mode, upload: PartialUpload) -> None:
    if upload.mode == mode:
        return
    if upload.mode == "bytes":
        raise StartedWithBytes("Go on with `Content-Range: bytes A-B/TOTAL`.")
    if upload.mode == "part":
        raise StartedWithPart("Go on with `Content-Range: part N/TOTAL`.")
    raise ContentRangeAlreadyInitiated("A tus upload into this video is under way.")
