"""What a player tells, and what is counted of it."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from reelkit.catalog.scope import Owned

__all__ = [
    "END",
    "ENDED",
    "ERROR",
    "HOUR",
    "IMPRESSION",
    "LOADED",
    "LOADING",
    "METRICS",
    "MINUTE",
    "PAUSE",
    "PLAY",
    "PLAYED",
    "SEEKING",
    "SLOT",
    "SOURCE",
    "START",
    "TICK",
    "VIEWS",
    "WATCH",
    "Event",
    "MediaType",
    "Profile",
]

MediaType = Literal["video", "live-stream"]

MINUTE: Final = 60_000
HOUR: Final = 3_600_000
SLOT: Final = 10_000
"""Milliseconds."""

# Kinds of events, as the official players number them.
LOADED, PLAYED, PAUSE, TICK, ERROR, ENDED, SEEKING, SOURCE = range(1, 9)

# What is counted. LOADING and WATCH have amounts, in milliseconds.
IMPRESSION, LOADING, PLAY, START, END, WATCH = range(1, 7)
VIEWS: Final = {3: 103, 5: 105, 10: 110, 30: 130}
"""Seconds that a view must last → the metric of such views."""
METRICS: Final = (IMPRESSION, LOADING, PLAY, START, END, WATCH, *VIEWS.values())


class Profile(msgspec.Struct, frozen=True):
    """Who watches from where with what; a field that is not known is empty. country: ISO 3166, two letters."""

    country: str = ""
    device_type: str = ""
    operating_system: str = ""
    browser: str = ""
    referrer: str = ""


class Event(Owned, frozen=True, kw_only=True):
    """One event of one playback. at: ms since 1970, of this server's clock; position: ms in the media.

    session, playback and viewer are digests of 63 bits; profile_id is the digest of profile.
    """

    media_id: str
    session: int
    playback: int
    viewer: int
    profile: Profile
    profile_id: int
    kind: int
    at: int
    position: int | None = None
    width: int | None = None
    height: int | None = None
    paused: bool | None = None
    error: int | None = None
