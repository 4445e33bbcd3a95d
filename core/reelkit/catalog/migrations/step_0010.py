"""Requests of people who want a key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

__all__ = ["statements"]


def statements(engine: Literal["sqlite", "postgres"]) -> Sequence[str]:
    """Return the SQL of this step."""
    text = "TEXT" if engine == "sqlite" else 'TEXT COLLATE "C"'
    return [
        f"""
        CREATE TABLE access_request (
            id {text} PRIMARY KEY,
            project {text} NOT NULL,
            environment {text} NOT NULL CHECK (environment IN ('production', 'sandbox')),
            name {text} NOT NULL,
            email {text} NOT NULL,
            purpose {text} NOT NULL,
            status {text} NOT NULL CHECK (status IN ('waiting', 'approved', 'refused')),
            key_id {text},
            created_at TIMESTAMPTZ NOT NULL,
            decided_at TIMESTAMPTZ
        )""",
        "CREATE INDEX access_request_status ON access_request (project, environment, status, created_at)",
    ]
