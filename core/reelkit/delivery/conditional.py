"""Whether the client has the bytes already: entity tags and the conditions of RFC 9110, section 13."""

from __future__ import annotations

import re
from hashlib import sha256

__all__ = ["entity_tag", "has_current", "range_still_holds"]

_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')


def entity_tag(*what: object) -> str:
    """Return a strong tag for what the parts identify: equal parts must mean equal bytes."""
    return f'"{sha256("/".join(map(str, what)).encode()).hexdigest()[:24]}"'


def has_current(if_none_match: str | None, tag: str) -> bool:
    """Tell whether `If-None-Match` names this tag; compared weakly, as RFC 9110, 13.1.2 asks: the answer is 304."""
    if if_none_match is None:
        return False
    if if_none_match.strip() == "*":
        return True
    return any(known.removeprefix("W/") == tag for known in _TAG.findall(if_none_match))


def range_still_holds(if_range: str | None, tag: str) -> bool:
    """Tell whether `If-Range` lets a range through; compared strongly (13.1.5). A date never matches: none is sent."""
    return if_range is None or if_range.strip() == tag
