"""What of an origin's answer is passed on to viewers: which types, which headers, and how."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence

from reelkit_streamproxy.faults import AnswerRefused
from reelkit_streamproxy.freshness import told_to_browsers

__all__ = ["GUARDS", "TypeList", "passed_on", "unpacked"]

_PASSED_ON = ("content-range", "accept-ranges", "etag", "last-modified", "content-encoding")
GUARDS = (
    (b"x-content-type-options", b"nosniff"),
    # Whatever an origin sends, opened on its own it is no page of this site.
    (b"content-security-policy", b"sandbox; default-src 'none'"),
)
"""Of everything that comes from an origin, also of manifests: what is XML may hold a page with scripts."""


class TypeList:
    """Which content types may be passed on. allowed: in lower case, `video/*` for every video."""

    def __init__(self, allowed: Sequence[str]) -> None:
        self._exact = {each for each in allowed if not each.endswith("/*")}
        self._groups = {each[:-1] for each in allowed if each.endswith("/*")}

    def check(self, headers: Mapping[str, str]) -> str:
        """Return the type of an answer without parameters; bytes of any kind when it says none. Raises AnswerRefused."""
        found = headers.get("content-type", "").partition(";")[0].strip().lower()
        if not found:
            return "application/octet-stream"
        if found in self._exact or f"{found.partition('/')[0]}/" in self._groups:
            return found
        raise AnswerRefused(detail=f"It is of the type {found[:100]!r}, which this proxy does not pass on.")


def passed_on(headers: Mapping[str, str], content_type: str) -> list[tuple[bytes, bytes]]:
    """Return the headers of an answer for the viewer, without its length."""
    found = [(name.encode(), headers[name].encode("latin-1")) for name in _PASSED_ON if name in headers]
    found.append((b"content-type", content_type.encode()))
    found.append((b"cache-control", told_to_browsers(headers).encode()))
    found += GUARDS
    return found


def unpacked(body: bytes, coding: str, limit: int) -> bytes:
    """Return a body that was compressed against our wish. limit: bytes of the result. Raises AnswerRefused."""
    coding = coding.strip().lower()
    if coding in ("", "identity"):
        return body
    if coding not in ("gzip", "x-gzip", "deflate"):
        raise AnswerRefused(detail=f"It is compressed by {coding[:50]!r} although it was asked not to be.")
    inflater = zlib.decompressobj(zlib.MAX_WBITS | (0 if coding == "deflate" else 16))
    try:
        plain = inflater.decompress(body, limit + 1)
    except zlib.error:
        raise AnswerRefused(detail="It is compressed, and damaged.") from None
    if len(plain) > limit:
        raise AnswerRefused(detail=f"It is larger than {limit} bytes once it is unpacked.")
    if not inflater.eof:
        raise AnswerRefused(detail="It is compressed, and ends too early.")
    return plain
