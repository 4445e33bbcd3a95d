"""DBOS, fitted to a server: the only module that imports it, and all that reelkit changes about it.

DBOS keeps each job as a workflow row and hands rows to processes by its queues, whose limits hold for recovered jobs too.
What is changed, because version 3.4 has no setting for it:

- queue threads pause on a QueueClock, so that a job starts when it is submitted and idle polling costs next to nothing;
- `asyncio.to_thread` stays on the event loop's own thread pool, which DBOS would replace by one that it shuts down;
- housekeeping that reelkit does not use (delayed workflows, deadlines) runs twice a minute instead of every second;
- values are kept as JSON instead of pickles.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec

from reelkit.catalog.sqlite import enter_wal
from reelkit.jobs.wake import QueueClock

if TYPE_CHECKING:
    import sqlalchemy
    from dbos import DBOSClient
    from dbos._serialization import Serializer

__all__ = ["SCHEMA", "VERSION", "Durable", "Row"]

SCHEMA = "reelkit_jobs"
"""Where the tables are in Postgres."""

VERSION = "jobs-1"
"""Raise it only when workflows that are under way could not go on under the new code: older ones are then left alone."""

APPLICATION = "reelkit"
WORKFLOW = "reelkit.job"
DISPATCHES = 50
"""DBOS gives a job up after so many; the ledger has noticed a deadly one long before."""

HOUSEKEEPING_SECONDS = 30.0
CHANNEL = "reelkit_jobs"

Body = Callable[[str, str, dict[str, Any]], Awaitable[dict[str, Any]]]
"""A workflow: (kind, key, payload) → its outcome."""


class Row(msgspec.Struct, frozen=True):
    """One workflow. state: DBOS's word for it; outcome: what the workflow returned; error: what it raised."""

    id: str
    state: str
    executor: str | None
    outcome: dict[str, Any] | None = None
    error: str | None = None


class Durable:
    """A connection to the jobs of a site, and, once launched, the threads that run them.

    url: `sqlite:///FILE` or `postgresql://…`. Methods that are not coroutines block and belong in a thread.
    """

    def __init__(self, url: str, poll_seconds: float) -> None:
        self.sqlite = url.startswith("sqlite")
        self.engine: sqlalchemy.Engine
        self._url = url
        self._poll_seconds = poll_seconds
        self._client: DBOSClient
        self._clock: QueueClock | None = None

    def connect(self, create: Callable[[sqlalchemy.Connection], None]) -> None:
        """Open the database, make what is missing in it, then let create() add tables of its own in the same schema."""
        quiet()
        from dbos import DBOS, DBOSClient

        self.engine = open_sqlite(self._url) if self.sqlite else open_postgres(self._url)
        DBOS.migrate(self._url, schema=SCHEMA)
        with self.engine.begin() as connection:
            if not self.sqlite:
                # Two processes that create the same table at once fail in Postgres, even with IF NOT EXISTS.
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock(hashtext('{SCHEMA}'))")
            create(connection)
        self._client = DBOSClient(
            system_database_engine=self.engine,
            dbos_system_schema=SCHEMA,
            serializer=json_serializer(),
            application_name=APPLICATION,
            # Who submits is told of an outage; only running jobs wait for its end.
            retry_connection_errors=False,
        )

    def close(self) -> None:
        """Close the database."""
        self._client.destroy()
        self.engine.dispose()

    def declare_queues(self, concurrency: Mapping[str, int]) -> None:
        """Make the queue of each kind, or change how many of its jobs one process runs at once."""
        for kind, limit in concurrency.items():
            self._client.register_queue(
                kind,
                worker_concurrency=limit,
                polling_interval_sec=self._poll_seconds,
                application_name=APPLICATION,
            )

    def enqueue(self, kind: str, key: str, payload: dict[str, Any], priority: int) -> None:
        """Keep a job, durably; one that exists, in whatever state, stays as it is."""
        options: dict[str, Any] = {
            "workflow_name": WORKFLOW,
            "queue_name": kind,
            "workflow_id": f"{kind}:{key}",
            "app_version": VERSION,
        }
        if priority:
            options["priority"] = priority
        self._client.enqueue(cast(Any, options), kind, key, payload)

    def notify(self) -> None:
        """Wake the worker processes of a cluster."""
        with self.engine.begin() as connection:
            connection.exec_driver_sql(f"NOTIFY {CHANNEL}")

    def hasten(self, kind: str, key: str, priority: int) -> None:
        """Change the priority of a job that waits in its queue; DBOS has no call for it. Others stay as they are."""
        from sqlalchemy import text

        table = "workflow_status" if self.engine.dialect.name == "sqlite" else f"{SCHEMA}.workflow_status"
        change = text(f"UPDATE {table} SET priority = :p WHERE workflow_uuid = :id AND status = 'ENQUEUED'")  # noqa: S608 - ours
        with self.engine.begin() as connection:
            connection.execute(change, {"p": priority, "id": f"{kind}:{key}"})

    def cancel(self, kind: str, key: str) -> None:
        """Cancel a job; one that is unknown or has ended stays as it is."""
        self._client.cancel_workflow(f"{kind}:{key}")

    def row(self, kind: str, key: str) -> Row | None:
        """Return a job, or None if there is none."""
        rows = self.rows(workflow_ids=[f"{kind}:{key}"], load_output=True)
        return rows[0] if rows else None

    def rows(self, load_output: bool = False, **which: Any) -> list[Row]:
        """Return jobs. which: as DBOSClient.list_workflows."""
        return [
            Row(
                id=found.workflow_id,
                state=found.status,
                executor=found.executor_id,
                outcome=found.output,
                error=None if found.error is None else str(found.error),
            )
            for found in self._client.list_workflows(load_input=False, load_output=load_output, **which)
        ]

    def executors(self) -> set[str]:
        """Return the ids of the processes that jobs are running in, or were when they died."""
        return {row.executor for row in self.rows(status="PENDING") if row.executor}

    def delete(self, ids: list[str]) -> None:
        """Forget jobs that have ended."""
        self._client.delete_workflows(ids)

    async def launch(self, executor: str, body: Body) -> None:
        """Become a process that runs jobs, on the running event loop; nothing is started before open().

        executor: an id that no process ever had. At most one Durable a process can be launched (DBOS is a singleton).
        """
        import dbos._dbos as internals
        from dbos import DBOS

        instance = DBOS(
            config={
                "name": APPLICATION,
                "system_database_url": self._url,
                "system_database_engine": self.engine,
                "dbos_system_schema": SCHEMA,
                "application_version": VERSION,
                "executor_id": executor,
                "serializer": json_serializer(),
                "enable_otlp": False,
                "log_level": "WARNING",
                # The threads of what reelkit does not use sleep that long; stopping waits for them.
                "notification_coalesce_sec": 1.0,
                "notification_listener_polling_interval_sec": 1.0,
                "scheduler_polling_interval_sec": 3600.0,
            }
        )
        DBOS.workflow(name=WORKFLOW, max_recovery_attempts=DISPATCHES)(named(body))
        self._clock = fit_queues(internals, instance)
        # Known before launch() looks for it, since launch() blocks and therefore runs in a thread.
        instance._background_event_loop.set_main_loop()
        await asyncio.to_thread(DBOS.launch)

    def open(self) -> None:
        """Let a launched process take jobs."""
        if self._clock is not None:
            self._clock.open()

    def wake(self) -> None:
        """Look for work now. Never blocks; does nothing in a process that was not launched."""
        if self._clock is not None:
            self._clock.wake()

    def recover(self, executors: set[str]) -> None:
        """Put the jobs of dead processes back into their queues. Safe to repeat: it takes only what is still theirs.

        In a process that is not launched, which has no say in it, it does nothing.
        """
        from dbos import DBOS

        if self._clock is not None:
            DBOS._recover_pending_workflows(sorted(executors))

    def stop_taking(self) -> None:
        """Take no more jobs; returns when no queue thread is left. From now on an outage is an error, not waited out."""
        from dbos._dbos import _get_dbos_instance

        if self._clock is not None:
            _get_dbos_instance()._sys_db._retry_connection_errors = False
            self._clock.set()
            self._clock.finished.wait(10.0)

    def land(self) -> None:
        """Undo launch(), also one that failed."""
        from dbos import DBOS

        self._clock = None
        DBOS.destroy(destroy_registry=True)

    @staticmethod
    async def step(name: str, function: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
        """Run one step of a workflow; its outcome is kept and not computed again. Cancelling the job cancels it."""
        from dbos import DBOS

        outcome = await DBOS.run_step_async({"name": name, "preemptible": True}, function, *arguments)
        return cast(dict[str, Any], outcome)

    @staticmethod
    async def sleep(seconds: float) -> None:
        """Let time pass in a workflow; what has passed counts after a restart."""
        from dbos import DBOS

        await DBOS.sleep_async(seconds)


def quiet() -> None:
    """Let DBOS log like any library: warnings, through the root logger."""
    logger = logging.getLogger("dbos")
    if not logger.handlers:
        # Without any, DBOS adds one that prints, and stops propagating.
        logger.addHandler(logging.NullHandler())
        logger.setLevel(logging.WARNING)
        logger.addFilter(expected)


def expected(record: logging.LogRecord) -> bool:
    """Drop what DBOS says when a job is cancelled or a process stops: both are asked for, not faults."""
    message = record.getMessage()
    return not (
        "was cancelled during execution" in message
        or "Asyncio task cancelled for workflow or step" in message
        # It looks whether it must create the database, which needs a right that it need not have.
        or "Could not connect to postgres database to verify existence" in message
        or (record.exc_info and "Cancelled" in type(record.exc_info[1]).__name__)
    )


def open_sqlite(url: str) -> sqlalchemy.Engine:
    """Open the database of an embedded site."""
    import sqlite3

    import sqlalchemy

    path = Path(url.removeprefix("sqlite:///"))
    path.parent.mkdir(parents=True, exist_ok=True)
    # For this user only, as are the files that SQLite puts beside it: jobs may hold addresses that open something.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    # The journal mode belongs to the file: a reader of the status then never waits for a writer.
    with closing(sqlite3.connect(path)) as raw:
        enter_wal(raw)
    engine = sqlalchemy.create_engine(url, pool_size=4, max_overflow=8)

    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = "IMMEDIATE"
        connection.execute("PRAGMA busy_timeout=30000")
        connection.execute("PRAGMA foreign_keys=ON")
        # With a WAL, a killed process loses nothing at NORMAL, a power cut would lose the last commits.
        connection.execute("PRAGMA synchronous=FULL")

    sqlalchemy.event.listen(engine, "connect", prepare)
    return engine


def open_postgres(url: str) -> sqlalchemy.Engine:
    """Open the database of a cluster."""
    import sqlalchemy

    return sqlalchemy.create_engine(
        sqlalchemy.make_url(url).set(drivername="postgresql+psycopg"),
        pool_size=4,
        max_overflow=8,
        pool_pre_ping=True,
        connect_args={"application_name": "reelkit-jobs", "options": f"-c search_path={SCHEMA}"},
    )


def json_serializer() -> Serializer:
    """Keep payloads and outcomes as JSON, which people can read and which runs no code when it is loaded."""
    from dbos._serialization import Serializer

    class JsonSerializer(Serializer):
        def serialize(self, data: Any) -> str:
            return json.dumps(
                {"error": str(data) or type(data).__name__} if isinstance(data, BaseException) else {"value": data}
            )

        def deserialize(self, serialized_data: str) -> Any:
            kept = json.loads(serialized_data)
            return RuntimeError(kept["error"]) if "error" in kept else kept["value"]

        def name(self) -> str:
            return "json"

    return JsonSerializer()


def named(body: Body) -> Body:
    """Give a bound method the shape of a function: DBOS takes methods for those of instances that it must know."""

    async def job(kind: str, key: str, payload: dict[str, Any]) -> dict[str, Any]:
        return await body(kind, key, payload)

    return job


def fit_queues(internals: Any, instance: Any) -> QueueClock:
    """Make the changes to DBOS that the head of this module lists, and return the clock of its queue threads."""
    from dbos import _queue, _workflow_commands

    clock = QueueClock(HOUSEKEEPING_SECONDS)

    def queue_thread(stop: threading.Event, dbos: Any) -> None:
        clock.adopt_manager()
        events = dbos.background_thread_stop_events
        events[events.index(stop)] = clock
        try:
            _queue.queue_thread(clock, dbos)
        finally:
            clock.finished.set()

    async def keep_thread_pool() -> None:
        return None

    internals.queue_thread = queue_thread
    # Called on the class and on the instance.
    type(instance)._configure_asyncio_thread_pool = staticmethod(keep_thread_pool)
    instance._registry.get_internal_queue()._polling_interval_sec = HOUSEKEEPING_SECONDS
    _workflow_commands._BACKGROUND_JOBS_INTERVAL_SEC = HOUSEKEEPING_SECONDS
    return clock
