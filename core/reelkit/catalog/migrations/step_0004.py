"""Upload tokens, uploads that arrive in parts, and the parts.

An upload outlives its source on purpose: its row is what says that the storage still holds parts to forget.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

__all__ = ["statements"]


def statements(engine: Literal["sqlite", "postgres"]) -> Sequence[str]:
    """Return the SQL of this step."""
    text = "TEXT" if engine == "sqlite" else 'TEXT COLLATE "C"'
    scope = f"project {text} NOT NULL, environment {text} NOT NULL CHECK (environment IN ('production', 'sandbox'))"
    return [
        "ALTER TABLE source ADD COLUMN resumable BOOLEAN NOT NULL DEFAULT FALSE",
        f"""
        CREATE TABLE upload_token (
            id {text} PRIMARY KEY,
            {scope},
            ttl BIGINT NOT NULL,
            created_at TIMESTAMPTZ NOT NULL,
            expires_at TIMESTAMPTZ
        )""",
        "CREATE INDEX upload_token_created ON upload_token (project, environment, created_at, id)",
        "CREATE INDEX upload_token_ttl ON upload_token (project, environment, ttl, id)",
        f"""
        CREATE TABLE upload (
            id {text} PRIMARY KEY,
            {scope},
            video_id {text},
            source_id {text} UNIQUE,
            storage_key {text} NOT NULL,
            storage_upload {text} NOT NULL,
            mode {text} NOT NULL CHECK (mode IN ('part', 'bytes', 'tus')),
            total BIGINT,
            token {text},
            filename {text} NOT NULL,
            metadata {text} NOT NULL,
            concat {text} NOT NULL,
            joined BOOLEAN NOT NULL,
            tail_key {text},
            tail_size BIGINT NOT NULL,
            holder {text},
            held_at TIMESTAMPTZ,
            created_at TIMESTAMPTZ NOT NULL,
            updated_at TIMESTAMPTZ NOT NULL,
            UNIQUE (project, environment, id)
        )""",
        "CREATE INDEX upload_updated ON upload (updated_at)",
        "CREATE INDEX upload_of_token ON upload (token, filename)",
        f"""
        CREATE TABLE upload_part (
            id {text} PRIMARY KEY,
            {scope},
            upload_id {text} NOT NULL,
            number BIGINT NOT NULL,
            start BIGINT,
            size BIGINT,
            tag {text},
            checksum {text},
            holder {text},
            held_at TIMESTAMPTZ,
            UNIQUE (upload_id, number),
            FOREIGN KEY (project, environment, upload_id) REFERENCES upload (project, environment, id) ON DELETE CASCADE
        )""",
    ]
