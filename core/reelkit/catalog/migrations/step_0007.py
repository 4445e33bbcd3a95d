"""Live streams."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

__all__ = ["statements"]


def statements(engine: Literal["sqlite", "postgres"]) -> Sequence[str]:
    """Return the SQL of this step."""
    text = "TEXT" if engine == "sqlite" else 'TEXT COLLATE "C"'
    scope = f"project {text} NOT NULL, environment {text} NOT NULL CHECK (environment IN ('production', 'sandbox'))"
    return [
        f"""
        CREATE TABLE live_stream (
            id {text} PRIMARY KEY,
            {scope},
            name {text} NOT NULL,
            name_folded {text} NOT NULL,
            stream_key {text} NOT NULL UNIQUE,
            public BOOLEAN NOT NULL,
            player_id {text},
            broadcasting BOOLEAN NOT NULL,
            restreams JSONB NOT NULL,
            thumbnail_key {text},
            created_at TIMESTAMPTZ NOT NULL,
            updated_at TIMESTAMPTZ NOT NULL,
            UNIQUE (project, environment, id)
        )""",
        "CREATE INDEX live_stream_created ON live_stream (project, environment, created_at, id)",
        "CREATE INDEX live_stream_updated ON live_stream (project, environment, updated_at, id)",
        "CREATE INDEX live_stream_name ON live_stream (project, environment, name_folded, id)",
    ]
