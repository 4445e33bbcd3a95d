"""Webhooks and their deliveries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

__all__ = ["statements"]


def statements(engine: Literal["sqlite", "postgres"]) -> Sequence[str]:
    """Return the SQL of this step."""
    text = "TEXT" if engine == "sqlite" else 'TEXT COLLATE "C"'
    scope = f"project {text} NOT NULL, environment {text} NOT NULL CHECK (environment IN ('production', 'sandbox'))"
    return [
        # The slots are what limits a scope to ten webhooks, whoever creates them at the same moment.
        f"""
        CREATE TABLE webhook (
            id {text} PRIMARY KEY,
            {scope},
            slot BIGINT NOT NULL CHECK (slot BETWEEN 0 AND 9),
            url {text} NOT NULL,
            events JSONB NOT NULL,
            signature_secret {text} NOT NULL,
            created_at TIMESTAMPTZ NOT NULL,
            UNIQUE (project, environment, id),
            UNIQUE (project, environment, slot)
        )""",
        f"""
        CREATE TABLE webhook_delivery (
            id {text} PRIMARY KEY,
            {scope},
            webhook_id {text} NOT NULL,
            event {text} NOT NULL,
            body {text} NOT NULL,
            status {text} NOT NULL CHECK (status IN ('waiting', 'delivered', 'failed')),
            tries BIGINT NOT NULL,
            response_code BIGINT,
            failure {text},
            duration DOUBLE PRECISION,
            replay_of {text},
            created_at TIMESTAMPTZ NOT NULL,
            updated_at TIMESTAMPTZ NOT NULL,
            FOREIGN KEY (project, environment, webhook_id) REFERENCES webhook (project, environment, id)
                ON DELETE CASCADE
        )""",
        "CREATE INDEX webhook_delivery_webhook ON webhook_delivery (webhook_id, created_at, id)",
        "CREATE INDEX webhook_delivery_status ON webhook_delivery (status, updated_at)",
    ]
