"""Watermarks and player themes, and which videos refer to them.

A watermark that videos carry outlives its deletion, out of sight: a rung of their ladder may be made years later.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

__all__ = ["statements"]

COLOURS = (
    "text",
    "link",
    "link_hover",
    "link_active",
    "track_played",
    "track_unplayed",
    "track_background",
    "background_top",
    "background_bottom",
    "background_text",
)
FLAGS = ("enable_api", "enable_controls", "force_autoplay", "hide_title", "force_loop")


def statements(engine: Literal["sqlite", "postgres"]) -> Sequence[str]:
    """Return the SQL of this step."""
    text = "TEXT" if engine == "sqlite" else 'TEXT COLLATE "C"'
    scope = f"project {text} NOT NULL, environment {text} NOT NULL CHECK (environment IN ('production', 'sandbox'))"
    colours = "".join(f"{name} {text} NOT NULL,\n            " for name in COLOURS)
    flags = "".join(f"{name} BOOLEAN NOT NULL,\n            " for name in FLAGS)
    return [
        f"""
        CREATE TABLE watermark (
            id {text} PRIMARY KEY,
            {scope},
            storage_key {text} NOT NULL,
            content_type {text} NOT NULL,
            width BIGINT NOT NULL,
            height BIGINT NOT NULL,
            created_at TIMESTAMPTZ NOT NULL,
            deleted_at TIMESTAMPTZ
        )""",
        "CREATE INDEX watermark_created ON watermark (project, environment, created_at, id) WHERE deleted_at IS NULL",
        f"""
        CREATE TABLE player_theme (
            id {text} PRIMARY KEY,
            {scope},
            name {text} NOT NULL,
            name_folded {text} NOT NULL,
            {colours}{flags}logo_key {text},
            logo_type {text},
            logo_link {text},
            created_at TIMESTAMPTZ NOT NULL,
            updated_at TIMESTAMPTZ NOT NULL
        )""",
        "CREATE INDEX player_theme_created ON player_theme (project, environment, created_at, id)",
        "CREATE INDEX player_theme_updated ON player_theme (project, environment, updated_at, id)",
        "CREATE INDEX player_theme_name ON player_theme (project, environment, name_folded, id)",
        "CREATE INDEX video_watermark ON video (project, environment, (watermark ->> 'id')) WHERE watermark IS NOT NULL",
        "CREATE INDEX video_player ON video (project, environment, player_id) WHERE player_id IS NOT NULL",
    ]
