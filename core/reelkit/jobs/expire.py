"""What is done every few minutes: remove what has outlived its time, and have done what a dead process forgot."""

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

__all__ = ["EVERY", "expire"]

EVERY = 300.0
"""Seconds between two looks."""

log = structlog.get_logger("reelkit.expiry")


async def expire(runtime: Runtime, now: datetime | None = None) -> None:
    """Remove what is due at a moment, now by default; the bytes are swept as those of any deletion."""
    moment = now or datetime.now(UTC)
    videos, sandbox = runtime.site.videos, runtime.site.sandbox
    due: tuple[tuple[str, Callable[[datetime], Awaitable[list[Video]]], timedelta], ...] = (
        ("discarded", expiry.discarded_before, timedelta(days=videos.restore_days)),
        ("of a sandbox", expiry.of_sandbox, timedelta(hours=sandbox.video_hours)),
        ("abandoned", expiry.abandoned, timedelta(days=videos.abandoned_days)),
    )
    for why, find, age in due:
        while some := await find(moment - age):
            for video in some:
                await erase(runtime, video)
                log.info("a video has expired", video=video.video_id, project=video.project, why=why)
    await playback_tokens.forget_expired()
    await _catch_up(runtime)


async def _catch_up(runtime: Runtime) -> None:
    """Submit what a process that died may not have submitted; the same job twice is one job."""
    for video in await expiry.to_fetch():
        await runtime.engine.submit("fetch", video.video_id, {"video_id": video.video_id})
    for video in await expiry.without_thumbnail():
        await take_wanted(runtime, video)
