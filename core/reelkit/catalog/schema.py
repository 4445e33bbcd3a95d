"""Bringing a database to the schema that this code expects.

Piccolo's own migrations were tried: two processes that start at once run the same step twice ("table already exists" in
two of three tries), a step and the note that it ran are not one transaction, SQLite gets no new index, and they need a
configuration module found by an environment variable. So the steps are plain SQL in `migrations/`, each run with its
note in one transaction that holds a lock.
"""

from __future__ import annotations

from typing import Any

import msgspec

from reelkit.catalog.errors import SchemaMismatch
from reelkit.catalog.migrations import STEPS, Step

__all__ = ["Progress", "migrate", "progress"]

LOCK = 0x7265656C6B6974
"""The number of the Postgres advisory lock: "reelkit"."""


class Progress(msgspec.Struct, frozen=True):
    """How far a database is. done: number of the last step that ran, 0 when empty; pending: the steps to come."""

    done: int
    pending: tuple[Step, ...]


async def progress(engine: Any) -> Progress:
    """Tell how far a database is. Raises SchemaMismatch when a newer reelkit was here."""
    # Not to_regclass(): behind a wait for the lock it may still answer from a cache of before.
    known = (
        "EXISTS (SELECT 1 FROM pg_catalog.pg_tables WHERE tablename = 'schema_step'"
        " AND schemaname = ANY (current_schemas(false)))"
    )
    if engine.engine_type == "sqlite":
        known = "EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'schema_step')"
    done = 0
    if (await engine.fetch(f"SELECT {known} AS known"))[0]["known"]:
        done = (await engine.fetch("SELECT COALESCE(MAX(number), 0) AS done FROM schema_step"))[0]["done"]
    if done > STEPS[-1].number:
        raise SchemaMismatch(
            f"The database was migrated to step {done} by a newer reelkit; this one knows steps up to {STEPS[-1].number}. "
            "Install the newer version again, or restore the backup made before it."
        )
    return Progress(done, tuple(step for step in STEPS if step.number > done))


async def migrate(engine: Any) -> list[Step]:
    """Run the missing steps and return them; processes that do it at once wait for each other. Raises SchemaMismatch."""
    ran: list[Step] = []
    while True:
        async with engine.transaction():
            # On SQLite the transaction itself is the lock.
            if engine.engine_type == "postgres":
                await engine.fetch("SELECT pg_advisory_xact_lock($1)", [LOCK])
            now = await progress(engine)
            if not now.pending:
                return ran
            step = now.pending[0]
            await engine.fetch(
                "CREATE TABLE IF NOT EXISTS schema_step"
                " (number BIGINT PRIMARY KEY, name TEXT NOT NULL, applied_at TIMESTAMPTZ DEFAULT CURRENT_TIMESTAMP)"
            )
            for statement in step.statements(engine.engine_type):
                await engine.fetch(statement)
            mark = "?, ?" if engine.engine_type == "sqlite" else "$1, $2"
            await engine.fetch(
                f"INSERT INTO schema_step (number, name) VALUES ({mark})",  # noqa: S608 (our own constants)
                [step.number, step.name],
            )
        ran.append(step)
