"""A playback, event by event: what is counted, how long it was watched, and when somebody was there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeVar

import msgspec

from reelkit.catalog.analytics.events import (
    END,
    ENDED,
    ERROR,
    HOUR,
    IMPRESSION,
    LOADED,
    LOADING,
    MINUTE,
    PAUSE,
    PLAY,
    PLAYED,
    SLOT,
    SOURCE,
    START,
    TICK,
    VIEWS,
    WATCH,
    Event,
    Profile,
)
from reelkit.catalog.scope import Scope

__all__ = ["GAP", "Digest", "Playback", "digest"]

GAP: Final = 30_000
"""Milliseconds between two events through which somebody still watches; players beat every 5 to 10 s."""
LATE: Final = 5_000
"""Milliseconds that an event may be older than what is known already: as long as players gather them for a beat."""
LONGEST_LOADING: Final = 600_000

Key = TypeVar("Key")

STOPS: Final = (PAUSE, ERROR, ENDED)

# Flags of a playback.
IMPRESSED, TIMED, BEGUN, OPEN, PLAYING = 1, 2, 4, 8, 16


class Playback(msgspec.Struct):
    """Where a playback stands. last_at, source_at: ms, 0 for never; watched: ms; slots: the stretch under way, -1 for none.

    profile, viewer: of its first event, for good.
    """

    project: str
    environment: str
    id: int
    media_id: str
    profile_id: int
    profile: Profile
    viewer: int
    flags: int = 0
    last_at: int = 0
    source_at: int = 0
    watched: int = 0
    first_slot: int = -1
    last_slot: int = -1


class Digest(msgspec.Struct):
    """What a batch of events comes to; lists of rows as the tables have them."""

    hits: dict[tuple[str, str, int, int, int], list[int]] = msgspec.field(default_factory=dict)
    """(project, environment, metric, at, playback) → hits, amount."""
    stretches: dict[tuple[str, str, int, int], int] = msgspec.field(default_factory=dict)
    """(project, environment, playback, first slot) → last slot."""
    cells: dict[tuple[str, str, int, str, str, int, str], list[int]] = msgspec.field(default_factory=dict)
    """(project, environment, metric, dimension, media id, hour, value) → hits, amount."""
    plays: dict[tuple[str, str, str], int] = msgspec.field(default_factory=dict)
    """(project, environment, media id) → plays."""


def digest(events: Iterable[Event], playbacks: dict[tuple[Scope, int], Playback]) -> Digest:
    """Bring playbacks up to date with events of any of them, in the order of time, and tell what is new.

    playbacks: those that are known; ones that begin are added.
    """
    out = Digest()
    for event in sorted(events, key=lambda event: event.at):
        key = (event.scope, event.playback)
        playback = playbacks.get(key)
        if playback is None:
            playback = playbacks[key] = Playback(
                event.project,
                event.environment,
                event.playback,
                event.media_id,
                event.profile_id,
                event.profile,
                event.viewer,
            )
        for metric, at, amount in follow(playback, event, out):
            note(out, playback, metric, at, amount)
    return out


def follow(playback: Playback, event: Event, out: Digest) -> list[tuple[int, int, int]]:
    """Bring one playback up to date and return what is counted: (metric, at, amount)."""
    at = max(event.at, playback.last_at)
    gap = at - playback.last_at
    # It came twice, or after what followed it: it may be the first that is heard of a playback, and changes nothing else.
    late = playback.last_at - event.at > LATE
    flags = playback.flags
    present = bool(flags & PLAYING) and gap <= GAP
    counted: list[tuple[int, int, int]] = []
    if present and gap:
        before, playback.watched = playback.watched, playback.watched + gap
        counted.append((WATCH, at // MINUTE * MINUTE, gap))
        counted += [(metric, at, 0) for limit, metric in VIEWS.items() if before < limit * 1000 <= playback.watched]
    plays = event.kind == PLAYED or (
        event.kind == TICK and (event.paused is False or (event.paused is None and bool(flags & BEGUN)))
    )
    if late:
        pass
    elif plays:
        flags |= PLAYING
    elif not present or event.kind in STOPS or event.paused:
        # A seek stops nothing by itself, nor a picture that comes after the click: the next tick may be 5 s away.
        flags &= ~PLAYING
    match event.kind:
        case _ if plays:
            # A tick counts as well: a player may have begun before anybody listened to it.
            if not flags & BEGUN:
                counted.append((PLAY, at, 0))
            if not flags & BEGUN or (event.kind == PLAYED and not flags & OPEN and not late):
                counted.append((START, at, 0))
                flags |= 0 if late else OPEN
            flags |= BEGUN
        case kind if kind == SOURCE:
            playback.source_at = playback.source_at or event.at
        case kind if kind == LOADED:
            if not flags & IMPRESSED:
                counted.append((IMPRESSION, at, 0))
            if playback.source_at and not flags & TIMED:
                counted.append((LOADING, at, min(max(event.at - playback.source_at, 0), LONGEST_LOADING)))
                flags |= TIMED
            flags |= IMPRESSED
        case kind if kind == ENDED and not late:
            if flags & OPEN:
                counted.append((END, at, 0))
            flags &= ~OPEN
    playback.flags, playback.last_at = flags, at
    if not late and (present or plays):
        be_there(playback, at // SLOT, present, out)
    return counted


def be_there(playback: Playback, slot: int, present: bool, out: Digest) -> None:
    """Lengthen the stretch under way up to a slot, or begin one. present: watched since the last event."""
    if playback.last_slot < 0 or not (present or slot <= playback.last_slot + 1):
        playback.first_slot = slot
    playback.last_slot = slot
    out.stretches[playback.project, playback.environment, playback.id, playback.first_slot] = slot


def note(out: Digest, playback: Playback, metric: int, at: int, amount: int) -> None:
    """Add something counted to the hits, the cells and the total."""
    scope = (playback.project, playback.environment)
    add(out.hits, (*scope, metric, at, playback.id), amount)
    profile = playback.profile
    dimensions = (
        ("", ""),
        ("country", profile.country),
        ("device_type", profile.device_type),
        ("operating_system", profile.operating_system),
        ("browser", profile.browser),
        ("referrer", profile.referrer),
    )
    for dimension, value in dimensions:
        for media in ("", playback.media_id):
            add(out.cells, (*scope, metric, dimension, media, at // HOUR, value), amount)
    if metric == PLAY:
        played = (*scope, playback.media_id)
        out.plays[played] = out.plays.get(played, 0) + 1


def add(sums: dict[Key, list[int]], key: Key, amount: int) -> None:
    """Count one more."""
    found = sums.get(key)
    if found is None:
        sums[key] = [1, amount]
    else:
        found[0] += 1
        found[1] += amount
