"""A key is exchanged for tokens, which are renewed one by one; a token that comes twice ends all of them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from reelkit.access import signin
from reelkit.access.keys import KeyRing
from reelkit.access.signin import refresh, sign_in
from reelkit.access.tokens import Tokens
from reelkit.catalog import keys, refresh_tokens
from reelkit.catalog.database import Database
from reelkit.catalog.scope import Scope
from reelkit.problems import InvalidAccessToken, InvalidApiKey, InvalidCredentials
from reelkit.site import Site
from reelkit.site_secrets import Secrets
from reelkit.testing.clock import Clock

LIVE = Scope("default", "production")


@pytest.fixture
def tokens() -> Tokens:
    return Tokens(Secrets(["s" * 32]))


@pytest.fixture
def ring(database: Database, database_site: Site, tokens: Tokens, clock: Clock) -> KeyRing:
    return KeyRing(database_site, clock, tokens)


async def test_an_access_token_is_as_good_as_its_key(ring: KeyRing, tokens: Tokens, secret: str) -> None:
    signed_in = await sign_in(ring, tokens, secret)

    assert signed_in.expires_in == 3600
    by_key = await ring.authenticate({"x-api-key": secret})
    assert await ring.authenticate({"authorization": f"Bearer {signed_in.access_token}"}) == by_key
    with pytest.raises(InvalidApiKey):
        await ring.authenticate({"x-api-key": signed_in.access_token})
    with pytest.raises(InvalidAccessToken):
        await ring.authenticate({"authorization": f"Bearer {signed_in.refresh_token}"})
    await ring.close()


async def test_every_access_token_is_another_one(ring: KeyRing, tokens: Tokens, secret: str) -> None:
    first = await sign_in(ring, tokens, secret)
    given = {first.access_token, (await sign_in(ring, tokens, secret)).access_token}
    given.add((await refresh(ring, tokens, first.refresh_token)).access_token)
    assert len(given) == 3, "within the same second too"


async def test_nothing_that_is_given_out_is_stored(ring: KeyRing, tokens: Tokens, secret: str, database: Database) -> None:
    first = await sign_in(ring, tokens, secret)
    second = await refresh(ring, tokens, first.refresh_token)
    (row,) = await database.fetch("SELECT * FROM refresh_token")
    for given in (first, second):
        assert given.refresh_token[-32:] not in str(row) and given.access_token not in str(row)
    await ring.close()


async def test_a_used_refresh_token_is_refused_and_ends_its_family(ring: KeyRing, tokens: Tokens, secret: str) -> None:
    first = await sign_in(ring, tokens, secret)
    other = await sign_in(ring, tokens, secret)
    second = await refresh(ring, tokens, first.refresh_token)
    third = await refresh(ring, tokens, second.refresh_token)
    assert len({first.refresh_token, second.refresh_token, third.refresh_token}) == 3

    for used in (first, third, second):
        with pytest.raises(InvalidCredentials):
            await refresh(ring, tokens, used.refresh_token)

    assert await refresh(ring, tokens, other.refresh_token), "another sign-in of the same key goes on"
    await ring.close()


async def test_of_many_who_renew_at_once_one_wins_and_the_family_ends(ring: KeyRing, tokens: Tokens, secret: str) -> None:
    first = await sign_in(ring, tokens, secret)

    answers = await asyncio.gather(*(refresh(ring, tokens, first.refresh_token) for _ in range(8)), return_exceptions=True)

    won = [answer for answer in answers if isinstance(answer, signin.SignedIn)]
    assert len(won) == 1 and all(isinstance(answer, signin.SignedIn | InvalidCredentials) for answer in answers)
    with pytest.raises(InvalidCredentials):
        await refresh(ring, tokens, won[0].refresh_token)
    await ring.close()


async def test_revoking_the_key_ends_its_tokens_within_5_seconds(
    ring: KeyRing, tokens: Tokens, secret: str, clock: Clock
) -> None:
    signed_in = await sign_in(ring, tokens, secret)
    bearer = {"authorization": f"Bearer {signed_in.access_token}"}
    key_id = (await ring.authenticate(bearer)).key_id

    await keys.revoke(LIVE, key_id)
    clock.now += 4.99

    with pytest.raises(InvalidAccessToken) as refused:
        await ring.authenticate(bearer)
    assert refused.value.detail == "This key was revoked."
    with pytest.raises(InvalidCredentials):
        await refresh(ring, tokens, signed_in.refresh_token)
    await ring.close()


async def test_an_expired_family_is_refused_and_forgotten(
    ring: KeyRing, tokens: Tokens, secret: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signin, "_end", lambda: datetime.now(UTC) - timedelta(seconds=1))
    old = await sign_in(ring, tokens, secret)
    with pytest.raises(InvalidCredentials):
        await refresh(ring, tokens, old.refresh_token)
    monkeypatch.undo()

    await sign_in(ring, tokens, secret)

    assert len(await database.fetch("SELECT id FROM refresh_token")) == 1
    await ring.close()


@pytest.mark.parametrize(
    "wrong", ["", "\0", "x" * 5000, "rk_refresh_" + "a" * 54, "rk_refresh_" + "a" * 53, "rk_live_" + "a" * 32, "ü"]
)
async def test_what_was_never_given_out_is_refused(ring: KeyRing, tokens: Tokens, wrong: str) -> None:
    for call in (sign_in, refresh):
        with pytest.raises(InvalidCredentials) as refused:
            await call(ring, tokens, wrong)
        body = refused.value.body()
        assert (body.status, body.title, body.name) == (400, "The user credentials were incorrect.", "")


async def test_a_family_can_be_ended_once(ring: KeyRing, tokens: Tokens, secret: str) -> None:
    signed_in = await sign_in(ring, tokens, secret)
    family = signed_in.refresh_token.removeprefix("rk_refresh_")[:22]
    assert await refresh_tokens.revoke(family)
    assert not await refresh_tokens.revoke(family)
    await ring.close()
