"""Suspended projects: nothing that belongs to one opens anything."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable

from reelkit.catalog import projects
from reelkit.problems import SuspendedAccount

__all__ = ["Suspensions"]


class Suspensions:
    """Knows the suspended projects, one a process. What the database said is believed for 4 s, as keys are."""

    TTL = 4.0

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._suspended: frozenset[str] = frozenset()
        self._since = -math.inf
        self._asking: asyncio.Task[None] | None = None

    async def check(self, project: str) -> None:
        """Return when a project may act. Raises SuspendedAccount, DatabaseError."""
        if self._clock() - self._since >= self.TTL:
            if self._asking is None:
                # Many requests that arrive at once ask the database once.
                self._asking = asyncio.create_task(self._ask())
            await asyncio.shield(self._asking)
        if project in self._suspended:
            raise SuspendedAccount

    def forget(self) -> None:
        """Believe nothing any more, e.g. after a change in this very process."""
        self._since = -math.inf

    async def _ask(self) -> None:
        since = self._clock()
        try:
            self._suspended = await projects.suspended()
            self._since = since
        finally:
            self._asking = None
