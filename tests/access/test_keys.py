"""Keys open what they are for, in every way that clients present them, and stop when told."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
import pytest_asyncio
from reelkit.access.keys import KeyRing, create_key
from reelkit.access.principal import Principal
from reelkit.access.signin import refresh, sign_in
from reelkit.access.tokens import Claims, Tokens
from reelkit.catalog import keys
from reelkit.catalog.database import Database
from reelkit.catalog.scope import Environment, Scope
from reelkit.problems import (
    AccessDenied,
    InvalidAccessToken,
    InvalidApiKey,
    InvalidAuthorizationHeaderValue,
    InvalidSessionToken,
    MissingAuthorizationHeader,
    Problem,
)
from reelkit.site import Access, Site, Tier
from reelkit.site_secrets import Secrets
from reelkit.testing.clock import Clock

LIVE = Scope("default", "production")


@pytest_asyncio.fixture
async def ring(database: Database, database_site: Site, clock: Clock) -> AsyncIterator[KeyRing]:
    ring = KeyRing(database_site, clock)
    yield ring
    await ring.close()


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(("environment", "prefix"), [("production", "rk_live_"), ("sandbox", "rk_test_")])
async def test_a_key_is_shown_once_and_stored_as_a_digest(
    database: Database, database_site: Site, environment: Environment, prefix: str
) -> None:
    key, secret = await create_key(database_site, Scope("p", environment), "ci")

    assert secret.startswith(prefix) and secret[len(prefix) :].isalnum() and len(secret) == len(prefix) + 32
    assert key.prefix == secret[:12]
    assert await keys.get(Scope("p", environment), key.id) == key
    for row in await database.fetch("SELECT * FROM api_key"):
        assert secret not in str(row) and secret[12:] not in str(row)


async def test_every_way_to_present_a_key_opens_the_same(ring: KeyRing, secret: str) -> None:
    for headers in (
        {"authorization": basic(f"{secret}:")},
        {"authorization": basic(secret)},
        {"authorization": f"Bearer {secret}"},
        {"authorization": f"bearer  {secret} "},
        {"x-api-key": secret},
        {"authorization": "", "x-api-key": secret},
        [(b"host", b"x"), (b"Authorization", f"Bearer {secret}".encode())],
        [(b"authorization", b""), (b"x-api-key", secret.encode())],
    ):
        principal = await ring.authenticate(headers)
        assert principal.scope == LIVE
        assert (principal.tier, principal.scopes) == ("partner", ("videos:read",))
        assert principal.may("videos:read") and not principal.may("videos:write")


@pytest.mark.parametrize(
    ("headers", "problem", "slug"),
    [
        ({}, MissingAuthorizationHeader, "authentication-missing-authorization-header"),
        ({"authorization": " "}, MissingAuthorizationHeader, "authentication-missing-authorization-header"),
        ({"authorization": basic("nope:")}, InvalidApiKey, "authentication-invalid-api-key"),
        ({"authorization": basic(f"rk_live_{'a' * 32}:")}, InvalidApiKey, "authentication-invalid-api-key"),
        ({"x-api-key": f"rk_live_{'a' * 32}"}, InvalidApiKey, "authentication-invalid-api-key"),
        ({"x-api-key": "\udcff\0"}, InvalidApiKey, "authentication-invalid-api-key"),
        ({"authorization": f"Bearer rk_live_{'a' * 32}"}, InvalidAccessToken, "authentication-invalid-access-token"),
        ({"authorization": "Bearer x.y.z"}, InvalidAccessToken, "authentication-invalid-access-token"),
        *[
            ({"authorization": value}, InvalidAuthorizationHeaderValue, "authentication-invalid-authorization-header-value")
            for value in ("Digest x", "Basic", "Bearer", "Basic !!!", "Basic /w==", basic("rk_live_x:password"), "rk_live_x")
        ],
    ],
)
async def test_what_opens_nothing_is_told_why(
    ring: KeyRing, headers: dict[str, str], problem: type[Problem], slug: str
) -> None:
    with pytest.raises(Problem) as refused:
        await ring.authenticate(headers)
    assert type(refused.value) is problem
    body = refused.value.body()
    assert (body.status, body.type) == (401, f"https://docs.api.video/reference/{slug}")


async def test_a_bad_authorization_header_is_not_saved_by_a_good_x_api_key(ring: KeyRing, secret: str) -> None:
    with pytest.raises(InvalidAccessToken):
        await ring.authenticate({"authorization": "Bearer nope", "x-api-key": secret})


async def test_a_revoked_key_stops_within_5_seconds_on_every_worker(
    database_site: Site, ring: KeyRing, secret: str, clock: Clock
) -> None:
    elsewhere = KeyRing(database_site, clock)
    for worker in (ring, elsewhere):
        await worker.authenticate({"x-api-key": secret})
    (key,) = await keys.list_keys(LIVE)

    revoked = await keys.revoke(LIVE, key.id)

    assert revoked is not None and revoked.revoked_at is not None
    ring.forget()
    with pytest.raises(InvalidApiKey):
        await ring.authenticate({"x-api-key": secret})
    clock.now += 4.99
    with pytest.raises(InvalidApiKey):
        await elsewhere.authenticate({"x-api-key": secret})
    again = await keys.revoke(LIVE, key.id)
    assert again is not None and again.revoked_at == revoked.revoked_at, "the first time counts"


async def test_another_tier_holds_within_5_seconds_on_every_worker(
    database_site: Site, ring: KeyRing, secret: str, clock: Clock
) -> None:
    tokens = Tokens(Secrets(["s" * 32]))
    elsewhere = KeyRing(database_site, clock, tokens)
    key = await elsewhere.find(secret)
    assert key is not None
    claims = Claims(key.id, "default", "production", "se1")
    ways = ({"x-api-key": secret}, {"x-session-token": tokens.sign("session", claims)})
    assert [(await elsewhere.authenticate(way)).tier for way in ways] == ["partner", "partner"]

    moved = await keys.set_tier(LIVE, key.id, "public")

    assert moved is not None and moved.tier == "public"
    clock.now += 4
    found = [await elsewhere.authenticate(way) for way in ways]
    assert [(who.tier, who.streaming) for who in found] == [("public", False)] * 2
    assert await keys.set_tier(Scope("other"), key.id, "partner") is None, "of another project"


async def test_the_public_key_of_the_site_looks_and_opens_sessions(database: Database, database_site: Site) -> None:
    text = "rk_live_" + "p" * 32
    site = msgspec.structs.replace(database_site, access=Access(public_api_key=text))
    tokens = Tokens(Secrets(["s" * 32]))
    ring = KeyRing(site, tokens=tokens)
    found = await ring.authenticate({"x-api-key": text})
    assert (found.scope, found.tier, found.streaming, found.key_id) == (LIVE, "public", False, "public")
    assert found.may("videos:read") and found.may("sessions:write") and found.may("access-requests:write")
    refused = ("videos:write", "upload-tokens:read", "live-streams:read", "webhooks:read", "data:read", "summaries:read")
    assert not any(found.may(what) for what in refused)
    token = {"x-session-token": tokens.sign("session", Claims("public", "default", "production", "se1"))}
    assert (await ring.authenticate(token)).tier == "public"
    signed_in = await sign_in(ring, tokens, text)
    again = await refresh(ring, tokens, signed_in.refresh_token)
    assert (await ring.authenticate({"authorization": f"Bearer {again.access_token}"})).scopes == found.scopes
    await ring.close()

    off = KeyRing(database_site, tokens=tokens)
    with pytest.raises(InvalidApiKey):
        await off.authenticate({"x-api-key": text})
    with pytest.raises(InvalidSessionToken):
        await off.authenticate(token)
    sandbox = KeyRing(msgspec.structs.replace(database_site, access=Access(public_api_key="rk_test_" + "p" * 32)))
    assert (await sandbox.authenticate({"x-api-key": "rk_test_" + "p" * 32})).environment == "sandbox"


async def test_only_its_own_scope_can_revoke_or_see_a_key(secret: str) -> None:
    (key,) = await keys.list_keys(LIVE)
    for stranger in (Scope("default", "sandbox"), Scope("other")):
        assert await keys.revoke(stranger, key.id) is None
        assert await keys.get(stranger, key.id) is None
        assert await keys.list_keys(stranger) == []
    assert await keys.get(LIVE, key.id) == key


async def test_an_expired_key_stops_at_once(ring: KeyRing, database_site: Site) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=1)
    _, secret = await create_key(database_site, LIVE, "short", expires_at=soon)
    await ring.authenticate({"x-api-key": secret})

    await asyncio.sleep((soon - datetime.now(UTC)).total_seconds() + 0.05)

    with pytest.raises(InvalidApiKey) as refused:
        await ring.authenticate({"x-api-key": secret})
    assert refused.value.detail == "This key has expired."


async def test_last_use_is_noted_and_at_most_once_a_minute(
    database_site: Site, ring: KeyRing, secret: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = datetime.now(UTC)
    await ring.authenticate({"x-api-key": secret})
    await ring.close()
    (key,) = await keys.list_keys(LIVE)
    assert key.last_used_at is not None and before <= key.last_used_at <= datetime.now(UTC)

    clock.now += 30
    await ring.authenticate({"x-api-key": secret})
    await ring.close()
    assert (await keys.list_keys(LIVE))[0].last_used_at == key.last_used_at

    await keys.touch([key.id], before - timedelta(hours=1))
    assert (await keys.list_keys(LIVE))[0].last_used_at == key.last_used_at, "an earlier time changes nothing"

    monkeypatch.setattr(KeyRing, "USE_NOTED_EVERY", timedelta(0))
    later = KeyRing(database_site, clock)
    await later.authenticate({"x-api-key": secret})
    await later.close()
    used = (await keys.list_keys(LIVE))[0].last_used_at
    assert used is not None and used > key.last_used_at


async def test_last_use_is_written_without_closing(ring: KeyRing, secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KeyRing, "FLUSH_AFTER", 0.01)
    await ring.authenticate({"x-api-key": secret})
    async with asyncio.timeout(30):
        while not (await keys.list_keys(LIVE))[0].last_used_at:
            await asyncio.sleep(0.02)


async def test_invented_keys_fill_no_memory_and_push_out_no_real_key(
    database: Database, database_site: Site, secret: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(KeyRing, "SIZE", 50)
    asked: list[str] = []
    real = keys.by_digest

    async def counted(digest: str) -> keys.ApiKey | None:
        asked.append(digest)
        return await real(digest)

    monkeypatch.setattr(keys, "by_digest", counted)
    ring = KeyRing(database_site, clock)
    await ring.authenticate({"x-api-key": secret})

    for n in range(200):
        with pytest.raises(InvalidApiKey):
            await ring.authenticate({"x-api-key": f"rk_live_{n:032}"})
        with pytest.raises(InvalidApiKey):
            await ring.authenticate({"x-api-key": f"invented-{n}"})
    await ring.authenticate({"x-api-key": secret})

    assert len(ring._unknown) == 50
    assert len(asked) == 201, "what has no key's shape is not looked up, what is known is looked up once"
    await ring.close()


async def test_a_burst_of_one_key_asks_the_database_once(
    ring: KeyRing, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0
    real = keys.by_digest

    async def counted(digest: str) -> keys.ApiKey | None:
        nonlocal asked
        asked += 1
        return await real(digest)

    monkeypatch.setattr(keys, "by_digest", counted)
    principals = await asyncio.gather(*(ring.authenticate({"x-api-key": secret}) for _ in range(200)))

    assert asked == 1 and len(set(principals)) == 1
    assert isinstance(principals[0], Principal)


async def test_a_client_that_hangs_up_does_not_take_the_others_along(ring: KeyRing, secret: str) -> None:
    tasks = [asyncio.create_task(ring.authenticate({"x-api-key": secret})) for _ in range(3)]
    await asyncio.sleep(0)
    tasks[0].cancel()

    results = await asyncio.gather(*tasks, return_exceptions=True)

    assert isinstance(results[0], asyncio.CancelledError)
    assert all(isinstance(result, Principal) for result in results[1:])


async def test_a_key_whose_tier_is_gone_is_refused(database: Database, database_site: Site, secret: str) -> None:
    ring = KeyRing(Site(folder=database_site.folder, tiers={"standard": Tier()}))
    with pytest.raises(AccessDenied, match="partner"):
        await ring.authenticate({"x-api-key": secret})
    await ring.close()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tier": "parnter"}, "Did you mean 'partner'"),
        ({"name": ""}, "1 to 100"),
        ({"name": "x" * 101}, "1 to 100"),
        ({"name": "\0"}, "1 to 100"),
        ({"scopes": ("",)}, "no scope"),
        ({"scopes": ("videos:read", "videos")}, "'videos' is no scope"),
        ({"expires_at": datetime(2020, 1, 1, tzinfo=UTC)}, "time to come"),
        ({"expires_at": datetime(2999, 1, 1)}, "time zone"),
    ],
)
async def test_a_key_that_makes_no_sense_is_not_made(
    database: Database, database_site: Site, options: dict[str, str], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        await create_key(database_site, LIVE, **{"name": "n", **options})  # type: ignore[arg-type]  # one wrong option each
    assert await keys.list_keys(LIVE) == []
