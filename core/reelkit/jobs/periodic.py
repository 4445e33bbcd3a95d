"""Work that is done again and again, by one process of the site at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from reelkit.jobs.ledger import Ledger

__all__ = ["Periodic"]

log = logging.getLogger(__name__)


class Periodic:
    """Runs what is due, in the running event loop. Whoever asks the ledger first does it; the others ask again later."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._tasks: list[asyncio.Task[None]] = []

    def add(self, name: str, every_seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        """Do work every so often from now on; cut off when it takes longer than that."""
        self._tasks.append(asyncio.create_task(self._repeat(name, every_seconds, work), name=f"periodic {name}"))

    async def stop(self) -> None:
        """Stop, also in the middle."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def _repeat(self, name: str, every_seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                if await asyncio.to_thread(self._ledger.due, name, every_seconds):
                    # Cut off in time, since the next run may be another process's. Not by wait_for: that of Python 3.11
                    # loses a cancellation that comes as the work ends, and stop() would wait for ever.
                    async with asyncio.timeout(every_seconds):
                        await work()
            except Exception:
                log.exception("Periodic work %s", name)
            await asyncio.sleep(min(every_seconds / 4, 600.0))
