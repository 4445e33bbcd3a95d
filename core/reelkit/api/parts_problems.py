"""What can be wrong with one part of an upload: the contract's `video-content-range-*` errors, all of status 400."""

from __future__ import annotations

from typing import ClassVar

from reelkit.problems import NotReady, Problem

__all__ = [
    "ContentRangeAlreadyInitiated",
    "DifferentTotalBytes",
    "DifferentTotalParts",
    "FromByteTooHigh",
    "PartAlreadySent",
    "PartBusy",
    "PartTooHighAllowed",
    "PartTooHighTotal",
    "PartZero",
    "RangeMismatch",
    "RangeOverlap",
    "RangeTooLarge",
    "RangeTooSmall",
    "StartedWithBytes",
    "StartedWithPart",
    "ToByteTooHighAllowed",
    "ToByteTooHighTotal",
    "TotalBytesTooHigh",
    "TotalBytesTooLow",
    "TotalBytesZero",
    "TotalPartsTooHigh",
    "TotalPartsTooLow",
    "TotalPartsZero",
    "UploadedPartTooSmall",
]


class PartRefused(Problem):
    """A part that cannot join the others. slug: completed with `video-content-range-`."""

    status: ClassVar[int] = 400

    def __init__(self, detail: str, range: tuple[int, int] | None = None) -> None:
        super().__init__(name="Content-Range", detail=detail, range=range)


class PartBusy(NotReady):
    """The same part is being received from another request; it may turn out complete, or break off."""

    title = "This part is being received from another request."


class ContentRangeAlreadyInitiated(PartRefused):
    """The upload goes on in another way already."""

    slug, title = "video-content-range-already-initiated", "An upload in parts is already initiated for this video."


class StartedWithBytes(PartRefused):
    """`part n/N` into an upload of byte ranges."""

    slug, title = "video-content-range-started-with-bytes", "The upload was started with byte ranges."


class StartedWithPart(PartRefused):
    """`bytes A-B/N` into an upload of numbered parts."""

    slug, title = "video-content-range-started-with-part", "The upload was started with part numbers."


class PartZero(PartRefused):
    """Parts are counted from 1."""

    slug, title = "video-content-range-by-part-part-zero", "The part number cannot be zero."


class TotalPartsZero(PartRefused):
    """There is at least one part."""

    slug, title = "video-content-range-by-part-total-parts-zero", "The total number of parts cannot be zero."


class PartAlreadySent(PartRefused):
    """Other bytes came as this part before."""

    slug, title = "video-content-range-by-part-part-already-sent", "This part was already sent."


class PartTooHighTotal(PartRefused):
    """Part 5 of 4."""

    slug = "video-content-range-by-part-part-too-high-total"
    title = "The part number is higher than the total number of parts."


class PartTooHighAllowed(PartRefused):
    """Part 10001."""

    slug, title = "video-content-range-by-part-part-too-high-allowed", "The part number is higher than allowed."


class TotalPartsTooHigh(PartRefused):
    """More than 10000 parts."""

    slug, title = "video-content-range-by-part-total-parts-too-high", "The total number of parts is higher than allowed."


class TotalPartsTooLow(PartRefused):
    """A later part than the last one is here already."""

    slug = "video-content-range-by-part-total-parts-too-low"
    title = "The total number of parts is lower than the number of a part that was already sent."


class DifferentTotalParts(PartRefused):
    """The parts do not agree how many they are."""

    slug = "video-content-range-by-part-different-total-parts"
    title = "The total number of parts differs from that of the parts before."


class UploadedPartTooSmall(PartRefused):
    """Only the last part may be shorter than 5 MiB."""

    slug, title = "video-content-range-by-part-uploaded-file-too-small", "The part is too small."


class FromByteTooHigh(PartRefused):
    """The range ends before it begins."""

    slug, title = "video-content-range-by-bytes-from-byte-too-high", "The first byte is higher than the last byte."


class RangeMismatch(PartRefused):
    """The file in the request is not as long as the range."""

    slug, title = "video-content-range-by-bytes-range-mismatch", "The uploaded bytes do not match the range."


class RangeOverlap(PartRefused):
    """Some of these bytes are here, or on their way, as part of another range."""

    slug, title = "video-content-range-by-bytes-range-overlap", "The range overlaps one that was already sent."


class RangeTooSmall(PartRefused):
    """Only the last range may be shorter than 5 MiB."""

    slug, title = "video-content-range-by-bytes-range-too-small", "The range is too small."


class RangeTooLarge(PartRefused):
    """No storage takes such a part."""

    slug, title = "video-content-range-by-bytes-range-too-large", "The range is too large."


class ToByteTooHighTotal(PartRefused):
    """The range goes beyond the end of the file."""

    slug = "video-content-range-by-bytes-to-byte-too-high-total"
    title = "The last byte is higher than the total number of bytes."


class ToByteTooHighAllowed(PartRefused):
    """The range goes beyond what a file may have."""

    slug, title = "video-content-range-by-bytes-to-byte-too-high-allowed", "The last byte is higher than allowed."


class TotalBytesZero(PartRefused):
    """A file has at least one byte."""

    slug, title = "video-content-range-by-bytes-total-bytes-zero", "The total number of bytes cannot be zero."


class TotalBytesTooHigh(PartRefused):
    """More bytes than this site takes."""

    slug, title = "video-content-range-by-bytes-total-bytes-too-high", "The total number of bytes is higher than allowed."


class TotalBytesTooLow(PartRefused):
    """A byte behind the end is here already."""

    slug = "video-content-range-by-bytes-total-bytes-too-low"
    title = "The total number of bytes is lower than a byte that was already sent."


class DifferentTotalBytes(PartRefused):
    """The ranges do not agree how long the file is."""

    slug = "video-content-range-by-bytes-different-total-bytes"
    title = "The total number of bytes differs from that of the ranges before."
