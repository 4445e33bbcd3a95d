"""How many bytes of media each key has taken in each month."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

__all__ = ["statements"]


def statements(engine: Literal["sqlite", "postgres"]) -> Sequence[str]:
    """Return the SQL of this step. month: e.g. `2026-11`, UTC; a row outlives its key, which may be none of the table."""
    text = "TEXT" if engine == "sqlite" else 'TEXT COLLATE "C"'
    return [
        f"""
        CREATE TABLE key_usage (
            id {text} PRIMARY KEY,
            key_id {text} NOT NULL,
            project {text} NOT NULL,
            environment {text} NOT NULL CHECK (environment IN ('production', 'sandbox')),
            month {text} NOT NULL,
            bytes BIGINT NOT NULL
        )""",
        "CREATE INDEX key_usage_of_key ON key_usage (project, environment, key_id, month)",
    ]
