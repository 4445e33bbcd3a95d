"""What follows the last byte of a source, however it came: its file is looked into."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from reelkit.catalog import work
from reelkit.catalog.sources import Source
from reelkit.interfaces.storage import StorageFull, StorageUnavailable
from reelkit.jobs.announce import Noted, announce
from reelkit.jobs.engine import JobsUnavailable
from reelkit.jobs.runtime import Runtime
from reelkit.problems import InvalidFile, StorageFailing, StorageIsFull

__all__ = ["look_into", "storage_told"]

VERDICT = 1.5
"""Seconds for which an answer waits for the first look into the file, so that a bad one is refused at once."""

log = structlog.get_logger("reelkit.uploads")


async def look_into(runtime: Runtime, source: Source, happened: Noted) -> None:
    """Have the file probed and indexed, and wait a moment for the outcome. Raises InvalidFile when it is already known bad.

    happened: what was noted when the last byte was, told now.
    From here on the bytes are acknowledged: a job that cannot be kept now is kept by the next sweep.
    """
    try:
        await runtime.engine.submit("ingest", source.id, {"source_id": source.id})
    except Exception as error:
        log.error("ingest is submitted later", source=source.id, exc_info=error)
        return
    finally:
        await announce(runtime, happened)
    try:
        outcome = await runtime.engine.wait("ingest", source.id, VERDICT)
    except (TimeoutError, LookupError, JobsUnavailable):
        return
    if outcome.state == "failed":
        reason = outcome.failure or "The file cannot be read."
        # Whoever reads the answer may upload again at once.
        await work.fail_source(source.id, reason)
        raise InvalidFile(name="file", detail=reason)


@contextmanager
def storage_told(of: str) -> Iterator[None]:
    """Turn what a storage raises into StorageIsFull or StorageFailing. of: an id, for the log."""
    try:
        yield
    except StorageFull as error:
        raise StorageIsFull(name="file") from error
    except StorageUnavailable as error:
        log.error("storage failed", of=of, error=str(error))
        raise StorageFailing(name="file") from error
