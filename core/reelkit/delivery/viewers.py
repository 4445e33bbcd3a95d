"""Who wants to watch, out of a request."""

from __future__ import annotations

from reelkit.access.viewer import Viewer, What
from reelkit.delivery.asgi import Scope

__all__ = ["AT", "CASE", "COUNTRY", "What", "viewer_of"]

CASE = "reelkit_case"
"""The key of a scope under which a request that is only to be explained keeps what is said of it."""
AT, COUNTRY = "reelkit_at", "reelkit_country"
"""What an explanation assumes: a time, seconds since 1970; a country."""


def viewer_of(scope: Scope, what: What | None) -> Viewer:
    """Return what a request tells of whoever wants to watch. scope: of ASGI."""
    client = scope.get("client")
    address = client[0] if client else ""
    case = scope.get(CASE)
    viewer = Viewer(scope["headers"], scope["query_string"], scope["method"], scope["path"], address, what, case)
    if case is not None:
        viewer.at, viewer.country = scope.get(AT), scope.get(COUNTRY)
    return viewer
