"""What the owner of a video limits its playback to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

__all__ = ["statements"]


def statements(engine: Literal["sqlite", "postgres"]) -> Sequence[str]:  # noqa: ARG001 - other steps differ by engine
    """Return the SQL of this step."""
    return ["ALTER TABLE video ADD COLUMN playback_policy JSONB"]
