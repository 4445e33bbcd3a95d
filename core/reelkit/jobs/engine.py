"""The job engine: work that is finished by someone, whatever dies meanwhile.

A site on SQLite is embedded: of all its processes that may run jobs, the one that holds a lock file does, and another one
takes the lock within a second of its death. A site on Postgres is a cluster: every worker process runs jobs, and what a
silent one leaves is taken over (lease.py). Everybody else submits, asks and cancels.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import uuid4

from reelkit.jobs.attempt import Attempts
from reelkit.jobs.doorbell import Doorbell, ring
from reelkit.jobs.durable import Durable, Row
from reelkit.jobs.job import JobFunction, JobKind, JobState, JobStatus
from reelkit.jobs.lease import LeaseKeeper
from reelkit.jobs.ledger import Ledger
from reelkit.jobs.lock import FileLock
from reelkit.jobs.periodic import Periodic
from reelkit.jobs.scratch import Scratch
from reelkit.site import Site

__all__ = ["JobEngine", "JobsUnavailable"]

TAKEOVER_SECONDS = 1.0
"""How often a process of an embedded site tries for the lock."""

EMBEDDED_POLL_SECONDS = 10.0
CLUSTER_POLL_SECONDS = 5.0
"""How often a queue is looked at when nobody rings; only work that a wake-up got lost for waits so long."""

KEEP_SECONDS = 30 * 86400.0
"""How long jobs that have ended are remembered."""

STATES: dict[str, JobState] = {"ENQUEUED": "queued", "DELAYED": "queued", "PENDING": "running", "CANCELLED": "cancelled"}

log = logging.getLogger(__name__)

T = TypeVar("T")


class JobsUnavailable(RuntimeError):
    """The database of the jobs cannot be used; the text says why."""


class JobEngine:
    """Runs the jobs of a site, or hands them to the processes that do.

    kinds: the same in every process of the site; a bare function is a kind that runs one job at a time.
    """

    def __init__(self, site: Site, kinds: Mapping[str, JobKind | JobFunction]) -> None:
        self.site = site
        self.kinds = {name: kind if isinstance(kind, JobKind) else JobKind(kind) for name, kind in kinds.items()}
        self.embedded = site.database.url.startswith("sqlite")
        self._durable = Durable(
            f"sqlite:///{site.data / 'jobs.sqlite'}" if self.embedded else site.database.url,
            EMBEDDED_POLL_SECONDS if self.embedded else CLUSTER_POLL_SECONDS,
        )
        self._lock = FileLock(site.data / "jobs.lock")
        self._bell = site.data / "jobs.wake"
        self._scratch = Scratch(site.data / "scratch")
        self._parts: AsyncExitStack | None = None
        self._periodic: Periodic | None = None
        self._plans: list[tuple[str, float, Callable[[], Awaitable[None]]]] = []
        self._waiting: asyncio.Task[None] | None = None
        self._launching: asyncio.Future[None] | None = None

    @property
    def running(self) -> bool:
        """Whether this process runs jobs now."""
        return self._parts is not None

    async def start(self, run: bool = True) -> None:
        """Connect, and with run=True run jobs: at once, or as soon as no other process of an embedded site does.

        Raises JobsUnavailable.
        """
        await asyncio.to_thread(self._connect)
        self.schedule("reelkit.forget-jobs", 86400.0, self.forget)
        if not run:
            return
        if self.embedded and not self._lock.acquire():
            self._waiting = asyncio.create_task(self._wait_for_lock(), name="reelkit-jobs-takeover")
            return
        try:
            await self._launch()
        except BaseException:
            self._lock.release()
            raise

    async def stop(self) -> None:
        """Stop running jobs, which go back into their queues, and disconnect."""
        if self._waiting is not None:
            self._waiting.cancel()
            await asyncio.gather(self._waiting, return_exceptions=True)
            self._waiting = None
        if self._launching is not None:
            await asyncio.gather(self._launching, return_exceptions=True)
            self._launching = None
        if self._parts is not None:
            parts, self._parts, self._periodic = self._parts, None, None
            await parts.aclose()
        self._lock.release()
        await asyncio.to_thread(self._durable.close)

    async def submit(self, kind: str, key: str, payload: dict[str, Any], priority: int = 0) -> None:
        """Keep a job, durably, and have it started. The same kind and key again are the same job, even one that has ended.

        payload: JSON values. priority: of one kind, jobs with a smaller number start first. Raises JobsUnavailable,
        KeyError for an unknown kind, TypeError for a payload that is not JSON.
        """
        self.kinds[kind]
        try:
            await asyncio.to_thread(self._durable.enqueue, kind, key, payload, priority)
        except TypeError:  # no JSON: a fault of the caller
            raise
        except Exception as error:
            raise JobsUnavailable(f"The job {kind}:{key} could not be kept: {said(error)}") from error
        self._durable.wake()
        if not self.embedded or not self.running:
            await asyncio.to_thread(self._wake_others)

    async def hasten(self, kind: str, key: str, priority: int = 0) -> None:
        """Give a job that still waits another priority; one that runs, has ended or is unknown stays as it is.

        Raises JobsUnavailable.
        """
        await self._asked(self._durable.hasten, kind, key, priority)

    async def cancel(self, kind: str, key: str) -> None:
        """Have a job not run, or stop it within about a second, its child processes included. Others keep their state.

        Returns at once; what the job was doing may still be winding up. Raises JobsUnavailable.
        """
        await self._asked(self._durable.cancel, kind, key)

    async def status(self, kind: str, key: str) -> JobStatus | None:
        """Tell where a job stands, from any process; None if there is none. Raises JobsUnavailable."""
        return await self._asked(self._status, kind, key)

    async def wait(self, kind: str, key: str, timeout: float | None = None) -> JobStatus:
        """Return how a job ended. timeout: seconds. Raises TimeoutError, LookupError for no such job, JobsUnavailable."""
        deadline = None if timeout is None else time.monotonic() + timeout
        pause = 0.02
        while True:
            status = await self.status(kind, key)
            if status is None:
                raise LookupError(f"There is no job {kind}:{key}.")
            if status.final:
                return status
            if deadline is not None and time.monotonic() + pause > deadline:
                raise TimeoutError(f"Job {kind}:{key} is {status.state} after {timeout} s.")
            await asyncio.sleep(pause)
            pause = min(0.5, pause * 1.5)

    def schedule(self, name: str, every_seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        """Have work done every so often by one of the processes that run jobs; it must be shorter than its interval.

        name: one for the whole site. When it last ran outlives restarts. What it raises is logged.
        """
        self._plans.append((name, every_seconds, work))
        if self._periodic is not None:
            self._periodic.add(name, every_seconds, work)

    async def check(self) -> None:
        """Return when jobs can be submitted. Raises JobsUnavailable."""
        await self._asked(self._durable.row, "", "")

    async def forget(self) -> None:
        """Drop jobs that ended long ago; their keys can be used again. Done once a day by itself."""
        before = (datetime.now(UTC) - timedelta(seconds=KEEP_SECONDS)).isoformat()

        def forget() -> int:
            rows = self._durable.rows(completed_before=before, limit=1000)
            ids = [row.id for row in rows]
            if ids:
                self._durable.delete(ids)
                self._ledger.forget(ids)
            return len(ids)

        while await asyncio.to_thread(forget) == 1000:
            pass

    async def _asked(self, work: Callable[..., T], *arguments: Any) -> T:
        """Ask the database of the jobs, in a thread. Raises JobsUnavailable."""
        try:
            return await asyncio.to_thread(work, *arguments)
        except Exception as error:
            raise JobsUnavailable(f"The jobs database does not answer: {said(error)}") from error

    def _connect(self) -> None:
        self.site.data.mkdir(parents=True, exist_ok=True)

        def create(connection: Any) -> None:
            Ledger.create(connection)
            if not self.embedded:
                LeaseKeeper.create(connection)

        try:
            self._durable.connect(create)
        except Exception as error:
            raise JobsUnavailable(f"The jobs database cannot be opened: {said(error)}") from error
        self._ledger = Ledger(self._durable.engine)

    async def _wait_for_lock(self) -> None:
        while not await self._take_over():  # noqa: ASYNC110 - the holder is another process, it sets no event of ours
            await asyncio.sleep(TAKEOVER_SECONDS)

    async def _take_over(self) -> bool:
        if not self._lock.acquire():
            return False
        log.info("Process %d runs the jobs of %s from now on.", os.getpid(), self.site.folder)
        # Not left halfway when stop() comes meanwhile: that waits, and then undoes it.
        self._launching = asyncio.ensure_future(self._launch())
        try:
            await asyncio.shield(self._launching)
        except Exception:
            log.exception("Process %d cannot run the jobs of %s", os.getpid(), self.site.folder)
            self._lock.release()
            return False
        return True

    async def _launch(self) -> None:
        """Become a process that runs jobs; what was done for it is undone in reverse order, by stop() or a failure here."""
        async with AsyncExitStack() as parts:
            # Never used twice: what a dead process left is known by its id.
            executor = f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}"
            concurrency = {name: kind.concurrency for name, kind in self.kinds.items()}
            await asyncio.to_thread(self._scratch.open)
            parts.push_async_callback(asyncio.to_thread, self._scratch.close)
            await asyncio.to_thread(self._durable.declare_queues, concurrency)
            if not self.embedded:
                keeper = await asyncio.to_thread(self._keep_lease, executor)
                parts.push_async_callback(asyncio.to_thread, keeper.stop)
            attempts = Attempts(self.kinds, self._durable, self._ledger, self._scratch)
            parts.push_async_callback(asyncio.to_thread, self._durable.land)
            await self._durable.launch(executor, attempts.run)
            parts.push_async_callback(self._put_back, executor)
            parts.push_async_callback(attempts.end)
            parts.push_async_callback(asyncio.to_thread, self._durable.stop_taking)
            parts.callback(attempts.refuse)
            if self.embedded:
                # Whoever holds the lock is alone, so whatever runs elsewhere does not run at all.
                if orphaned := await asyncio.to_thread(self._durable.executors):
                    await asyncio.to_thread(self._durable.recover, orphaned)
                doorbell = Doorbell(self._bell, self._durable.wake)
                doorbell.open()
                parts.callback(doorbell.close)
            self._periodic = Periodic(self._ledger)
            parts.push_async_callback(self._periodic.stop)
            for plan in self._plans:
                self._periodic.add(*plan)
            self._durable.open()
            self._parts = parts.pop_all()

    def _keep_lease(self, executor: str) -> LeaseKeeper:
        keeper = LeaseKeeper(
            self.site.database.url,
            executor,
            self.site.jobs.lease_seconds,
            running=self._durable.executors,
            recover=self._durable.recover,
            wake=self._durable.wake,
        )
        if not keeper.begin(timeout=30.0):
            keeper.stop()
            raise JobsUnavailable("This worker could not enter itself into the jobs database within 30 s.")
        return keeper

    async def _put_back(self, executor: str) -> None:
        try:
            await asyncio.to_thread(self._durable.recover, {executor})
            await asyncio.to_thread(self._wake_others)
        except Exception:
            log.exception("The jobs of this process could not be put back; another one takes them over")

    def _wake_others(self) -> None:
        # The job is kept already; without a wake-up it starts at the next look into the queue.
        try:
            if self.embedded:
                ring(self._bell)
            else:
                self._durable.notify()
        except Exception:
            log.warning("The processes that run jobs could not be woken", exc_info=True)

    def _status(self, kind: str, key: str) -> JobStatus | None:
        row = self._durable.row(kind, key)
        if row is None:
            return None
        state, failure = read(row)
        progress = 1.0 if state == "done" else self._ledger.progress(row.id)
        return JobStatus(state=state, progress=progress, failure=failure)


def read(row: Row) -> tuple[JobState, str | None]:
    """Translate what DBOS knows of a job: its state, and the reason if it failed."""
    if row.state in STATES:
        return STATES[row.state], None
    if row.state == "SUCCESS":
        failure = (row.outcome or {}).get("failure")
        return ("done", None) if failure is None else ("failed", failure)
    if row.state == "MAX_RECOVERY_ATTEMPTS_EXCEEDED":
        return "failed", "It stopped the process that ran it again and again."
    return "failed", row.error or "It failed for an unknown reason."


def said(error: Exception) -> str:
    """Return the first line of a database error, without the statement and its values, which are not for everybody."""
    return str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
