"""For how long an answer may be used again without asking (RFC 9111), and what the viewer's browser is told of that."""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from time import time

__all__ = ["fresh_for", "may_be_shared", "told_to_browsers"]

UNTOLD = 60
"""Seconds for which a segment is used again whose origin says nothing; segments hardly ever change."""
LONGEST = 30 * 24 * 3600

_DIRECTIVE = re.compile(r'([A-Za-z-]+)(?:\s*=\s*(?:"([^"]*)"|([^\s,"]*)))?')


def fresh_for(headers: Mapping[str, str]) -> int:
    """Return for how many seconds from now a shared cache may use an answer, 0 for not at all."""
    control = _directives(headers)
    if control.keys() & {"no-store", "private", "no-cache"} or "*" in headers.get("vary", ""):
        return 0
    if "cache-control" not in headers and "no-cache" in headers.get("pragma", "").lower():
        return 0
    if "set-cookie" in headers:
        return 0
    lifetime = _seconds(control.get("s-maxage"))
    if lifetime is None:
        lifetime = _seconds(control.get("max-age"))
    if lifetime is None:
        lifetime = _until(headers)
    if lifetime is None:
        lifetime = UNTOLD
    return max(0, min(lifetime - (_seconds(headers.get("age")) or 0), LONGEST))


def may_be_shared(headers: Mapping[str, str]) -> bool:
    """Tell whether an answer is the same for everybody who asks at this moment; one to one session is not."""
    return not (_directives(headers).keys() & {"no-store", "private"} or "set-cookie" in headers)


def told_to_browsers(headers: Mapping[str, str]) -> str:
    """Return the Cache-Control of an answer that is passed on: the origin's, for this viewer's own cache alone.

    Caches between us would give it to viewers whose right to it nobody has looked at.
    """
    control = _directives(headers)
    if "no-store" in control:
        return "no-store"
    if "no-cache" in control:
        return "private, no-cache"
    lifetime = _seconds(control.get("max-age"))
    if lifetime is None:
        lifetime = _until(headers)
    if lifetime is None:
        return "private"
    lifetime = max(0, min(lifetime - (_seconds(headers.get("age")) or 0), LONGEST))
    return f"private, max-age={lifetime}" + (", immutable" if "immutable" in control else "")


def _directives(headers: Mapping[str, str]) -> dict[str, str]:
    found = _DIRECTIVE.findall(headers.get("cache-control", "")[:1024])
    return {name.lower(): quoted or plain for name, quoted, plain in found}


def _seconds(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdecimal() and len(text) < 12 else None


def _until(headers: Mapping[str, str]) -> int | None:
    """Return the seconds until `Expires`, 0 for one that cannot be read (RFC 9111, 5.3); None without one."""
    expires = headers.get("expires")
    if expires is None:
        return None
    try:
        since = parsedate_to_datetime(headers["date"]).timestamp() if "date" in headers else time()
        return max(0, int(parsedate_to_datetime(expires).timestamp() - since))
    except (ValueError, TypeError, OverflowError):
        return 0
