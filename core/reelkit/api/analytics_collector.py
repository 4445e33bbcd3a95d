"""The collector of beats: taken into memory at once, written in batches by one task.

An event is in the database 0.5 s and one write after its answer, so that a killed process loses at most the last second of
them. When they come faster than they can be written, or the database is away for long, the newest are dropped, and counted.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter as Tally
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any, Final

import msgspec
import structlog
from litestar import Request, post
from litestar.datastructures import State
from prometheus_client import CollectorRegistry, Counter

from reelkit.access.countries import Countries
from reelkit.api.analytics_beats import read_beat, sender_of
from reelkit.api.limits import ANONYMOUS, client_block, throttle_here
from reelkit.catalog.analytics.events import Event
from reelkit.catalog.analytics.media import owners
from reelkit.catalog.analytics.recording import record
from reelkit.catalog.analytics.retention import forget
from reelkit.catalog.errors import DatabaseError
from reelkit.catalog.scope import Scope
from reelkit.jobs.runtime import Runtime
from reelkit.problems import InvalidPayload, TooManyRequests
from reelkit.site_secrets import open_secrets

__all__ = ["Collector", "watch"]

BODY: Final = 64 * 1024
"""Bytes of a beat."""
PAUSE: Final = 0.5
"""Seconds between two writes."""
AT_ONCE: Final = 4_000
"""Events of one write."""
MOST_WAITING: Final = 40_000
"""Events in memory, about 30 MB."""
TRIES: Final = 3
"""How often a batch is tried that the database refuses without being away."""
FORGET_EVERY: Final = 3600.0

log = structlog.get_logger("reelkit.analytics")


class Collector:
    """Takes the beats of one process."""

    def __init__(self, registry: CollectorRegistry, countries: Countries) -> None:
        self._countries = countries
        self._taken = Counter("reelkit_analytics_events", "Events of players that were written.", registry=registry)
        self._dropped = Counter(
            "reelkit_analytics_events_dropped", "Events of players that were not kept.", ("reason",), registry=registry
        )
        self._waiting: deque[Event] = deque()
        self._owners = Owners()
        self._key = b""
        self._ending = asyncio.Event()

    def take(self, body: bytes, headers: Any, client: str) -> None:
        """Take a beat. Raises InvalidPayload."""
        try:
            sender = sender_of(headers, client, self._countries.of(client))
            events = read_beat(body, sender, time.time_ns() // 1_000_000, self._key)
        except InvalidPayload:
            self._dropped.labels("malformed").inc()
            raise
        room = MOST_WAITING - len(self._waiting)
        if len(events) > room:
            self._dropped.labels("overloaded").inc(len(events) - max(room, 0))
            del events[max(room, 0) :]
        self._waiting.extend(events)

    def refused(self) -> None:
        """Note a beat that was not taken, since its address sends too many."""
        self._dropped.labels("too many").inc()

    @asynccontextmanager
    async def running(self, runtime: Runtime) -> AsyncIterator[None]:
        """Write what is taken until the end of the block, and then the rest."""
        secrets = await asyncio.to_thread(open_secrets, runtime.site)
        self._key = sha256(b"analytics " + secrets.signing.encode()).digest()
        self._ending.clear()
        runtime.engine.schedule("reelkit.analytics", FORGET_EVERY, forget_old)
        writing = asyncio.create_task(self._write_all(), name="reelkit-analytics")
        try:
            yield
        finally:
            self._ending.set()
            await writing

    async def _write_all(self) -> None:
        while not self._ending.is_set():
            try:
                async with asyncio.timeout(PAUSE):
                    await self._ending.wait()
            except TimeoutError:
                pass
            while self._waiting and await self._write():
                pass

    async def _write(self) -> bool:
        """Write a batch; False when the database is away, and the batch is kept."""
        batch = [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]
        for attempt in range(1, TRIES + 1):
            try:
                owned = await self._owners.of(batch)
                await record(owned)
            except DatabaseError as error:
                log.warning("events of players are written later", events=len(batch), error=str(error))
                self._waiting.extendleft(reversed(batch))
                return False
            except Exception as error:
                log.error("events of players were not written", events=len(batch), attempt=attempt, exc_info=error)
                await asyncio.sleep(PAUSE)
                continue
            self._taken.inc(len(owned))
            if len(owned) < len(batch):
                self._dropped.labels("unknown media").inc(len(batch) - len(owned))
            return True
        self._dropped.labels("failed").inc(len(batch))
        return True


class Owners:
    """Remembers for a while whose media are; unknown ids apart, so that a flood of invented ones pushes out no real one."""

    SIZE = 10_000
    SECONDS = 30.0

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[float, Scope]] = OrderedDict()
        self._unknown: OrderedDict[str, float] = OrderedDict()

    async def of(self, events: list[Event]) -> list[Event]:
        """Return the events of media that exist, with whose they are. Raises DatabaseError."""
        now = time.monotonic()
        wanted = Tally(event.media_id for event in events)
        old = now - self.SECONDS
        asked = [id for id in wanted if self._known.get(id, (old,))[0] <= old and self._unknown.get(id, old) <= old]
        for start in range(0, len(asked), 500):
            some = asked[start : start + 500]
            found = await owners(some)
            for id in some:
                self._known.pop(id, None)
                self._unknown.pop(id, None)
                if id in found:
                    self._known[id] = (now, found[id])
                else:
                    self._unknown[id] = now
        scopes = {id: self._known[id][1] for id in wanted if id in self._known}
        for memory in (self._known, self._unknown):
            while len(memory) > self.SIZE:
                memory.popitem(last=False)
        return [
            msgspec.structs.replace(event, project=scope.project, environment=scope.environment)
            for event in events
            if (scope := scopes.get(event.media_id)) is not None
        ]


async def forget_old() -> None:
    """Remove what is kept no longer."""
    await forget(time.time_ns() // 1_000_000)


@post("/watch", operation_id="POST-watch", status_code=204, request_max_body_size=BODY)
async def watch(request: Request[Any, Any, Any], state: State) -> None:
    """Take the beat of a player. No credential: players have none. Nothing is said of whether the media exists."""
    collector: Collector = state.collector
    client, most = request.scope["client"], state.runtime.site.limits.beats_per_minute
    try:
        throttle_here(state.rate_limits, request.scope, ANONYMOUS, f"watch:{client_block(request.scope)}", most, 60)
    except TooManyRequests:
        collector.refused()
        raise
    collector.take(await request.body(), request.scope["headers"], client[0] if client else "")
