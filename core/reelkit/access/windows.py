"""Counting in fixed windows: a window begins with the first request and everything starts anew when it has passed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

import msgspec

__all__ = ["LocalWindows", "Taken", "Windows"]


class Taken(msgspec.Struct, frozen=True):
    """Where a request stands in its window. count: it is the how-manieth; left: seconds until the window ends."""

    count: int
    left: float


class Windows(Protocol):
    """Counts requests by name."""

    async def take(self, name: str, limit: int, window: int) -> Taken:
        """Count one request. window: seconds. Beyond the limit the count may be any above it."""

    async def close(self) -> None:
        """Give back what it holds."""


class LocalWindows:
    """Counts in this process: exact as long as no other process answers for the same site."""

    SWEEP = 10_000
    """Names after which those of the past are looked for."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counts: dict[str, tuple[int, float]] = {}
        self._sweep_at = self.SWEEP

    async def take(self, name: str, limit: int, window: int) -> Taken:  # noqa: ARG002 - others need to know it
        """Count one request."""
        return self.count(name, window)

    def count(self, name: str, window: int) -> Taken:
        """Count one request here and now."""
        now = self._clock()
        count, ends = self._counts.get(name, (0, 0.0))
        if now >= ends:
            if len(self._counts) >= self._sweep_at:
                self._counts = {other: value for other, value in self._counts.items() if value[1] > now}
                self._sweep_at = max(self.SWEEP, 2 * len(self._counts))
            count, ends = 0, now + window
        self._counts[name] = (count + 1, ends)
        return Taken(count + 1, ends - now)

    async def close(self) -> None:
        """Hold on to nothing."""
        self._counts.clear()
