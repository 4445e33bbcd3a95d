"""Telling plugins and webhooks what is committed: an event is noted with it, so that it outlives the process that tells.

What a job or a request does is done inside `announcing`, a transaction; the events noted there are told once it is left,
or after a crash by the next sweep.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import structlog

from reelkit.catalog import untold
from reelkit.catalog.binding import transaction
from reelkit.catalog.scope import Scope
from reelkit.catalog.sources import Source
from reelkit.catalog.summaries import Summary
from reelkit.catalog.text_tracks import TextTrack
from reelkit.catalog.untold import Untold
from reelkit.catalog.videos import Video
from reelkit.interfaces.event import WEBHOOK_EVENTS, Event
from reelkit.jobs.webhooks import enter_deliveries, submit_delivery

if TYPE_CHECKING:
    from reelkit.jobs.runtime import Runtime

__all__ = ["Noted", "announce", "announcing", "facts", "noting", "tell_what_is_left"]

LEFT = timedelta(seconds=60)
"""Longer than the telling of one event takes, however slow the plugins are."""

log = structlog.get_logger("reelkit.events")


def facts(of: Source | Video | Summary | TextTrack) -> dict[str, Any]:
    """Return the fields that every event about a video has. of: the video, or what belongs to it."""
    return {
        "project": of.project,
        "environment": of.environment,
        "video_id": of.video_id,
        "at": datetime.now(UTC),
    }


class Noted:
    """The events of one transaction, in order. Call it with one to note it; what nobody listens to leaves no trace."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self.events: list[Untold] = []

    async def __call__(self, event: Event) -> None:
        """Note an event, in the transaction."""
        if event.__struct_config__.tag in WEBHOOK_EVENTS or self._runtime.plugins.implements("on_event"):
            self.events.append(await untold.note(Scope(event.project, event.environment), event))


@asynccontextmanager
async def noting(runtime: Runtime) -> AsyncIterator[Noted]:
    """Begin a transaction and hand out what notes its events; `announce` them once it is left, at a time that suits."""
    noted = Noted(runtime)
    async with transaction():
        yield noted


@asynccontextmanager
async def announcing(runtime: Runtime) -> AsyncIterator[Noted]:
    """As `noting`, and announce what was noted as soon as it is committed. Not for use inside another transaction."""
    async with noting(runtime) as noted:
        yield noted
    await announce(runtime, noted)


async def announce(runtime: Runtime, noted: Noted) -> None:
    """Hand committed events to the webhooks that asked for them and to every plugin; neither can fail what happened."""
    for event in noted.events:
        await _tell(runtime, event)


async def tell_what_is_left(runtime: Runtime, alone: bool = False) -> None:
    """Tell what dead processes committed and did not tell, or not to the end. alone: no other process is alive."""
    for event in await untold.left(runtime.opened_at if alone else datetime.now(UTC) - LEFT):
        log.info("an event is told late", event_id=event.id)
        await _tell(runtime, event)


async def _tell(runtime: Runtime, noted: Untold) -> None:
    """Tell one event. Of webhooks each is told once; a plugin is told again if the process dies while it is told."""
    try:
        if noted.event is not None:
            for delivery in await enter_deliveries(noted, noted.event):
                # One whose job cannot be kept now is found by keep_deliveries.
                await submit_delivery(runtime, delivery)
            await runtime.plugins.notify("on_event", event=noted.event)
        await untold.forget(noted.scope, noted.id)
    except Exception:
        log.exception("an event is told later", event_id=noted.id)
