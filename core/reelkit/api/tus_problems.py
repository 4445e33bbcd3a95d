"""What tus answers when it cannot go on; clients go by the status, people by the sentence. tus 1.0.0."""

from __future__ import annotations

from reelkit.problems import Problem

__all__ = [
    "ChecksumMismatch",
    "FinalUpload",
    "NotConcatenable",
    "OffsetMismatch",
    "TusInvalid",
    "TusTooLarge",
    "UnknownVersion",
    "UploadGone",
    "UploadTaken",
    "WrongContentType",
]


class TusProblem(Problem):
    """Any of them."""

    headers = {"tus-version": "1.0.0", "cache-control": "no-store"}


class UnknownVersion(TusProblem):
    """The client does not speak tus 1.0.0, or does not say so."""

    slug, status, title = "tus-version", 412, "Only version 1.0.0 of tus is spoken here."


class TusInvalid(TusProblem):
    """A header that is missing, or says nothing that could be done."""

    slug, status, title = "tus-invalid-header", 400, "A header of the upload is invalid."


class WrongContentType(TusProblem):
    """The bytes of an upload come as application/offset+octet-stream."""

    slug, status, title = "tus-content-type", 415, "The content type must be application/offset+octet-stream."


class TusTooLarge(TusProblem):
    """More than Tus-Max-Size."""

    slug, status, title = "uploaded-file-too-large", 413, "The uploaded file is too large."


class OffsetMismatch(TusProblem):
    """The bytes do not begin where those that are here end: ask with HEAD, then go on."""

    slug, status, title = "tus-offset-mismatch", 409, "The offset is not where the upload stands."


class UploadTaken(TusProblem):
    """Another request goes on with this upload."""

    slug, status, title = "tus-locked", 423, "Another request goes on with this upload."


class ChecksumMismatch(TusProblem):
    """The bytes are not those that the client meant; none of them was kept."""

    slug, status, title = "tus-checksum-mismatch", 460, "The checksum does not match."


class UploadGone(TusProblem):
    """No such upload of the caller's: never begun, terminated or expired."""

    slug, status, title = "resource-not-found", 404, "The requested resource was not found."


class NotConcatenable(TusProblem):
    """Only partial uploads that are complete can be concatenated."""

    slug, status, title = "tus-concatenation", 400, "These uploads cannot be concatenated."


class FinalUpload(TusProblem):
    """A final upload is made of others; tus has 403 for it."""

    slug, status, title = "tus-final-upload", 403, "A final upload takes no bytes of its own."
