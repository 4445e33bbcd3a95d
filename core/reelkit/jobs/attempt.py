"""One job from its queue to its end: attempts, waits between them, progress, scratch, and what is told of a failure."""

from __future__ import annotations

import asyncio
import errno
import logging
import shutil
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any, TypeVar

from reelkit.catalog.errors import DatabaseError
from reelkit.interfaces.storage import StorageError, StorageFull
from reelkit.jobs.durable import Durable
from reelkit.jobs.job import JobContext, JobKind, PermanentFailure
from reelkit.jobs.ledger import Ledger
from reelkit.jobs.progress import Progress
from reelkit.jobs.scratch import Scratch

__all__ = ["Attempts", "in_words"]

DEADLY = 3
"""A job under which the process died so many times in a row is not started again. Before the last time it is a suspect."""

BACKOFF = 4.0

TELLINGS = 3
PAUSE = 2.0
"""How often a failure is tried to be told, and seconds in between."""

END_SECONDS = 20.0
"""How long a job may take to end its children when the process stops."""

log = logging.getLogger(__name__)

T = TypeVar("T")

Outcome = dict[str, Any]
"""{"failure": the reason or None, "again": whether another attempt may help}: what the engine keeps of a step."""


class Attempts:
    """Does the jobs that this process has taken, on the event loop that it was launched on."""

    def __init__(self, kinds: Mapping[str, JobKind], durable: Durable, ledger: Ledger, scratch: Scratch) -> None:
        self._stopping = False
        self._kinds = kinds
        self._durable = durable
        self._ledger = ledger
        self._scratch = scratch
        self._tasks: set[asyncio.Task[Any]] = set()
        # The queue counts too, but with a delay in which it may hand over one job too many.
        self._slots = {name: asyncio.Semaphore(kind.concurrency) for name, kind in kinds.items()}
        # Jobs that always die together look alike; one at a time shows which of them kills.
        self._suspects = asyncio.Lock()

    async def run(self, kind: str, key: str, payload: dict[str, Any]) -> Outcome:
        """Do one job: the body of its workflow. After a crash it runs again from the top, over the steps already kept."""
        task = asyncio.current_task()
        assert task is not None
        if self._stopping:
            raise asyncio.CancelledError
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        how = self._kinds.get(kind)
        if how is None:
            return {"failure": f"This site knows no jobs of the kind {kind}."}
        async with self._slots[kind]:
            outcome: Outcome = {"failure": None}
            for number in range(1, how.attempts + 1):
                if number > 1:
                    await self._durable.sleep(how.backoff * BACKOFF ** (number - 2))
                outcome = await self._durable.step("attempt", self._attempt, kind, key, payload, number)
                if outcome["failure"] is None or not outcome["again"]:
                    break
            if outcome["failure"] is not None and how.failed is not None:
                await self._durable.step("failed", self._tell, kind, key, payload, outcome["failure"])
        return {"failure": outcome["failure"]}

    def refuse(self) -> None:
        """Start nothing more; what the queues still hand over stays undone."""
        self._stopping = True

    async def end(self) -> None:
        """Cancel what runs and return when it has stopped, or after a while."""
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks and (late := (await asyncio.wait(tasks, timeout=END_SECONDS))[1]):
            log.error("%d jobs did not stop within %g s", len(late), END_SECONDS)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        # There is a free slot now.
        self._durable.wake()

    async def _attempt(self, kind: str, key: str, payload: dict[str, Any], number: int) -> Outcome:
        id = f"{kind}:{key}"
        interrupted = await patiently(self._ledger.interrupted, id)
        if interrupted >= DEADLY:
            await patiently(self._ledger.end, id)
            return {"failure": f"It stopped the process that ran it {interrupted} times.", "again": False}
        async with self._suspects if interrupted == DEADLY - 1 else nullcontext():
            return await self._try(id, kind, key, payload, number)

    async def _try(self, id: str, kind: str, key: str, payload: dict[str, Any], number: int) -> Outcome:
        await patiently(self._ledger.begin, id)
        scratch = await asyncio.to_thread(self._scratch.make, id)
        progress = Progress(lambda value: self._ledger.report(id, value))
        try:
            await self._kinds[kind].run(JobContext(kind, key, number, scratch, progress.report), payload)
        except PermanentFailure as failure:
            log.info("Job %s failed: %s", id, failure)
            return {"failure": str(failure), "again": False}
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            # Not ours: something that the job awaited was cancelled. Let out, it would look like the end of the process.
            log.exception("Job %s, attempt %d: cancelled from within", id, number)
            return {"failure": "Something that it waited for was cancelled.", "again": True}
        except Exception as error:
            log.exception("Job %s, attempt %d", id, number)
            return {"failure": in_words(error), "again": True}
        finally:
            await progress.stop()
            await asyncio.to_thread(shutil.rmtree, scratch, ignore_errors=True)
            await patiently(self._ledger.end, id)
        return {"failure": None, "again": False}

    async def _tell(self, kind: str, key: str, payload: dict[str, Any], reason: str) -> Outcome:
        failed = self._kinds[kind].failed
        assert failed is not None
        tries = 1
        while tries <= TELLINGS:
            try:
                await failed(payload, reason)
                break
            except DatabaseError as error:
                # Waited out: untold, what failed would look as if it were still being made, for ever.
                log.warning("The failure of job %s:%s is told later: %s", kind, key, error)
            except Exception:
                log.exception("The failure of job %s:%s could not be told", kind, key)
                tries += 1
            await asyncio.sleep(PAUSE)
        return {}


def in_words(error: Exception) -> str:
    """Say why a job failed to whoever uploaded the video. What nobody foresaw is for the log: it names files and hosts."""
    if isinstance(error, StorageFull) or (isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)):
        return "The site has no room left for what is made of the video."
    if isinstance(error, StorageError):
        return "The storage of the site did not do its part."
    # Errors of ours, and of first-party plugins, are written for people.
    ours = type(error).__module__.startswith("reelkit")
    return str(error) if ours and str(error) else "Something went wrong on the site itself; its log says what."


async def patiently(work: Callable[[str], T], id: str) -> T:
    """Ask the ledger, and while its database is away ask again: an outage is not the fault of the job."""
    from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, TimeoutError

    while True:
        try:
            return await asyncio.to_thread(work, id)
        except (InterfaceError, OperationalError, TimeoutError) as error:
            log.warning("Job %s waits for the jobs database: %s", id, error.orig if isinstance(error, DBAPIError) else error)
            await asyncio.sleep(1.0)
