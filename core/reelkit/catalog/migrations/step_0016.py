"""Projects that are suspended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

__all__ = ["statements"]


def statements(engine: Literal["sqlite", "postgres"]) -> Sequence[str]:  # noqa: ARG001 - other steps differ by engine
    """Return the SQL of this step."""
    return ["ALTER TABLE project ADD COLUMN suspended_at TIMESTAMPTZ"]
