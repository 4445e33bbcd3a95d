"""Events in: kept, and counted, in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from reelkit.catalog.analytics.events import Event, Profile
from reelkit.catalog.analytics.playbacks import Digest, Playback, digest
from reelkit.catalog.analytics.sql import Column, fetch, insert
from reelkit.catalog.binding import engine, transaction
from reelkit.catalog.scope import Scope

__all__ = ["record"]

WRITER = 0x7265656C616E61
"""The advisory lock of Postgres that writers of analytics queue at; on SQLite they queue anyway."""

SCOPE: tuple[Column, ...] = (("project", "text"), ("environment", "text"))
EVENT: tuple[Column, ...] = (
    *SCOPE,
    ("at", "bigint"),
    ("media_id", "text"),
    ("session", "bigint"),
    ("playback", "bigint"),
    ("kind", "bigint"),
    ("position", "bigint"),
    ("width", "bigint"),
    ("height", "bigint"),
    ("paused", "bigint"),
    ("error", "bigint"),
    ("viewer", "bigint"),
    ("profile", "bigint"),
)
PROFILE: tuple[Column, ...] = (
    *SCOPE,
    ("id", "bigint"),
    ("country", "text"),
    ("device_type", "text"),
    ("operating_system", "text"),
    ("browser", "text"),
    ("referrer", "text"),
    ("seen_at", "bigint"),
)
STATE = ("flags", "last_at", "source_at", "watched", "first_slot", "last_slot")
PLAYBACK: tuple[Column, ...] = (
    *SCOPE,
    ("id", "bigint"),
    ("media_id", "text"),
    ("profile", "bigint"),
    ("viewer", "bigint"),
    *((name, "bigint") for name in STATE),
)
COUNTED: tuple[Column, ...] = (("hits", "bigint"), ("amount", "bigint"))
HIT: tuple[Column, ...] = (
    *SCOPE,
    ("metric", "bigint"),
    ("at", "bigint"),
    ("playback", "bigint"),
    ("media_id", "text"),
    ("profile", "bigint"),
    ("viewer", "bigint"),
    *COUNTED,
)
CELL: tuple[Column, ...] = (
    *SCOPE,
    ("metric", "bigint"),
    ("dimension", "text"),
    ("media_id", "text"),
    ("hour", "bigint"),
    ("value", "text"),
    *COUNTED,
)
STRETCH: tuple[Column, ...] = (
    *SCOPE,
    ("playback", "bigint"),
    ("first_slot", "bigint"),
    ("last_slot", "bigint"),
    ("media_id", "text"),
    ("profile", "bigint"),
    ("viewer", "bigint"),
)
TOTAL: tuple[Column, ...] = (*SCOPE, ("media_id", "text"), ("plays", "bigint"))


async def record(events: Sequence[Event]) -> None:
    """Keep events and count what they mean: all of it or, when it raises, nothing. Raises DatabaseError."""
    if not events:
        return
    async with transaction():
        if engine().engine_type == "postgres":
            await fetch("SELECT pg_advisory_xact_lock({})", WRITER)
        playbacks = await known(events)
        # Pure Python over thousands of events: not on the loop.
        out = await asyncio.to_thread(digest, events, playbacks)
        await insert("analytics_event", EVENT, [event_row(event) for event in events])
        await keep_profiles(events)
        touched = {(event.scope, event.playback) for event in events}
        await keep_playbacks([playbacks[key] for key in touched])
        await keep_counts(out, playbacks)


async def known(events: Sequence[Event]) -> dict[tuple[Scope, int], Playback]:
    """Return where the playbacks of events stand that were heard of before."""
    found: dict[tuple[Scope, int], Playback] = {}
    wanted: dict[Scope, set[int]] = {}
    for event in events:
        wanted.setdefault(event.scope, set()).add(event.playback)
    listed = (
        "(SELECT value::bigint FROM jsonb_array_elements_text({}::jsonb))"
        if engine().engine_type == "postgres"
        else "(SELECT value FROM json_each({}))"
    )
    for scope, ids in wanted.items():
        rows = await fetch(
            "SELECT b.*, p.country, p.device_type, p.operating_system, p.browser, p.referrer FROM analytics_playback b"
            " JOIN analytics_profile p ON p.project = b.project AND p.environment = b.environment AND p.id = b.profile"
            f" WHERE b.project = {{}} AND b.environment = {{}} AND b.id IN {listed}",
            scope.project,
            scope.environment,
            msgspec.json.encode(sorted(ids)).decode(),
        )
        for row in rows:
            found[scope, row["id"]] = playback_of(row)
    return found


def playback_of(row: dict[str, Any]) -> Playback:
    """Return a row of `known` as what it stands for."""
    profile = Profile(*(row[name] for name in Profile.__struct_fields__))
    return Playback(
        row["project"],
        row["environment"],
        row["id"],
        row["media_id"],
        row["profile"],
        profile,
        row["viewer"],
        *(row[name] for name in STATE),
    )


def event_row(event: Event) -> tuple[Any, ...]:
    """Return an event as a row."""
    return (
        event.project,
        event.environment,
        event.at,
        event.media_id,
        event.session,
        event.playback,
        event.kind,
        event.position,
        event.width,
        event.height,
        None if event.paused is None else int(event.paused),
        event.error,
        event.viewer,
        event.profile_id,
    )


async def keep_profiles(events: Sequence[Event]) -> None:
    """Keep the profiles of events, with when they were last seen."""
    seen = {(event.project, event.environment, event.profile_id): event for event in events}
    await insert(
        "analytics_profile",
        PROFILE,
        [(*key, *msgspec.structs.astuple(event.profile), event.at) for key, event in seen.items()],
        # An hour late is early enough for what is forgotten after a month, and spares most of the writes.
        "ON CONFLICT (project, environment, id) DO UPDATE SET seen_at = excluded.seen_at"
        " WHERE excluded.seen_at > analytics_profile.seen_at + 3600000",
    )


async def keep_playbacks(playbacks: Sequence[Playback]) -> None:
    """Keep where playbacks stand now."""
    rows = [
        (b.project, b.environment, b.id, b.media_id, b.profile_id, b.viewer, *(getattr(b, name) for name in STATE))
        for b in playbacks
    ]
    changed = ", ".join(f"{name} = excluded.{name}" for name in STATE)
    await insert("analytics_playback", PLAYBACK, rows, f"ON CONFLICT (project, environment, id) DO UPDATE SET {changed}")


async def keep_counts(out: Digest, playbacks: dict[tuple[Scope, int], Playback]) -> None:
    """Keep hits, and add them to cells and totals."""
    of = {(b.project, b.environment, b.id): (b.media_id, b.profile_id, b.viewer) for b in playbacks.values()}

    def more(table: str) -> str:
        return f"hits = {table}.hits + excluded.hits, amount = {table}.amount + excluded.amount"

    await insert(
        "analytics_hit",
        HIT,
        [(*key, *of[key[0], key[1], key[4]], *sums) for key, sums in out.hits.items()],
        f"ON CONFLICT (project, environment, metric, at, playback) DO UPDATE SET {more('analytics_hit')}",
    )
    await insert(
        "analytics_cell",
        CELL,
        [(*key, *sums) for key, sums in sorted(out.cells.items())],
        "ON CONFLICT (project, environment, metric, dimension, media_id, hour, value)"
        f" DO UPDATE SET {more('analytics_cell')}",
    )
    await insert(
        "analytics_stretch",
        STRETCH,
        [(*key, last, *of[key[:3]]) for key, last in out.stretches.items()],
        "ON CONFLICT (project, environment, playback, first_slot) DO UPDATE SET last_slot = excluded.last_slot",
    )
    await insert(
        "analytics_total",
        TOTAL,
        [(*key, plays) for key, plays in out.plays.items()],
        "ON CONFLICT (project, environment, media_id) DO UPDATE SET plays = analytics_total.plays + excluded.plays",
    )
