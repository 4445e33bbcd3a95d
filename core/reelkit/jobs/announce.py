"""Telling plugins and webhooks what is committed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from reelkit.catalog.sources import Source
from reelkit.interfaces.event import Event
from reelkit.jobs.webhooks import tell_webhooks

if TYPE_CHECKING:
    from reelkit.jobs.runtime import Runtime

__all__ = ["announce", "facts"]


def facts(source: Source) -> dict[str, Any]:
    """Return the fields that every event about a source has."""
    return {
        "project": source.project,
        "environment": source.environment,
        "video_id": source.video_id,
        "at": datetime.now(UTC),
    }


async def announce(runtime: Runtime, event: Event) -> None:
    """Hand an event to the webhooks that asked for it and to every plugin; neither can fail what happened."""
    await tell_webhooks(runtime, event)
    await runtime.plugins.notify("on_event", event=event)
