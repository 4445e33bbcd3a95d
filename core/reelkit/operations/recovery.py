"""What a dead process left: uploads nobody feeds, sources no job looks into, events nobody tells, bytes nobody refers to."""

from __future__ import annotations

import fcntl
import os
from datetime import timedelta
from pathlib import Path

import structlog

from reelkit.api.removal import remove
from reelkit.catalog import doomed, transcripts, work
from reelkit.interfaces.storage import Storage, StorageUnavailable
from reelkit.jobs.announce import tell_what_is_left
from reelkit.jobs.captions import caption_what_waits
from reelkit.jobs.runtime import Runtime
from reelkit.jobs.summary import submit_summary

__all__ = ["EVERY", "Presence", "recover", "sweep"]

EVERY = 30.0
"""Seconds between two looks."""

log = structlog.get_logger("reelkit.recovery")


class Presence:
    """Says that a process that takes uploads is alive, by a lock that the kernel drops when it dies."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = -1

    def enter(self) -> bool:
        """Be present; True when no other process of this machine is, so that no upload can be under way."""
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            alone = True
        except BlockingIOError:
            alone = False
        fcntl.flock(self._file, fcntl.LOCK_SH)
        return alone

    def leave(self) -> None:
        """Be gone."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


async def recover(runtime: Runtime, alone: bool = False) -> None:
    """Mend what is left over; safe at any time and from several processes. alone: nobody else takes uploads."""
    uploads = await (work.fail_abandoned_uploads(timedelta(0)) if alone else work.fail_abandoned_uploads())
    for source in uploads:
        log.warning("an upload was interrupted", video=source.video_id, source=source.id)
    for source in await work.unfinished_sources():
        # The same job twice is one job.
        await runtime.engine.submit("ingest", source.id, {"source_id": source.id})
    for waiting in await work.waiting_summaries():
        await submit_summary(runtime, waiting)
    for wish in await transcripts.waiting():
        await caption_what_waits(runtime, wish)
    await tell_what_is_left(runtime, alone)
    await sweep(runtime.storage)


async def sweep(storage: Storage) -> None:
    """Remove the bytes that were let go of. What cannot be removed now is tried again the next time."""
    last = None
    while notes := await doomed.pending(last):
        for last in notes:
            try:
                await remove(storage, last.prefix)
            except StorageUnavailable as error:
                log.warning("bytes are removed later", error=str(error))
                return
            except Exception as error:
                # One that can never be removed must not keep the others from it.
                log.warning("bytes are removed later", prefix=last.prefix, error=str(error))
                continue
            await doomed.done(last)
