"""Beats of players: what arrives at `POST /watch`, taken apart without trust in any of it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from hashlib import blake2b
from typing import Any, Final

import msgspec

from reelkit.api.analytics_agents import agent_of
from reelkit.catalog.analytics.events import Event, Profile
from reelkit.catalog.analytics.media import MEDIA_ID
from reelkit.problems import InvalidPayload

__all__ = ["MOST_EVENTS", "Sender", "read_beat", "sender_of"]

MOST_EVENTS: Final = 100
"""Events of one beat; the official players queue 20 at most."""
OLDEST: Final = 600_000
"""Milliseconds that an event may have waited in its player; an older one is taken for one of this age."""
LONGEST_ID: Final = 200
LONGEST_REFERRER: Final = 2048
"""Bytes, and so the contract's characters: browsers write an address in ASCII. Rows of PostgreSQL's indexes end at 2,704."""
LONGEST_AGENT: Final = 512
DAY: Final = 86_400_000
ID: Final = (1 << 63) - 1


class BeatEvent(msgspec.Struct):
    """One event as it is sent. eat: ms of the player's clock; typ: its kind; vti: seconds. The rest may be anything."""

    eat: float
    typ: int
    vti: Any = None
    vwi: Any = None
    vhe: Any = None
    pau: Any = None
    eco: Any = None


class Beat(msgspec.Struct):
    """The body. sat: when it was sent, ms of the player's clock; sid, pid: session and playback; mid: the media."""

    sat: float
    sid: str
    pid: str
    mid: str
    eve: list[BeatEvent]
    ref: Any = None


class Sender(msgspec.Struct, frozen=True):
    """Who sent a beat. address: of the viewer; it leaves this process only as part of a digest."""

    address: str
    agent: str
    referrer: str
    country: str = ""
    """ISO 3166, two letters; empty when unknown."""


_decoder = msgspec.json.Decoder(Beat)


def sender_of(headers: Iterable[tuple[bytes, bytes]], client: str, country: str = "") -> Sender:
    """Return who sends a request. client: their address, as `access.addresses` found it; country: where that is."""
    found = {name: value.decode("latin-1") for name, value in headers if name in (b"user-agent", b"referer")}
    return Sender(client, found.get(b"user-agent", "")[:LONGEST_AGENT], found.get(b"referer", ""), country)


def read_beat(body: bytes, sender: Sender, now: int, key: bytes) -> list[Event]:
    """Return the events of a beat, in their order; nobody's yet: project is empty. now: ms since 1970; key: of the site.

    Raises InvalidPayload. A beat about an id that no media can have is no error and has no events.
    """
    try:
        beat = _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidPayload(detail=f"This is no beat: {error}.") from None
    if len(beat.eve) > MOST_EVENTS:
        raise InvalidPayload(name="eve", detail=f"A beat has at most {MOST_EVENTS} events.")
    if len(beat.sid) > LONGEST_ID or len(beat.pid) > LONGEST_ID:
        raise InvalidPayload(name="pid", detail=f"An id has at most {LONGEST_ID} characters.")
    if not MEDIA_ID.fullmatch(beat.mid):
        return []
    referrer = beat.ref if isinstance(beat.ref, str) else sender.referrer
    device, system, browser = agent_of(sender.agent)
    profile = Profile(sender.country, device, system, browser, clean(referrer.partition("#")[0], LONGEST_REFERRER))
    common: dict[str, Any] = {
        "project": "",
        "environment": "production",
        "media_id": beat.mid,
        "session": digest(b"session", key, beat.sid),
        "playback": digest(b"playback", key, beat.pid, beat.mid),
        # New each day, so that nobody can be followed from one day to the next.
        "viewer": digest(b"viewer", key, str(now // DAY), sender.agent, sender.address),
        "profile": profile,
        "profile_id": digest(b"profile", b"", *msgspec.structs.astuple(profile)),
    }
    return [
        Event(
            **common,
            kind=event.typ,
            at=now - bounded(beat.sat - event.eat, 0, OLDEST),
            position=number(event.vti, 1000),
            width=number(event.vwi),
            height=number(event.vhe),
            paused=event.pau if isinstance(event.pau, bool) else None,
            error=number(event.eco),
        )
        for event in beat.eve
        if 1 <= event.typ <= 8
    ]


def digest(what: bytes, key: bytes, *parts: str) -> int:
    """Return 63 bits that stand for some texts; without the key nobody can tell which."""
    hashed = blake2b(digest_size=8, key=key, person=what)
    for part in parts:
        text = part.encode("utf-8", "replace")
        hashed.update(b"%d:" % len(text) + text)
    return int.from_bytes(hashed.digest(), "big") & ID


def bounded(value: float, low: int, high: int) -> int:
    """Return a whole number within bounds; low for what is none."""
    return low if math.isnan(value) else int(min(max(value, low), high))


def number(value: Any, times: int = 1) -> int | None:
    """Return a number that a column holds, times so much; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        scaled = float(value) * times
    except OverflowError:
        return None
    return int(scaled) if math.isfinite(scaled) and abs(scaled) < 1e15 else None


def clean(text: str, most: int) -> str:
    """Return a text that every database keeps, cut to so many bytes."""
    return text.replace("\0", "").encode("utf-8", "replace")[:most].decode("utf-8", "ignore")
