"""The MP4 file that is made of a source that is none itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

__all__ = ["statements"]


def statements(engine: Literal["sqlite", "postgres"]) -> Sequence[str]:
    """Return the SQL of this step."""
    text = "TEXT" if engine == "sqlite" else 'TEXT COLLATE "C"'
    return [
        f"ALTER TABLE source ADD COLUMN mp4_status {text} CHECK (mp4_status IN ('waiting', 'encoded', 'failed'))",
        f"ALTER TABLE source ADD COLUMN mp4_key {text}",
        "ALTER TABLE source ADD COLUMN mp4_size BIGINT",
    ]
