"""Browsers on other origins: every answer may be read by every page, since no cookie opens anything here."""

from __future__ import annotations

import re

from reelkit.delivery.asgi import Scope, Send

__all__ = ["EXPOSED", "is_preflight", "preflight"]

ALLOWED = (
    "Authorization, Content-Type, Content-Range, Content-Disposition, Range, If-None-Match, If-Range, X-API-Key, "
    "X-Session-Token, X-Request-Id, AV-Origin-Client, AV-Origin-App, AV-Origin-Sdk"
)
"""By name, because `*` does not cover Authorization."""
EXPOSED = (
    (b"access-control-allow-origin", b"*"),
    (
        b"access-control-expose-headers",
        b"X-Request-Id, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Retry-After, RateLimit, "
        b"RateLimit-Policy, Retry-After, ETag, "
        b"Content-Length, Content-Range, Accept-Ranges, Content-Disposition, Location, Video-Id, "
        b"Tus-Resumable, Tus-Version, Tus-Extension, Tus-Max-Size, Tus-Checksum-Algorithm, "
        b"Upload-Offset, Upload-Length, Upload-Metadata, Upload-Expires, Upload-Concat",
    ),
)
"""Sent with every answer, errors too: a page that may not read an error takes it for a broken network and retries."""

_NAMES = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~, -]{1,1024}")


def is_preflight(scope: Scope) -> bool:
    """Tell whether a browser asks for permission."""
    return scope["method"] == "OPTIONS" and any(name == b"access-control-request-method" for name, _ in scope["headers"])


async def preflight(scope: Scope, send: Send) -> None:
    """Permit what is asked for; what a request may do is decided by its credential, not by where its page lives."""
    asked = next(
        (value.decode("latin-1") for name, value in scope["headers"] if name == b"access-control-request-headers"), ""
    )
    extra = f", {asked}" if _NAMES.fullmatch(asked) else ""
    headers = [
        (b"access-control-allow-methods", b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
        (b"access-control-allow-headers", (ALLOWED + extra).encode()),
        (b"access-control-max-age", b"86400"),
        (b"content-length", b"0"),
    ]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
