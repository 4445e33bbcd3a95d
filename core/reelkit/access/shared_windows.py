"""Counting in Valkey, for every worker of every machine: exact, by Valkey's own clock.

All requests that arrive while one call is on its way share the next one, at least those of one tick of the event loop: a
call each would cost half the rate. Who is beyond the limit stays so until the window ends, so denials need no call.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from itertools import islice

from reelkit.access.shared_calls import SharedCalls, WhenDown
from reelkit.access.windows import LocalWindows, Taken
from reelkit.problems import NotReady

__all__ = ["SharedWindows"]

BATCH = 1000
"""Names in one call."""
DENIED = 10_000
"""Names that are remembered as beyond their limit; of more than these Valkey is asked each time."""

COUNT = """
local found = {}
for i, key in ipairs(KEYS) do
  found[2 * i - 1] = redis.call('INCRBY', key, ARGV[2 * i - 1])
  local left = redis.call('PTTL', key)
  if left < 0 then
    left = tonumber(ARGV[2 * i])
    redis.call('PEXPIRE', key, left)
  end
  found[2 * i] = left
end
return found
"""
"""KEYS: names. ARGV: for each, how many requests and the window in ms. Returns for each the count and the ms left."""

Name = tuple[str, int]


class SharedWindows:
    """Counts in Valkey. when_down: count in this process, let everybody pass, or answer 503, each with a warning."""

    def __init__(self, url: str, when_down: WhenDown = "count") -> None:
        self.shared = SharedCalls(url, when_down)
        self._local = LocalWindows()
        self._waiting: dict[Name, list[asyncio.Future[Taken]]] = {}
        self._sending: asyncio.Task[None] | None = None
        self._denied: dict[str, float] = {}

    @property
    def calls(self) -> int:
        """Sent to Valkey so far."""
        return self.shared.calls

    async def take(self, name: str, limit: int, window: int) -> Taken:
        """Count one request. Raises NotReady when Valkey does not answer and the site is to refuse then."""
        if self._denied:
            now = time.monotonic()
            if (until := self._denied.get(name)) is not None:
                if now < until:
                    return Taken(limit + 1, until - now)
                del self._denied[name]
        if self.shared.down:
            return self._without(name, window)
        waiter: asyncio.Future[Taken] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault((name, window), []).append(waiter)
        if self._sending is None:
            self._sending = asyncio.create_task(self._send())
        taken = await waiter
        if taken.count > limit:
            now = time.monotonic()
            if len(self._denied) >= DENIED:
                self._denied = {other: until for other, until in self._denied.items() if until > now}
            if len(self._denied) < DENIED:
                self._denied[name] = now + taken.left
        return taken

    async def close(self) -> None:
        """Close the connections."""
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)
        await self.shared.close()

    async def _send(self) -> None:
        try:
            await asyncio.sleep(0)  # the rest of this tick joins in
            while self._waiting:
                batch = dict(islice(self._waiting.items(), BATCH))
                for name in batch:
                    del self._waiting[name]
                await self._ask(batch)
        finally:
            self._sending = None

    async def _ask(self, batch: dict[Name, list[asyncio.Future[Taken]]]) -> None:
        """Count a batch with one call and tell everybody who waits for it."""
        arguments = [number for (_, window), waiters in batch.items() for number in (len(waiters), window * 1000)]
        try:
            found = await self.shared.call(COUNT, [f"reelkit:limit:{name}" for name, _ in batch], arguments)
        except BaseException:
            for waiters in batch.values():
                for waiter in waiters:
                    waiter.cancel()
            raise
        for place, ((name, window), waiters) in enumerate(batch.items()):
            for number, waiter in enumerate(waiters):
                with contextlib.suppress(asyncio.InvalidStateError):  # the client went away meanwhile
                    if found is not None:
                        count = found[2 * place] - len(waiters) + number + 1
                        waiter.set_result(Taken(count, found[2 * place + 1] / 1000))
                        continue
                    try:
                        waiter.set_result(self._without(name, window))
                    except NotReady as refused:
                        waiter.set_exception(refused)

    def _without(self, name: str, window: int) -> Taken:
        """Decide while Valkey does not answer. Raises NotReady."""
        return self._local.count(name, window) if self.shared.counts_without() else Taken(0, float(window))
