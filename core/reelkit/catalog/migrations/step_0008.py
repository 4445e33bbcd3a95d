"""To be filled by its resource."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

__all__ = ["statements"]


def statements(engine: Literal["sqlite", "postgres"]) -> Sequence[str]:  # noqa: ARG001 - every step is called alike
    """Return the SQL of this step."""
    return []
