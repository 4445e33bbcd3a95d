"""What happened and is not told yet, written in the transaction in which it happened; and wishes for captions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

__all__ = ["statements"]


def statements(engine: Literal["sqlite", "postgres"]) -> Sequence[str]:
    """Return the SQL of this step."""
    text = "TEXT" if engine == "sqlite" else 'TEXT COLLATE "C"'
    # Few rows, each for a moment; they outlive what they are about, since it may be that it was deleted.
    return [
        f"""
        CREATE TABLE untold_event (
            id {text} PRIMARY KEY,
            project {text} NOT NULL,
            environment {text} NOT NULL CHECK (environment IN ('production', 'sandbox')),
            event {text} NOT NULL,
            webhooks_noted BOOLEAN NOT NULL,
            created_at TIMESTAMPTZ NOT NULL,
            taken_at TIMESTAMPTZ NOT NULL
        )""",
        "CREATE INDEX untold_event_taken ON untold_event (taken_at)",
        f"""
        CREATE TABLE transcript (
            video_id {text} PRIMARY KEY,
            id {text} NOT NULL UNIQUE,
            project {text} NOT NULL,
            environment {text} NOT NULL CHECK (environment IN ('production', 'sandbox')),
            status {text} NOT NULL CHECK (status IN ('waiting', 'completed', 'failed', 'unprocessable')),
            language {text},
            caption_id {text},
            failure {text},
            created_at TIMESTAMPTZ NOT NULL,
            updated_at TIMESTAMPTZ NOT NULL,
            FOREIGN KEY (project, environment, video_id) REFERENCES video (project, environment, id) ON DELETE CASCADE
        )""",
        "CREATE INDEX transcript_status ON transcript (status, created_at)",
    ]
