"""The headers of tus 1.0.0, read and written. https://tus.io/protocols/resumable-upload"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlsplit

from reelkit.api.tus_problems import TusInvalid, TusTooLarge, UnknownVersion, WrongContentType

__all__ = [
    "ALGORITHMS",
    "BYTES",
    "CAPABILITIES",
    "VERSION",
    "announced_checksum",
    "check_version",
    "http_date",
    "ids_of",
    "metadata_of",
    "number",
    "takes_bytes",
]

VERSION = {"Tus-Resumable": "1.0.0"}
BYTES = "application/offset+octet-stream"
ALGORITHMS: dict[str, Callable[[], Any]] = {
    "sha1": lambda: hashlib.sha1(usedforsecurity=False),
    "sha256": hashlib.sha256,
    "md5": lambda: hashlib.md5(usedforsecurity=False),
}
CAPABILITIES = VERSION | {
    "Tus-Version": "1.0.0",
    "Tus-Extension": "creation,creation-with-upload,checksum,expiration,termination,concatenation",
    "Tus-Checksum-Algorithm": ",".join(ALGORITHMS),
}
METADATA = 8 << 10
"""Characters of Upload-Metadata."""


def check_version(headers: Mapping[str, str]) -> None:
    """Return when the client speaks our version. Raises UnknownVersion."""
    if headers.get("tus-resumable") != "1.0.0":
        raise UnknownVersion(name="Tus-Resumable", detail="Send `Tus-Resumable: 1.0.0`.")


def number(headers: Mapping[str, str], name: str, most: int | None = None) -> int:
    """Return a count of bytes that a header must have. most: bytes of a file. Raises TusInvalid, TusTooLarge."""
    given = headers.get(name, "")
    if not (given.isascii() and given.isdigit() and len(given) <= 18):
        raise TusInvalid(name=name, detail="This header must be a whole number." if given else "This header is required.")
    if most is not None and int(given) > most:
        raise TusTooLarge(name=name, detail=f"This site takes files of at most {most} bytes.", range=(0, most))
    return int(given)


def takes_bytes(headers: Mapping[str, str]) -> None:
    """Return when the body is of an upload. Raises WrongContentType."""
    if headers.get("content-type", "").partition(";")[0].strip().lower() != BYTES:
        raise WrongContentType(name="Content-Type")


def metadata_of(header: str) -> dict[str, str]:
    """Read Upload-Metadata: pairs of a key and, after a blank, a value in Base64. Raises TusInvalid."""
    found: dict[str, str] = {}
    if len(header) > METADATA:
        raise TusInvalid(name="Upload-Metadata", detail=f"At most {METADATA} characters of metadata are kept.")
    for pair in filter(None, (pair.strip() for pair in header.split(","))):
        key, _, value = pair.partition(" ")
        try:
            found[key] = base64.b64decode(value.strip(), validate=True).decode()
        except ValueError:
            raise TusInvalid(name="Upload-Metadata", detail=f"The value of {key[:100]!r} is not text in Base64.") from None
    return found


def announced_checksum(header: str | None) -> tuple[str, bytes] | None:
    """Read Upload-Checksum: the name of an algorithm and a digest in Base64. Raises TusInvalid."""
    if not header:
        return None
    name, _, value = header.strip().partition(" ")
    if name not in ALGORITHMS:
        raise TusInvalid(name="Upload-Checksum", detail=f"The algorithm must be one of {', '.join(ALGORITHMS)}.")
    try:
        return name, base64.b64decode(value.strip(), validate=True)
    except ValueError:
        raise TusInvalid(name="Upload-Checksum", detail="The checksum is not Base64.") from None


def ids_of(concat: str) -> list[str]:
    """Return the uploads that `final;URL URL` names, by id; each once, or few bytes fill a disk. Raises TusInvalid."""
    kind, _, urls = concat.partition(";")
    try:
        found = [urlsplit(url).path.rstrip("/").rpartition("/")[2] for url in urls.split()]
    except ValueError:
        found = []
    if kind != "final" or not found or not all(found) or len(found) > 1000 or len(set(found)) < len(found):
        detail = "Send `partial`, or `final;` and the addresses of up to 1000 partial uploads, each once."
        raise TusInvalid(name="Upload-Concat", detail=detail)
    return found


def http_date(moment: datetime) -> str:
    """Return a date as HTTP writes it (RFC 9110)."""
    return format_datetime(moment.replace(microsecond=0), usegmt=True)
