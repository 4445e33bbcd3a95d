"""Playback tokens that were used: each opens one session, once. Rows outlive their video, until the token expires."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

__all__ = ["statements"]


def statements(engine: Literal["sqlite", "postgres"]) -> Sequence[str]:
    """Return the SQL of this step."""
    text = "TEXT" if engine == "sqlite" else 'TEXT COLLATE "C"'
    return [
        f"""
        CREATE TABLE used_playback_token (
            id {text} PRIMARY KEY,
            project {text} NOT NULL,
            environment {text} NOT NULL CHECK (environment IN ('production', 'sandbox')),
            video_id {text} NOT NULL,
            expires_at TIMESTAMPTZ NOT NULL
        )""",
        "CREATE INDEX used_playback_token_expires ON used_playback_token (expires_at)",
    ]
