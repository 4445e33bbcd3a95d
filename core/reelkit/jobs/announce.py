"""Telling plugins what a job has committed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from reelkit.catalog.sources import Source
from reelkit.interfaces.event import Event

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
    """Hand an event to every plugin; what they make of it cannot fail the job."""
    await runtime.plugins.notify("on_event", event=event)
