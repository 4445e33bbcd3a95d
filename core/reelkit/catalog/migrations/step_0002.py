"""Refresh tokens: one row a family, which is everything that one sign-in was renewed to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

__all__ = ["statements"]


def statements(engine: Literal["sqlite", "postgres"]) -> Sequence[str]:
    """Return the SQL of this step."""
    text = "TEXT" if engine == "sqlite" else 'TEXT COLLATE "C"'
    return [
        f"""
        CREATE TABLE refresh_token (
            id {text} PRIMARY KEY,
            project {text} NOT NULL,
            environment {text} NOT NULL CHECK (environment IN ('production', 'sandbox')),
            key_id {text} NOT NULL,
            digest {text} NOT NULL,
            created_at TIMESTAMPTZ NOT NULL,
            expires_at TIMESTAMPTZ NOT NULL,
            revoked_at TIMESTAMPTZ
        )""",
        "CREATE INDEX refresh_token_expiry ON refresh_token (project, environment, expires_at)",
    ]
