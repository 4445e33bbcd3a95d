"""Takeover in a cluster: every worker beats one row, and what a silent one was doing goes back into the queues.

DBOS leaves this to a service of its maker; here a thread of each worker does it, on a connection of its own.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from reelkit.jobs.durable import CHANNEL, SCHEMA

if TYPE_CHECKING:
    import psycopg
    from sqlalchemy import Connection

__all__ = ["LeaseKeeper"]

LOST = 75
"""Exit status (EX_TEMPFAIL) of a worker whose jobs were taken over: start it again."""

log = logging.getLogger(__name__)


class LeaseKeeper(threading.Thread):
    """Beats this worker's row, recovers the jobs of silent workers, and wakes this worker when jobs are submitted.

    A worker is dead when its row was not beaten for lease_seconds, by the clock of the database. It may only have been
    frozen; when it comes back and finds its row gone, it exits at once, so that nothing runs twice for long.
    """

    def __init__(
        self,
        url: str,
        worker: str,
        lease_seconds: float,
        *,
        running: Callable[[], set[str]],
        recover: Callable[[set[str]], None],
        wake: Callable[[], None],
    ) -> None:
        super().__init__(name="reelkit-lease", daemon=True)
        self._url = url
        self._worker = worker
        self._lease = lease_seconds
        self._running = running
        self._recover = recover
        self._wake = wake
        self._known = False
        self._stopping = threading.Event()
        self._registered = threading.Event()

    @staticmethod
    def create(connection: Connection) -> None:
        """Make the table if it is missing."""
        connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS worker (id TEXT PRIMARY KEY, beat TIMESTAMPTZ NOT NULL)")

    def begin(self, timeout: float) -> bool:
        """Start, and tell whether the row was there in time: only then may the worker take jobs."""
        self.start()
        return self._registered.wait(timeout)

    def stop(self) -> None:
        """End the thread. Blocks up to a quarter of the lease. The row goes too: whatever still runs is taken over."""
        self._stopping.set()
        self.join(self._lease)

    def run(self) -> None:
        """Keep the lease until stopped, through outages of the database."""
        import psycopg

        while not self._stopping.is_set():
            try:
                with psycopg.connect(
                    self._url,
                    autocommit=True,
                    connect_timeout=max(2, int(self._lease)),
                    application_name="reelkit-lease",
                    # A connection that hangs is worse than one that breaks: the lease would run out unnoticed.
                    tcp_user_timeout=int(self._lease * 500),
                    options=f"-c search_path={SCHEMA} -c statement_timeout={int(self._lease * 500)}",
                ) as connection:
                    self._keep(connection)
            except Exception as error:
                log.warning("The lease of worker %s cannot be renewed: %s", self._worker, str(error).strip())
                self._stopping.wait(self._lease / 8)

    def _keep(self, connection: psycopg.Connection) -> None:
        connection.execute(f"LISTEN {CHANNEL}")
        pause = self._lease / 4
        # After an outage, its own included, everybody gets one lease to come back before anybody is taken for dead.
        since = beaten = time.monotonic()
        while not self._stopping.is_set():
            self._beat(connection)
            now = time.monotonic()
            if now - beaten > self._lease / 2:
                since = now
            beaten = now
            if now - since > self._lease:
                self._sweep(connection)
            while (left := beaten + pause - time.monotonic()) > 0 and not self._stopping.is_set():
                # Short, so that stop() need not wait long.
                for _ in connection.notifies(timeout=min(left, 1.0), stop_after=1):
                    self._wake()
        connection.execute("DELETE FROM worker WHERE id = %s", (self._worker,))
        connection.execute(f"NOTIFY {CHANNEL}")

    def _beat(self, connection: psycopg.Connection) -> None:
        if not self._known:
            connection.execute("INSERT INTO worker (id, beat) VALUES (%s, now())", (self._worker,))
            self._known = True
            self._registered.set()
            return
        found = connection.execute("UPDATE worker SET beat = now() WHERE id = %s RETURNING 1", (self._worker,)).fetchone()
        if found is None:
            log.critical("Worker %s was silent for too long; others took over its jobs, so it ends now.", self._worker)
            with suppress(Exception):
                logging.shutdown()
            os._exit(LOST)

    def _sweep(self, connection: psycopg.Connection) -> None:
        """Recover what dead workers left; one worker at a time does it."""
        lock = f"hashtext('{SCHEMA}.sweep')"
        taken = connection.execute(f"SELECT pg_try_advisory_lock({lock})").fetchone()
        if not (taken and taken[0]):
            return
        try:
            # Gone first, so that a worker which comes back meanwhile ends instead of going on.
            connection.execute("DELETE FROM worker WHERE beat < now() - make_interval(secs => %s)", (self._lease,))
            # In this order: a worker has its row before it has a job, so one that starts now cannot look orphaned.
            running = self._running()
            alive = {row[0] for row in connection.execute("SELECT id FROM worker")}
            if orphaned := running - alive:
                log.warning("Taking over the jobs of dead workers: %s", ", ".join(sorted(orphaned)))
                self._recover(orphaned)
                connection.execute(f"NOTIFY {CHANNEL}")
        finally:
            connection.execute(f"SELECT pg_advisory_unlock({lock})")
