"""What a credential may do: words such as `videos:read`, one for each group of operations.

A word is the object and `read` or `write`; `*` stands for either side (`videos:*`, `*:read`) or, alone, for everything. What
an operation needs follows from its method and path, so that a new one is guarded without being listed here: only what
is said below is let through for a session token.
"""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["OBJECTS", "PUBLIC", "SESSION", "grants", "needed", "session_scopes", "well_formed"]

OBJECTS = (
    *("access-requests", "api", "data", "live-streams", "players", "sessions"),
    *("summaries", "upload-tokens", "videos", "watermarks", "webhooks"),
)
"""What reelkit's own operations are about; plugins' routes may be about other things."""

SESSION = ("videos:read", "players:read", "watermarks:read", "summaries:read", "data:read", "api:read")
"""What a session token may do, as far as its key may: read and play. Not among it: whatever shows a secret (stream keys,
upload tokens, signatures of webhooks), and every change. `api` is where plugins such as the stream proxy serve."""

PUBLIC = ("videos:read", "players:read", "watermarks:read", "api:read", "sessions:write", "access-requests:write")
"""What the key may do that everybody may know: look, open sessions that look, and ask for a key. Not: analytics."""

_PART_OF = {
    "tags": "videos",
    "discarded": "videos",
    "upload": "videos",
    "uploads": "videos",
}
"""First word of a path → the object that it is about, where they differ."""


def needed(method: str, path: str) -> str:
    """Return what a request needs, e.g. `videos:read` for GET /videos/vi123/status."""
    first = path.strip("/").partition("/")[0]
    return f"{_PART_OF.get(first, first)}:{'read' if method in ('GET', 'HEAD', 'OPTIONS') else 'write'}"


def well_formed(scope: str) -> bool:
    """Tell whether a word can be granted at all: `videos:read`, `videos:*`, `*:read`, `*`."""
    return re.fullmatch(r"\*|(\*|[A-Za-z0-9._-]{1,64}):(\*|read|write)", scope, re.ASCII) is not None


@lru_cache(4096)
def grants(scopes: tuple[str, ...], what: str) -> bool:
    """Tell whether what is needed is among scopes."""
    thing, _, action = what.partition(":")
    return any(scope in ("*", what, f"{thing}:*", f"*:{action}") for scope in scopes)


@lru_cache(1024)
def session_scopes(scopes: tuple[str, ...]) -> tuple[str, ...]:
    """Return what a session token of a key may do. scopes: the key's."""
    return tuple(what for what in SESSION if grants(scopes, what))
