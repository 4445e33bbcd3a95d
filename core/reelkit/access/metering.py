"""How many bytes of media each key takes in a calendar month (UTC): counted in memory, written in batches.

A total may be wrong by what all processes send within 10 s: each adds its own every 5 s, and believes what it read of the
others' for 5 s. A process that is killed loses the count of its last 5 s; nobody is ever charged twice.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from functools import lru_cache
from typing import Any

from reelkit.access.principal import Principal
from reelkit.access.remembered import Remembered
from reelkit.catalog import usage
from reelkit.catalog.scope import Environment, Scope
from reelkit.problems import MonthlyBytesExceeded
from reelkit.site import Site

__all__ = ["EVERY", "Meter", "metered", "month_of"]

EVERY = 5.0
"""Seconds between two writes of one process, and for which a total that was read is believed."""

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Batch = dict[tuple[str, str, Environment], dict[str, int]]
"""Bytes by key, by month, project and environment."""

log = logging.getLogger("reelkit.access")


def month_of(seconds: float) -> str:
    """Return the calendar month of a time since 1970, e.g. `2026-11`."""
    return _month_of_day(int(seconds // 86400))


@lru_cache(maxsize=4)
def _month_of_day(day: int) -> str:
    moment = time.gmtime(day * 86400)
    return f"{moment.tm_year}-{moment.tm_mon:02}"


class Meter:
    """Counts for one process, and sees to the `monthly_bytes` of tiers. now: seconds since 1970."""

    SIZE = 10_000

    def __init__(
        self, site: Site, now: Callable[[], float] = time.time, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._tiers = site.tiers
        self._now = now
        self._clock = clock
        self._pending: Batch = {}
        self._writing: Batch = {}
        self._totals: Remembered[int] = Remembered(self.SIZE, EVERY, clock)
        self._reading: dict[str, asyncio.Task[int]] = {}
        self._flushing: asyncio.Task[None] | None = None

    def charge(self, principal: Principal, count: int) -> None:
        """Count bytes that were sent to somebody; from within the event loop."""
        if count <= 0:
            return
        where = (month_of(self._now()), principal.project, principal.environment)
        batch = self._pending.get(where)
        if batch is None:
            batch = self._pending[where] = {}
        key_id = principal.key_id
        batch[key_id] = batch.get(key_id, 0) + count
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush_soon())

    async def check(self, principal: Principal) -> None:
        """Return when somebody may take more this month. Raises MonthlyBytesExceeded, DatabaseError."""
        limit = self._tiers[principal.tier].monthly_bytes
        if limit is None:
            return
        month, scope, key_id = month_of(self._now()), principal.scope, principal.key_id
        name = _name(month, scope, key_id)
        total = self._totals.get(name)
        if total is None:
            reading = self._reading.get(name)
            if reading is None:
                # Many requests of one key that arrive at once ask the database once.
                reading = self._reading[name] = asyncio.create_task(self._read(name, month, scope, key_id))
            total = await asyncio.shield(reading)
        where = (month, scope.project, scope.environment)
        used = total + sum(batch.get(where, {}).get(key_id, 0) for batch in (self._pending, self._writing))
        if used >= limit:
            raise MonthlyBytesExceeded(limit=limit, used=used, month=month, tier=principal.tier)

    async def flush(self) -> None:
        """Write what was counted. What the database refuses is kept for the next time."""
        batches, self._pending = self._pending, {}
        self._writing = batches
        for where, by_key in list(batches.items()):
            month, scope = where[0], Scope(where[1], where[2])
            since = self._clock()
            try:
                totals = await usage.add(scope, month, by_key)
            except Exception:
                log.exception("what %d key(s) took is written later", len(by_key))
                kept = self._pending.setdefault(where, {})
                for key_id, count in by_key.items():
                    kept[key_id] = kept.get(key_id, 0) + count
                totals = {}
            del batches[where]
            for key_id, total in totals.items():
                self._totals.put(_name(month, scope, key_id), total, since)

    async def close(self) -> None:
        """Write what is left."""
        if self._flushing is not None:
            self._flushing.cancel()
            await asyncio.gather(self._flushing, return_exceptions=True)
        await self.flush()

    async def _read(self, name: str, month: str, scope: Scope, key_id: str) -> int:
        since = self._clock()
        try:
            total = await usage.taken(scope, month, key_id)
        finally:
            del self._reading[name]
        self._totals.put(name, total, since)
        return total

    async def _flush_soon(self) -> None:
        while self._pending:
            await asyncio.sleep(EVERY)
            await self.flush()
        self._flushing = None


def metered(send: Send, charge: Callable[[int], None]) -> Send:
    """Return a send that charges what it sends: bodies as they are handed on, files by their length."""
    headers: Iterable[tuple[bytes, bytes]] = ()

    def sent(message: MutableMapping[str, Any]) -> Awaitable[None]:
        nonlocal headers
        kind = message["type"]
        if kind == "http.response.body":
            charge(len(message.get("body", b"")))
        elif kind == "http.response.start":
            headers = message.get("headers", ())
        elif kind == "http.response.pathsend":
            length = next((value for name, value in headers if name == b"content-length"), b"")
            charge(int(length) if length.isdigit() else 0)
        return send(message)

    return sent


def _name(month: str, scope: Scope, key_id: str) -> str:
    return f"{month} {scope.environment} {key_id} {scope.project}"
