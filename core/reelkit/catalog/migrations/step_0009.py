"""What viewers did: raw events, what each playback came to, and hourly sums of it.

Times are milliseconds since 1970, hours and slots of 10 s are counted from then. Ids of playbacks, viewers and profiles are
digests of 63 bits. Everything but the totals is forgotten after 30 days.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

__all__ = ["statements"]


def statements(engine: Literal["sqlite", "postgres"]) -> Sequence[str]:
    """Return the SQL of this step."""
    text = "TEXT" if engine == "sqlite" else 'TEXT COLLATE "C"'
    scope = f"project {text} NOT NULL, environment {text} NOT NULL CHECK (environment IN ('production', 'sandbox'))"
    compact = " WITHOUT ROWID" if engine == "sqlite" else ""
    return [
        f"""
        CREATE TABLE analytics_event (
            {scope},
            at BIGINT NOT NULL,
            media_id {text} NOT NULL,
            session BIGINT NOT NULL,
            playback BIGINT NOT NULL,
            kind BIGINT NOT NULL,
            position BIGINT,
            width BIGINT,
            height BIGINT,
            paused BIGINT,
            error BIGINT,
            viewer BIGINT NOT NULL,
            profile BIGINT NOT NULL
        )""",
        "CREATE INDEX analytics_event_at ON analytics_event (environment, at)",
        # Who watches from where with what; many playbacks share one.
        f"""
        CREATE TABLE analytics_profile (
            {scope},
            id BIGINT NOT NULL,
            country {text} NOT NULL,
            device_type {text} NOT NULL,
            operating_system {text} NOT NULL,
            browser {text} NOT NULL,
            referrer {text} NOT NULL,
            seen_at BIGINT NOT NULL,
            PRIMARY KEY (project, environment, id)
        ){compact}""",
        # Where a playback stands, so that its next event can be understood by any process.
        f"""
        CREATE TABLE analytics_playback (
            {scope},
            id BIGINT NOT NULL,
            media_id {text} NOT NULL,
            profile BIGINT NOT NULL,
            viewer BIGINT NOT NULL,
            flags BIGINT NOT NULL,
            last_at BIGINT NOT NULL,
            source_at BIGINT NOT NULL,
            watched BIGINT NOT NULL,
            first_slot BIGINT NOT NULL,
            last_slot BIGINT NOT NULL,
            PRIMARY KEY (project, environment, id)
        ){compact}""",
        "CREATE INDEX analytics_playback_last ON analytics_playback (last_at)",
        # One row for each thing that is counted, clustered so that a metric's window is read in one run.
        f"""
        CREATE TABLE analytics_hit (
            {scope},
            metric BIGINT NOT NULL,
            at BIGINT NOT NULL,
            playback BIGINT NOT NULL,
            media_id {text} NOT NULL,
            profile BIGINT NOT NULL,
            viewer BIGINT NOT NULL,
            hits BIGINT NOT NULL,
            amount BIGINT NOT NULL,
            PRIMARY KEY (project, environment, metric, at, playback)
        ){compact}""",
        # Sums of hits by hour: over all media (media_id '') and for each, by each dimension ('' for none).
        f"""
        CREATE TABLE analytics_cell (
            {scope},
            metric BIGINT NOT NULL,
            dimension {text} NOT NULL,
            media_id {text} NOT NULL,
            hour BIGINT NOT NULL,
            value {text} NOT NULL,
            hits BIGINT NOT NULL,
            amount BIGINT NOT NULL,
            PRIMARY KEY (project, environment, metric, dimension, media_id, hour, value)
        ){compact}""",
        "CREATE INDEX analytics_cell_hour ON analytics_cell (environment, hour)",
        # A run of slots of 10 s through which a playback was watched.
        f"""
        CREATE TABLE analytics_stretch (
            {scope},
            last_slot BIGINT NOT NULL,
            playback BIGINT NOT NULL,
            first_slot BIGINT NOT NULL,
            media_id {text} NOT NULL,
            profile BIGINT NOT NULL,
            viewer BIGINT NOT NULL,
            PRIMARY KEY (project, environment, playback, first_slot)
        ){compact}""",
        "CREATE INDEX analytics_stretch_last ON analytics_stretch"
        " (project, environment, last_slot, first_slot, media_id, profile, viewer)",
        f"""
        CREATE TABLE analytics_total (
            {scope},
            media_id {text} NOT NULL,
            plays BIGINT NOT NULL,
            PRIMARY KEY (project, environment, media_id)
        ){compact}""",
    ]
