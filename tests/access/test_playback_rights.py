"""Tokens and sessions of private videos: who made them, for what, until when, and how often they work."""

from __future__ import annotations

import asyncio
import re
import time
from uuid import UUID

import msgspec
import pytest
from reelkit.access.playback import SESSION_SECONDS, TOKEN_DAYS, Grant, PlaybackRights
from reelkit.catalog import playback_tokens
from reelkit.catalog.database import Database
from reelkit.catalog.scope import Scope
from reelkit.site_secrets import Secrets
from reelkit.testing.clock import Clock

VIDEO, OTHER = "vi" + "a" * 22, "vi" + "b" * 22
SCOPE = Scope("default")
NOW = 1_800_000_000.0


@pytest.fixture
def clock() -> Clock:
    """A clock that stands."""
    return Clock(NOW)


@pytest.fixture
def rights(clock: Clock) -> PlaybackRights:
    """Those of a site with one secret."""
    return PlaybackRights(Secrets(["s" * 64]), clock)


def holds(rights: PlaybackRights, video_id: str, session: str) -> bool:
    """Tell whether a session is one of this video and has not expired."""
    return rights.grant(video_id, session) is not None


def changed(text: str) -> list[str]:
    """Return a text with each of its characters changed in turn, to one that may stand there."""
    others = {char: "0" if char != "0" else "1" for char in text}
    return [text[:at] + others[char] + text[at + 1 :] for at, char in enumerate(text) if char != "-"]


def test_a_token_is_a_uuid_and_never_the_same(rights: PlaybackRights) -> None:
    tokens = [rights.mint(VIDEO) for _ in range(1000)]
    assert len(set(tokens)) == 1000
    assert {(UUID(token).version, str(UUID(token)) == token) for token in tokens} == {(8, True)}


def test_a_token_is_good_for_its_video_only_until_it_expires(rights: PlaybackRights, clock: Clock) -> None:
    token = rights.mint(VIDEO)
    assert rights.token_expires(VIDEO, token) is not None
    assert rights.token_expires(OTHER, token) is None
    clock.now += TOKEN_DAYS * 86400 - 1
    assert rights.token_expires(VIDEO, token) is not None
    clock.now += 3601
    assert rights.token_expires(VIDEO, token) is None


def test_a_session_is_good_for_its_video_only_for_a_day(rights: PlaybackRights, clock: Clock) -> None:
    session = rights.open_session(VIDEO)
    assert re.fullmatch(r"[A-Za-z0-9_-]{48}", session)
    for _ in range(2):  # the second answer comes from memory
        assert holds(rights, VIDEO, session)
        assert not holds(rights, OTHER, session)
    clock.now += SESSION_SECONDS - 1
    assert holds(rights, VIDEO, session)
    clock.now += 1
    assert not holds(rights, VIDEO, session)


def test_not_one_character_may_be_changed(rights: PlaybackRights) -> None:
    token, session = rights.mint(VIDEO), rights.open_session(VIDEO)
    assert not [one for one in changed(token) if rights.token_expires(VIDEO, one)]
    assert not [one for one in changed(session) if holds(rights, VIDEO, one)]


@pytest.mark.parametrize(
    "text",
    [
        *("", "a", "A" * 48, "A" * 47, "A" * 49, "=" * 48, "é" * 48, "0" * 36, "\n" * 48, "A" * 100_000),
        *(str(UUID(int=0)), str(UUID(int=1 << 127))),
    ],
)
def test_nonsense_opens_nothing(rights: PlaybackRights, text: str) -> None:
    assert not holds(rights, VIDEO, text)
    assert rights.token_expires(VIDEO, text) is None


def test_a_token_is_no_session_and_other_sites_sign_for_themselves(rights: PlaybackRights, clock: Clock) -> None:
    elsewhere = PlaybackRights(Secrets(["t" * 64]), clock)
    assert not holds(rights, VIDEO, elsewhere.open_session(VIDEO))
    assert rights.token_expires(VIDEO, elsewhere.mint(VIDEO)) is None
    assert not holds(rights, VIDEO, rights.mint(VIDEO))


def test_a_replaced_secret_breaks_nothing_while_it_is_listed(rights: PlaybackRights, clock: Clock) -> None:
    session, token = rights.open_session(VIDEO), rights.mint(VIDEO)
    rotated = PlaybackRights(Secrets(["n" * 64, "s" * 64]), clock)
    assert holds(rotated, VIDEO, session) and rotated.token_expires(VIDEO, token)
    assert not holds(rights, VIDEO, rotated.open_session(VIDEO))
    dropped = PlaybackRights(Secrets(["n" * 64]), clock)
    assert not holds(dropped, VIDEO, session) and dropped.token_expires(VIDEO, token) is None


def test_the_memory_of_good_sessions_is_bounded(rights: PlaybackRights, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reelkit.access.playback.REMEMBERED", 10)
    sessions = [rights.open_session(VIDEO) for _ in range(30)]
    assert all(holds(rights, VIDEO, session) for session in sessions)
    assert len(rights._good) == 10
    holds(rights, VIDEO, "A" * 48)
    assert len(rights._good) == 10 and (VIDEO, sessions[-1]) in rights._good


def test_a_session_seen_before_is_checked_in_microseconds(rights: PlaybackRights) -> None:
    session = rights.open_session(VIDEO)
    holds(rights, VIDEO, session)
    started = time.perf_counter()
    for _ in range(10_000):
        holds(rights, VIDEO, session)
    assert (time.perf_counter() - started) / 10_000 < 50e-6  # 0.3e-6 on an idle machine


async def test_of_many_that_come_with_one_token_one_gets_a_session(database: Database, rights: PlaybackRights) -> None:
    token = rights.mint(VIDEO)
    assert not await playback_tokens.is_used(SCOPE, token)
    opened = await asyncio.gather(*(rights.redeem(SCOPE, VIDEO, token) for _ in range(20)))
    (session,) = [one for one in opened if one is not None]
    assert holds(rights, VIDEO, session)
    assert await playback_tokens.is_used(SCOPE, token)
    assert await rights.redeem(SCOPE, OTHER, rights.mint(VIDEO)) is None


async def test_used_tokens_are_forgotten_when_they_have_expired(database: Database) -> None:
    old, new = PlaybackRights(Secrets(["s" * 64]), lambda: time.time() - 8.1 * 86400), PlaybackRights(Secrets(["s" * 64]))
    expired, current = old.mint(VIDEO), new.mint(VIDEO)
    assert await old.redeem(SCOPE, VIDEO, expired) and await new.redeem(SCOPE, VIDEO, current)
    await playback_tokens.forget_expired()
    assert not await playback_tokens.is_used(SCOPE, expired)
    assert await playback_tokens.is_used(SCOPE, current)
    assert await new.redeem(SCOPE, VIDEO, expired) is None


def test_a_signed_session_says_what_was_signed_and_nothing_can_be_added(rights: PlaybackRights, clock: Clock) -> None:
    grant = Grant(
        expires=int(NOW) + 60,
        key_id="ke1",
        domains=("shop.example",),
        no_referrer=True,
        countries=("DE",),
        ips=("192.0.2.0/24",),
        viewer="Ada ✓",
    )
    session = rights.sign(VIDEO, grant)
    read = rights.grant(VIDEO, session)
    assert read is not None and msgspec.structs.replace(read, chance=b"") == grant
    assert rights.sign(VIDEO, grant) != session
    assert not [one for one in changed(session) if holds(rights, VIDEO, one)]
    assert not [session[:length] for length in range(len(session)) if holds(rights, VIDEO, session[:length])]
    for more in ("A", "AAAA", "=", "==", "%3D", " ", "\n", session):
        assert not holds(rights, VIDEO, session + more)
    # The bytes of another one behind the signature of this one.
    other = rights.sign(VIDEO, msgspec.structs.replace(grant, ips=(), countries=()))
    assert not holds(rights, VIDEO, session[:24] + other[24:])
    assert rights.grant(VIDEO, session, at=NOW + 60) is None
    clock.now += 60
    assert rights.grant(VIDEO, session) is None
    assert rights.grant(VIDEO, session, at=NOW) is not None
    assert PlaybackRights(Secrets(["n" * 64, "s" * 64]), clock).grant(VIDEO, session, at=NOW) is not None


def test_a_token_works_for_its_key_only(rights: PlaybackRights) -> None:
    keys = [f"ke{number:022}" for number in range(600)]
    for key in (keys[7], ""):
        token = rights.mint(VIDEO, key)
        assert rights.key_of(VIDEO, token, [*keys, ""]) == key
        assert rights.key_of(VIDEO, token, [one for one in [*keys, ""] if one != key]) is None
        assert rights.key_of(OTHER, token, [*keys, ""]) is None
    session = rights.open_session(VIDEO, keys[7])
    grant = rights.grant(VIDEO, session)
    assert grant is not None and grant.key_id == keys[7]
