"""Which bytes of a representation a `Range` header asks for: RFC 9110, section 14."""

from __future__ import annotations

import re

__all__ = ["Unsatisfiable", "requested_range"]

_SPEC = re.compile(r"(\d*)-(\d*)", re.ASCII)


class Unsatisfiable(Exception):
    """The range lies outside of the representation: 416."""


def requested_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Return (start, stop) in bytes, stop exclusive, or None when the whole representation is to be sent.

    RFC 9110, 14.1.2 and 14.2: other units, malformed headers and several ranges at once may be ignored, and are.
    Raises Unsatisfiable when one well-formed range starts at or after the end, or asks for the last 0 bytes.
    """
    if header is None:
        return None
    unit, equals, specs = header.partition("=")
    if not equals or unit.strip().lower() != "bytes":
        return None
    match = _SPEC.fullmatch(specs.strip())
    if match is None or len(specs) > 64:
        return None
    first, last = match.groups()
    if not first:
        return _suffix(last, size)
    start = int(first)
    if last and int(last) < start:
        return None
    if start >= size:
        raise Unsatisfiable
    return start, min(int(last) + 1, size) if last else size


def _suffix(length: str, size: int) -> tuple[int, int] | None:
    if not length:
        return None
    if int(length) == 0 or size == 0:
        raise Unsatisfiable
    return max(0, size - int(length)), size
