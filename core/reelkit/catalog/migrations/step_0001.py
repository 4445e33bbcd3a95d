"""Projects, keys, videos, sources, renditions, drafts, and the keys of storage that are to be removed.

Foreign keys carry project and environment along, so that a row cannot even point into somebody else's. Texts that are
sorted by are compared by code point (`COLLATE "C"` on Postgres, SQLite's default), so that pages are equal on both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

__all__ = ["statements"]


def statements(engine: Literal["sqlite", "postgres"]) -> Sequence[str]:
    """Return the SQL of this step."""
    text = "TEXT" if engine == "sqlite" else 'TEXT COLLATE "C"'
    scope = f"project {text} NOT NULL, environment {text} NOT NULL CHECK (environment IN ('production', 'sandbox'))"
    return [
        f"""
        CREATE TABLE project (
            id {text} PRIMARY KEY,
            name {text} NOT NULL UNIQUE,
            created_at TIMESTAMPTZ NOT NULL
        )""",
        f"""
        CREATE TABLE api_key (
            id {text} PRIMARY KEY,
            {scope},
            name {text} NOT NULL,
            prefix {text} NOT NULL,
            digest {text} NOT NULL UNIQUE,
            tier {text} NOT NULL,
            scopes JSONB NOT NULL,
            created_at TIMESTAMPTZ NOT NULL,
            expires_at TIMESTAMPTZ,
            last_used_at TIMESTAMPTZ,
            revoked_at TIMESTAMPTZ
        )""",
        "CREATE INDEX api_key_created ON api_key (project, environment, created_at, id)",
        f"""
        CREATE TABLE video (
            id {text} PRIMARY KEY,
            {scope},
            title {text} NOT NULL,
            title_folded {text} NOT NULL,
            description {text} NOT NULL,
            description_folded {text} NOT NULL,
            public BOOLEAN NOT NULL,
            panoramic BOOLEAN NOT NULL,
            mp4_support BOOLEAN NOT NULL,
            language {text},
            language_origin {text},
            player_id {text},
            tags JSONB NOT NULL,
            metadata JSONB NOT NULL,
            created_at TIMESTAMPTZ NOT NULL,
            published_at TIMESTAMPTZ NOT NULL,
            updated_at TIMESTAMPTZ NOT NULL,
            UNIQUE (project, environment, id)
        )""",
        "CREATE INDEX video_created ON video (project, environment, created_at, id)",
        "CREATE INDEX video_published ON video (project, environment, published_at, id)",
        "CREATE INDEX video_updated ON video (project, environment, updated_at, id)",
        "CREATE INDEX video_title ON video (project, environment, title_folded, id)",
        *(["CREATE INDEX video_tags ON video USING GIN (tags jsonb_path_ops)"] if engine == "postgres" else []),
        *(["CREATE INDEX video_metadata ON video USING GIN (metadata jsonb_path_ops)"] if engine == "postgres" else []),
        # How many videos a scope has: counting a million rows for every page would take 190 ms on Postgres.
        f"""
        CREATE TABLE video_count (
            id {text} PRIMARY KEY,
            {scope},
            total BIGINT NOT NULL,
            UNIQUE (project, environment)
        )""",
        f"""
        CREATE TABLE source (
            id {text} PRIMARY KEY,
            {scope},
            video_id {text} NOT NULL UNIQUE,
            status {text} NOT NULL CHECK (status IN ('uploading', 'uploaded', 'ingesting', 'ingested', 'failed')),
            failure {text},
            storage_key {text} NOT NULL,
            filename {text} NOT NULL,
            size BIGINT,
            checksum {text},
            probe JSONB,
            index_key {text},
            packageable BOOLEAN NOT NULL,
            poster_key {text},
            storyboard_keys JSONB NOT NULL,
            storyboard_vtt_key {text},
            created_at TIMESTAMPTZ NOT NULL,
            updated_at TIMESTAMPTZ NOT NULL,
            UNIQUE (project, environment, id),
            FOREIGN KEY (project, environment, video_id) REFERENCES video (project, environment, id) ON DELETE CASCADE
        )""",
        "CREATE INDEX source_status ON source (status, updated_at)",
        f"""
        CREATE TABLE rendition (
            id {text} PRIMARY KEY,
            {scope},
            video_id {text} NOT NULL,
            source_id {text} NOT NULL,
            kind {text} NOT NULL CHECK (kind IN ('copy', 'encoded', 'audio', 'draft')),
            quality {text} NOT NULL,
            track BIGINT NOT NULL,
            status {text} NOT NULL CHECK (status IN ('waiting', 'encoding', 'encoded', 'failed')),
            width BIGINT NOT NULL,
            height BIGINT NOT NULL,
            frame_rate DOUBLE PRECISION NOT NULL,
            codecs {text} NOT NULL,
            bandwidth BIGINT NOT NULL,
            average_bandwidth BIGINT NOT NULL,
            storage_key {text},
            index_key {text},
            progress DOUBLE PRECISION NOT NULL,
            failure {text},
            created_at TIMESTAMPTZ NOT NULL,
            encoded_at TIMESTAMPTZ,
            UNIQUE (source_id, kind, quality, track),
            UNIQUE (project, environment, id),
            FOREIGN KEY (project, environment, source_id) REFERENCES source (project, environment, id) ON DELETE CASCADE
        )""",
        "CREATE INDEX rendition_video ON rendition (video_id)",
        f"""
        CREATE TABLE draft_segment (
            id {text} PRIMARY KEY,
            {scope},
            rendition_id {text} NOT NULL,
            number BIGINT NOT NULL,
            duration DOUBLE PRECISION NOT NULL,
            storage_key {text} NOT NULL,
            UNIQUE (rendition_id, number),
            FOREIGN KEY (project, environment, rendition_id) REFERENCES rendition (project, environment, id)
                ON DELETE CASCADE
        )""",
        f"""
        CREATE TABLE doomed_key (
            id {text} PRIMARY KEY,
            prefix {text} NOT NULL,
            created_at TIMESTAMPTZ NOT NULL
        )""",
        "CREATE INDEX doomed_key_created ON doomed_key (created_at, id)",
    ]
