"""What a process remembers between requests: bounded, each thing loaded once however many ask at the same time."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from math import inf
from typing import Generic, TypeVar

__all__ = ["Cache"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Cache(Generic[K, V]):
    """Values by key, the least recently used going first.

    capacity: what the costs of all values may add up to; cost: of one value, 1 each by default; ttl: seconds until a
    value is loaded anew, inf for things that never change. A failed load is not remembered.
    """

    def __init__(
        self,
        load: Callable[[K], Awaitable[V]],
        *,
        capacity: int,
        cost: Callable[[V], int] = lambda _: 1,
        ttl: Callable[[V], float] = lambda _: inf,
    ) -> None:
        self._load = load
        self._capacity = capacity
        self._cost = cost
        self._ttl = ttl
        self._held: OrderedDict[K, tuple[V, int, float]] = OrderedDict()
        self._loading: dict[K, asyncio.Task[V]] = {}
        self.total = 0

    async def get(self, key: K) -> V:
        """Return a value, loading it if need be. Raises what the load raises; being cancelled disturbs nobody else."""
        held = self._held.get(key)
        if held is not None and held[2] >= time.monotonic():
            self._held.move_to_end(key)
            return held[0]
        task = self._loading.get(key)
        if task is None:
            task = self._loading[key] = asyncio.create_task(self._fill(key))
            task.add_done_callback(_look_at_failure)
        return await asyncio.shield(task)

    def forget(self, key: K) -> None:
        """Drop a value."""
        held = self._held.pop(key, None)
        if held is not None:
            self.total -= held[1]

    def __len__(self) -> int:
        return len(self._held)

    async def _fill(self, key: K) -> V:
        asked = time.monotonic()
        try:
            value = await self._load(key)
        finally:
            del self._loading[key]
        self.forget(key)
        cost = self._cost(value)
        if cost <= self._capacity:
            # Counted from before the load: what is remembered is never older than ttl.
            self._held[key] = (value, cost, asked + self._ttl(value))
            self.total += cost
            while self.total > self._capacity:
                _, (_, dropped, _) = self._held.popitem(last=False)
                self.total -= dropped
        return value


def _look_at_failure(task: asyncio.Task[V]) -> None:
    """Mark a failure as seen, even when everybody who asked has gone."""
    if not task.cancelled():
        task.exception()
