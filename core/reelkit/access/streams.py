"""How many watch at once on one key: each viewer holds a lease, which every request for media renews.

A viewer who stops asking gives the place back when the lease ends; nobody has to say goodbye. With Valkey all workers of
all machines see the same leases, by its clock; without it this process sees its own.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Protocol

from reelkit.access.principal import Principal
from reelkit.access.windows import LocalWindows, Windows
from reelkit.problems import TooManyStreams
from reelkit.site import Site

__all__ = ["LEASE", "Leases", "LocalLeases", "Streams", "open_streams"]

LEASE = 12.0
"""Seconds: two of the longest segments that are made here. A player that takes one after the other keeps its place."""
RENEWED_AFTER = 3.0
"""Seconds for which a lease is taken for held without looking again, so that not each request asks Valkey."""


class Leases(Protocol):
    """Who watches."""

    async def hold(self, name: str, viewer: str, limit: int) -> float:
        """Take or renew a place of a key and return 0, or the seconds until one may be free."""


class LocalLeases:
    """Leases of this process: exact as long as no other process answers for the same site."""

    SWEEP = 10_000
    """Keys after which those that nobody watches on are looked for."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._keys: dict[str, _Places] = {}
        self._sweep_at = self.SWEEP

    async def hold(self, name: str, viewer: str, limit: int) -> float:
        """Take or renew a place."""
        return self.take(name, viewer, limit)

    def take(self, name: str, viewer: str, limit: int) -> float:
        """Take or renew a place here and now."""
        now = self._clock()
        places = self._keys.get(name)
        if places is None:
            if len(self._keys) >= self._sweep_at:
                self._keys = {key: held for key, held in self._keys.items() if held.sweep(now)}
                self._sweep_at = max(self.SWEEP, 2 * len(self._keys))
            places = self._keys[name] = _Places()
        ends = places.ends
        if ends.get(viewer, 0.0) <= now:
            # Looked through only when it may be full, or has doubled: a renewal costs the same however many watch.
            if len(ends) >= min(limit, places.sweep_at):
                places.sweep(now)
            if len(places.ends) >= limit:
                return min(places.ends.values()) - now
        places.ends[viewer] = now + LEASE
        return 0.0


class _Places:
    """Who watches on one key. ends: viewer → when their lease ends."""

    __slots__ = ("ends", "sweep_at")

    def __init__(self) -> None:
        self.ends: dict[str, float] = {}
        self.sweep_at = 64

    def sweep(self, now: float) -> bool:
        """Forget leases that have ended; tell whether any is left."""
        self.ends = {viewer: end for viewer, end in self.ends.items() if end > now}
        self.sweep_at = max(64, 2 * len(self.ends))
        return bool(self.ends)


class Streams:
    """Sees to the `concurrent_streams` of tiers, one a process."""

    REMEMBERED = 10_000

    def __init__(self, site: Site, leases: Leases, clock: Callable[[], float] = time.monotonic) -> None:
        self._tiers = site.tiers
        self._leases = leases
        self._clock = clock
        self._held: dict[tuple[str, str], float] = {}

    async def hold(self, principal: Principal, viewer: str) -> None:
        """Let somebody watch on, or begin to. viewer: which one of those on the key; whatever is stable and short.

        Every playlist and segment that somebody with a credential asks for renews their place, at least every LEASE
        seconds. Raises TooManyStreams, NotReady.
        """
        limit = self._tiers[principal.tier].concurrent_streams
        if limit is None:
            return
        now = self._clock()
        name = f"{principal.environment}:{principal.project}:{principal.key_id}"
        if now < self._held.get((name, viewer), 0.0):
            return
        left = await self._leases.hold(name, viewer, limit)
        if left > 0:
            self._held.pop((name, viewer), None)
            raise TooManyStreams(limit=limit, tier=principal.tier, retry_after=max(1, math.ceil(left)))
        if len(self._held) >= self.REMEMBERED:
            self._held = {place: until for place, until in self._held.items() if until > now}
        if len(self._held) < self.REMEMBERED:
            self._held[name, viewer] = now + RENEWED_AFTER


def open_streams(site: Site, windows: Windows) -> Streams:
    """Return what sees to concurrent streams: in the Valkey that rate limits are counted in, or in this process."""
    if isinstance(windows, LocalWindows):
        return Streams(site, LocalLeases())
    from reelkit.access.shared_leases import SharedLeases  # the client is only for sites that use it
    from reelkit.access.shared_windows import SharedWindows

    return Streams(site, SharedLeases(windows.shared) if isinstance(windows, SharedWindows) else LocalLeases())
