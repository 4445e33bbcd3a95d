"""Videos that come from elsewhere, are discarded, or carry a thumbnail; lists of a million in constant time.

`label` and `video_label` answer filters by tag and by metadata and the list of tags; `video_rank` counts the videos of
each stretch of a sort order, so that a page deep in a list is found without walking there. Indexes of lists hold only
videos that are not discarded.
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
    added = {
        "origin": f"{text} NOT NULL DEFAULT 'upload' CHECK (origin IN ('upload', 'url', 'copy', 'live'))",
        "origin_uri": text,
        "fetching": "BOOLEAN NOT NULL DEFAULT false",
        "live_stream_id": text,
        "clip": "JSONB",
        "watermark": "JSONB",
        "transcript": "BOOLEAN NOT NULL DEFAULT false",
        "transcript_summary": "BOOLEAN NOT NULL DEFAULT false",
        "summary_attributes": "JSONB",
        "thumbnail_key": text,
        "thumbnail_timecode": text,
        "discarded_at": "TIMESTAMPTZ",
    }
    sorted_by = {"created": "created_at", "updated": "updated_at", "title": "title_folded"}
    return [
        *(f"ALTER TABLE video ADD COLUMN {name} {kind}" for name, kind in added.items()),
        "ALTER TABLE video_count ADD COLUMN discarded BIGINT NOT NULL DEFAULT 0",
        # A video is published when it is created, so that both orders are one.
        *(f"DROP INDEX video_{name}" for name in (*sorted_by, "published")),
        *(["DROP INDEX video_tags", "DROP INDEX video_metadata"] if engine == "postgres" else []),
        *(
            # SQLite takes an index for covering only if it also holds what its own condition names.
            f"CREATE INDEX video_{name} ON video (project, environment, {column}, id, discarded_at)"
            " WHERE discarded_at IS NULL"
            for name, column in sorted_by.items()
        ),
        "CREATE INDEX video_discarded ON video (project, environment, created_at, id) WHERE discarded_at IS NOT NULL",
        "CREATE INDEX video_deletes ON video (discarded_at) WHERE discarded_at IS NOT NULL",
        "CREATE INDEX video_sandbox ON video (created_at) WHERE environment = 'sandbox'",
        "CREATE INDEX video_fetching ON video (created_at) WHERE fetching",
        "CREATE INDEX video_thumbnail ON video (created_at) WHERE thumbnail_timecode IS NOT NULL",
        "CREATE INDEX video_live ON video (project, environment, live_stream_id) WHERE live_stream_id IS NOT NULL",
        f"""
        CREATE TABLE label (
            id {text} PRIMARY KEY,
            {scope},
            kind {text} NOT NULL CHECK (kind IN ('tag', 'metadata', 'discarded tag', 'discarded metadata')),
            value {text} NOT NULL,
            value_folded {text} NOT NULL,
            total BIGINT NOT NULL
        )""",
        "CREATE INDEX label_value ON label (project, environment, kind, value_folded, id)",
        "CREATE INDEX label_total ON label (project, environment, kind, total, id)",
        f"""
        CREATE TABLE video_label (
            {scope},
            label {text} NOT NULL,
            created_at TIMESTAMPTZ NOT NULL,
            id {text} NOT NULL,
            PRIMARY KEY (project, environment, label, created_at, id)
        ){compact}""",
        f"""
        CREATE TABLE video_rank (
            id {text} PRIMARY KEY,
            {scope},
            sort {text} NOT NULL,
            first_key {text} NOT NULL,
            first_id {text} NOT NULL,
            total BIGINT NOT NULL
        )""",
        "CREATE UNIQUE INDEX video_rank_first ON video_rank (project, environment, sort, first_key, first_id)",
    ]
