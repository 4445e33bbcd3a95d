"""What is done every now and then: remove what has outlived its time, and have done what a dead process forgot."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from reelkit.catalog import expiry, playback_tokens
from reelkit.catalog.videos import Video
from reelkit.jobs.erasing import erase
from reelkit.jobs.thumbnail import take_wanted

if TYPE_CHECKING:
    from reelkit.jobs.runtime import Runtime

__all__ = ["ABANDONED_EVERY", "EVERY", "expire", "expire_abandoned"]

EVERY = 300.0
ABANDONED_EVERY = 6 * 3600.0
"""Seconds between two looks, and between two that walk over every video."""

log = structlog.get_logger("reelkit.expiry")


async def expire(runtime: Runtime, now: datetime | None = None) -> None:
    """Remove what is due at a moment, now by default; the bytes are swept as those of any deletion."""
    moment = now or datetime.now(UTC)
    restore = timedelta(days=runtime.site.videos.restore_days)
    await _remove(runtime, "discarded", expiry.discarded_before, moment - restore)
    await _remove(runtime, "of a sandbox", expiry.of_sandbox, moment - timedelta(hours=runtime.site.sandbox.video_hours))
    await playback_tokens.forget_expired()
    await _catch_up(runtime)


async def expire_abandoned(runtime: Runtime, now: datetime | None = None) -> None:
    """Remove the videos that nobody has uploaded into, or not to the end."""
    age = timedelta(days=runtime.site.videos.abandoned_days)
    await _remove(runtime, "abandoned", expiry.abandoned, (now or datetime.now(UTC)) - age)


async def _remove(runtime: Runtime, why: str, find: Callable[[datetime], Awaitable[list[Video]]], before: datetime) -> None:
    while some := await find(before):
        for video in some:
            await erase(runtime, video)
            log.info("a video has expired", video=video.video_id, project=video.project, why=why)


async def _catch_up(runtime: Runtime) -> None:
    """Submit what a process that died may not have submitted; the same job twice is one job."""
    for video in await expiry.to_fetch():
        await runtime.engine.submit("fetch", video.video_id, {"video_id": video.video_id})
    for video in await expiry.without_thumbnail():
        await take_wanted(runtime, video)
