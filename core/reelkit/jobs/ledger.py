"""What the engine keeps beside DBOS's own tables: progress, starts without an end, and when periodic work last ran."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

__all__ = ["Ledger"]

CREATE = (
    "CREATE TABLE IF NOT EXISTS job_run (id TEXT PRIMARY KEY, interrupted INTEGER NOT NULL, progress REAL NOT NULL)",
    "CREATE TABLE IF NOT EXISTS periodic (name TEXT PRIMARY KEY, started DOUBLE PRECISION NOT NULL)",
)


class Ledger:
    """Small tables in the database of the jobs. Every method blocks; call it in a thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @staticmethod
    def create(connection: Connection) -> None:
        """Make the tables that are missing."""
        for statement in CREATE:
            connection.exec_driver_sql(statement)

    def interrupted(self, id: str) -> int:
        """Return how many of the latest starts, one after the other, had no end.

        A start without an end means that the process died in it: a job for which that happens again and again
        kills its process.
        """
        row = self._run("SELECT interrupted FROM job_run WHERE id = :id", id=id)
        return int(row or 0)

    def begin(self, id: str) -> None:
        """Note that an attempt starts."""
        self._run(
            "INSERT INTO job_run (id, interrupted, progress) VALUES (:id, 1, 0)"
            " ON CONFLICT (id) DO UPDATE SET interrupted = job_run.interrupted + 1, progress = 0 RETURNING 1",
            id=id,
        )

    def end(self, id: str) -> None:
        """Note that an attempt ended, whether well or not."""
        self._run("UPDATE job_run SET interrupted = 0 WHERE id = :id RETURNING 1", id=id)

    def report(self, id: str, progress: float) -> None:
        """Set how much of a job is done, 0..1."""
        self._run(
            "UPDATE job_run SET progress = :progress WHERE id = :id RETURNING 1",
            id=id,
            progress=progress,
        )

    def progress(self, id: str) -> float:
        """Return how much of a job is done, 0..1; 0 for one that never started."""
        row = self._run("SELECT progress FROM job_run WHERE id = :id", id=id)
        return float(row or 0.0)

    def forget(self, ids: list[str]) -> None:
        """Drop what is known about these jobs."""
        for id in ids:
            self._run("DELETE FROM job_run WHERE id = :id RETURNING 1", id=id)

    def due(self, name: str, every_seconds: float) -> bool:
        """Claim one run of periodic work: true for exactly one process in every_seconds, also over restarts."""
        now = time.time()
        claimed = self._run(
            "INSERT INTO periodic (name, started) VALUES (:name, :now)"
            " ON CONFLICT (name) DO UPDATE SET started = excluded.started"
            # A clock that was set back must not stop the work until it has caught up.
            " WHERE periodic.started <= :before OR periodic.started > :impossible RETURNING 1",
            name=name,
            now=now,
            impossible=now + 3600.0,
            before=now - every_seconds,
        )
        return claimed is not None

    def _run(self, statement: str, **values: str | float) -> str | float | None:
        from sqlalchemy import text

        with self._engine.begin() as connection:
            value: str | float | None = connection.execute(text(statement), values).scalar()
        return value
