"""What dead processes and lost clients left of uploads in parts: joined, or forgotten by catalog and storage alike."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import structlog

from reelkit.api.parts import join
from reelkit.api.parts_open import forget
from reelkit.api.tus_concat import concatenate
from reelkit.catalog import parts_sweep, sources
from reelkit.jobs.runtime import Runtime
from reelkit.problems import Problem

__all__ = ["EVERY", "mend_uploads"]

EVERY = 60.0
"""Seconds between two looks."""

log = structlog.get_logger("reelkit.uploads")


async def mend_uploads(runtime: Runtime, alone: bool = False) -> None:
    """Join what is whole, let go of what was not finished in time, forget what leads nowhere. May run in several processes.

    alone: no other process takes uploads, so that no part is on its way.
    """
    if alone:
        await parts_sweep.clear_claims()
    for upload in await parts_sweep.whole_but_not_joined():
        try:
            if await join(runtime, upload):
                log.info("an upload was joined after its process had died", video=upload.video_id)
        except Problem as problem:
            log.warning("an upload could not be joined", video=upload.video_id, error=str(problem))
        except Exception as error:
            log.error("an upload is joined later", video=upload.video_id, exc_info=error)
    for upload in await parts_sweep.unjoined_finals():
        await concatenate(runtime, upload)
    for upload in await parts_sweep.expired(datetime.now(UTC) - timedelta(days=runtime.site.videos.abandoned_days)):
        log.info("an upload was not finished in time", video=upload.video_id, upload=upload.id)
        if upload.source_id is not None:
            await sources.remove(upload.scope, upload.source_id)
        await forget(runtime, upload)
    for upload in await parts_sweep.forgettable():
        await forget(runtime, upload)
