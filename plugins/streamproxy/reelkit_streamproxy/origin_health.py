"""How origins fare, as this worker process has seen them."""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec
from reelkit import OutboundFailed, OutboundRefused

from reelkit_streamproxy.http1 import Silent

__all__ = ["OriginHealth", "OriginState", "reason_of"]

REMEMBERED = 101
"""Answers whose time is kept of each origin."""


class OriginState(msgspec.Struct, frozen=True):
    """How one origin fares. first_byte_ms: the median of the latest answers; times: ISO 8601, UTC."""

    name: str
    state: str
    """`unknown` before it was asked, `working`, or `failing` since its last answer was a failure."""
    requests: int
    failures: int
    consecutive_failures: int
    last_success: datetime | None
    last_failure: datetime | None
    last_failure_reason: str | None
    first_byte_ms: float | None


class _Origin:
    def __init__(self) -> None:
        self.requests = self.failures = self.consecutive = 0
        self.success: datetime | None = None
        self.failure: datetime | None = None
        self.reason: str | None = None
        self.seconds: deque[float] = deque(maxlen=REMEMBERED)


class OriginHealth:
    """Takes notes of every answer. names: the origins of the list."""

    def __init__(self, names: Iterable[str]) -> None:
        self._origins = {name: _Origin() for name in names}

    def answered(self, name: str, status: int, seconds: float) -> None:
        """Note the head of an answer. What a viewer has asked for wrongly, 4xx, is no fault of the origin."""
        self._origins[name].seconds.append(seconds)
        if status >= 500 or status == 429:
            self.failed(name, f"status {status}")
            return
        origin = self._origins[name]
        origin.requests += 1
        origin.consecutive = 0
        origin.success = datetime.now(UTC)

    def failed(self, name: str, reason: str, *, asked: bool = True) -> None:
        """Note a failure. asked: it is that of a request which was not noted yet."""
        origin = self._origins[name]
        origin.requests += asked
        origin.failures += 1
        origin.consecutive += 1
        origin.failure = datetime.now(UTC)
        origin.reason = reason

    def states(self) -> list[OriginState]:
        """Return how each fares."""
        return [
            OriginState(
                name=name,
                state="failing" if each.consecutive else "working" if each.requests else "unknown",
                requests=each.requests,
                failures=each.failures,
                consecutive_failures=each.consecutive,
                last_success=each.success,
                last_failure=each.failure,
                last_failure_reason=each.reason,
                first_byte_ms=round(statistics.median(each.seconds) * 1000, 1) if each.seconds else None,
            )
            for name, each in self._origins.items()
        ]


def reason_of(error: OutboundFailed | OutboundRefused) -> str:
    """Return in a word what is told to everybody of a failure."""
    if isinstance(error, OutboundRefused):
        return "address not called"
    return "timeout" if isinstance(error, Silent) else "connection failed"
