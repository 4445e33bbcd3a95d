"""Captions, chapters, and the summaries of videos.

Captions and chapters are one table: files of text that run beside a video, one of a kind and language. Their bytes are in
storage, under a new key for each upload.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

__all__ = ["statements"]


def statements(engine: Literal["sqlite", "postgres"]) -> Sequence[str]:
    """Return the SQL of this step."""
    text = "TEXT" if engine == "sqlite" else 'TEXT COLLATE "C"'
    scope = f"project {text} NOT NULL, environment {text} NOT NULL CHECK (environment IN ('production', 'sandbox'))"
    video = "FOREIGN KEY (project, environment, video_id) REFERENCES video (project, environment, id) ON DELETE CASCADE"
    return [
        f"""
        CREATE TABLE text_track (
            id {text} PRIMARY KEY,
            {scope},
            video_id {text} NOT NULL,
            kind {text} NOT NULL CHECK (kind IN ('caption', 'chapter')),
            language {text} NOT NULL,
            shown BOOLEAN NOT NULL,
            well_formed BOOLEAN NOT NULL,
            storage_key {text} NOT NULL,
            size BIGINT NOT NULL,
            created_at TIMESTAMPTZ NOT NULL,
            updated_at TIMESTAMPTZ NOT NULL,
            UNIQUE (video_id, kind, language),
            {video}
        )""",
        f"""
        CREATE TABLE summary (
            id {text} PRIMARY KEY,
            {scope},
            video_id {text} NOT NULL UNIQUE,
            origin {text} NOT NULL CHECK (origin IN ('api', 'auto')),
            source_status {text} NOT NULL
                CHECK (source_status IN ('missing', 'waiting', 'failed', 'completed', 'unprocessable')),
            attributes JSONB NOT NULL,
            abstract {text},
            takeaways JSONB NOT NULL,
            failure {text},
            created_at TIMESTAMPTZ NOT NULL,
            updated_at TIMESTAMPTZ NOT NULL,
            {video}
        )""",
        "CREATE INDEX summary_created ON summary (project, environment, created_at, id)",
        "CREATE INDEX summary_updated ON summary (project, environment, updated_at, id)",
        # Not only of those that wait: SQLite matches no condition of an index to a bound value.
        "CREATE INDEX summary_status ON summary (source_status, created_at)",
    ]
