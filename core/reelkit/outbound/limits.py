"""What one request to somebody else's address may take."""

from __future__ import annotations

import msgspec

__all__ = ["OutboundLimits"]


class OutboundLimits(msgspec.Struct, frozen=True):
    """What one request may take. connect, read, total: seconds; size: bytes of the answer; redirects: how many to follow.

    read is the longest silence; total counts from the request to the end of the answer, None for no end.
    """

    connect: float = 5.0
    read: float = 10.0
    total: float | None = 30.0
    size: int = 1024 * 1024
    redirects: int = 5
