"""What people try with credentials, a row a trick: none opens anything, none breaks anything."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio
from itsdangerous import TimestampSigner
from reelkit.access.keys import KeyRing, create_key
from reelkit.access.tokens import Claims, Kind, Tokens
from reelkit.catalog import keys
from reelkit.catalog.database import migrate, open_database
from reelkit.catalog.scope import Scope
from reelkit.problems import (
    AccessDenied,
    InvalidAccessToken,
    InvalidApiKey,
    InvalidAuthorizationHeaderValue,
    InvalidSessionToken,
    MissingAuthorizationHeader,
    Problem,
)
from reelkit.site import Site
from reelkit.site_secrets import Secrets

LIVE = Scope("default", "production")
Headers = list[tuple[bytes, bytes]]


class Loot:
    """What an attacker may have: good credentials, ended ones, and another site's secrets."""

    def __init__(self, tokens: Tokens, secrets: dict[str, str], ids: dict[str, str]) -> None:
        self.tokens = tokens
        self.key, self.revoked, self.expired, self.tierless = (secrets[name] for name in ids)
        self.ids = ids

    def token(self, kind: Kind = "session", of: str = "good", **claims: str) -> str:
        """Return a token that the site signs now."""
        fields = {"key_id": self.ids[of], "project": "default", "environment": "production", "id": "se1", **claims}
        return self.tokens.sign(kind, Claims(**fields))  # type: ignore[arg-type]  # a test may claim anything

    def signed_at(self, seconds: float, kind: Kind = "session") -> str:
        """Return a token that the site signs at another time than now."""
        moment = int(time.time() + seconds)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(TimestampSigner, "get_timestamp", lambda _: moment)
            return self.token(kind)

    def elsewhere(self, kind: Kind = "session") -> str:
        """Return a token of another site for our key."""
        claims = Claims(self.ids["good"], "default", "production", "se1")
        return Tokens(Secrets(["e" * 32])).sign(kind, claims)

    def body(self, *values: object) -> str:
        """Return a good token whose body says something else."""
        _, stamp, signature = self.token().split(".")
        return ".".join([base64.urlsafe_b64encode(msgspec.json.encode(values)).rstrip(b"=").decode(), stamp, signature])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[KeyRing, Loot]]:
    folder: Path = tmp_path_factory.mktemp("attacked")
    site = Site(folder=folder)
    database = await open_database(site)
    await migrate(database)
    secrets, ids = {}, {}
    for name in ("good", "revoked", "expired", "tierless"):
        soon = datetime.now(UTC) + timedelta(seconds=0.01) if name == "expired" else None
        made, secrets[name] = await create_key(site, LIVE, name, expires_at=soon)
        ids[name] = made.id
    await keys.revoke(LIVE, ids["revoked"])
    await keys.set_tier(LIVE, ids["tierless"], "gone")
    tokens = Tokens(Secrets(["s" * 32, "o" * 32]))
    ring = KeyRing(site, tokens=tokens)
    yield ring, Loot(tokens, secrets, ids)
    await ring.close()
    await database.close()


def session(make: Callable[[Loot], str]) -> Callable[[Loot], Headers]:
    return lambda loot: [(b"x-session-token", make(loot).encode("utf-8", "surrogateescape"))]


def bearer(make: Callable[[Loot], str]) -> Callable[[Loot], Headers]:
    return lambda loot: [(b"authorization", b"Bearer " + make(loot).encode())]


def api_key(make: Callable[[Loot], str]) -> Callable[[Loot], Headers]:
    return lambda loot: [(b"x-api-key", make(loot).encode())]


def basic(make: Callable[[Loot], bytes]) -> Callable[[Loot], Headers]:
    return lambda loot: [(b"authorization", b"Basic " + base64.b64encode(make(loot)))]


def plain(headers: str) -> Callable[[Loot], Headers]:
    """Read `name: value; name: value`; KEY stands for a good key."""
    pairs = [pair.strip().partition(": ") for pair in headers.split(";") if pair.strip()]
    return lambda loot: [(name.rstrip(":").encode(), value.replace("KEY", loot.key).encode()) for name, _, value in pairs]


def none_alg() -> str:
    part = base64.urlsafe_b64encode(b'{"alg":"none"}').decode()
    return f"{part}.{base64.urlsafe_b64encode(b'{}').decode()}."


TRICKS: list[tuple[str, Callable[[Loot], Headers], type[Problem]]] = [
    # Session tokens
    ("forged signature", session(lambda loot: loot.token()[:-5] + "AAAAA"), InvalidSessionToken),
    ("no signature", session(lambda loot: loot.token().rpartition(".")[0]), InvalidSessionToken),
    ("empty signature", session(lambda loot: loot.token().rpartition(".")[0] + "."), InvalidSessionToken),
    ("truncated by one", session(lambda loot: loot.token()[:-1]), InvalidSessionToken),
    ("truncated to the half", session(lambda loot: loot.token()[: len(loot.token()) // 2]), InvalidSessionToken),
    ("first character gone", session(lambda loot: loot.token()[1:]), InvalidSessionToken),
    ("one more character", session(lambda loot: loot.token() + "A"), InvalidSessionToken),
    ("lower case", session(lambda loot: loot.token().lower()), InvalidSessionToken),
    ("twice in a row", session(lambda loot: f"{loot.token()}.{loot.token()}"), InvalidSessionToken),
    ("two in one header", session(lambda loot: f"{loot.token()}, {loot.token()}"), InvalidSessionToken),
    ("time moved on", session(lambda loot: loot.token().replace(loot.token().split(".")[1], "Zzzzzz")), InvalidSessionToken),
    ("body of another key", session(lambda loot: loot.body("ke1", "default", "production", "s")), InvalidSessionToken),
    ("body of another project", session(lambda loot: loot.body("ke1", "p2", "sandbox", "s")), InvalidSessionToken),
    ("expired by a second", session(lambda loot: loot.signed_at(-1801)), InvalidSessionToken),
    ("expired long ago", session(lambda loot: loot.signed_at(-(10**8))), InvalidSessionToken),
    ("from the future", session(lambda loot: loot.signed_at(60)), InvalidSessionToken),
    ("from the far future", session(lambda loot: loot.signed_at(10**9)), InvalidSessionToken),
    ("of another site", session(lambda loot: loot.elsewhere()), InvalidSessionToken),
    ("of a revoked key", session(lambda loot: loot.token(of="revoked")), InvalidSessionToken),
    ("of an expired key", session(lambda loot: loot.token(of="expired")), InvalidSessionToken),
    ("of a key whose tier is gone", session(lambda loot: loot.token(of="tierless")), AccessDenied),
    ("of a key that never was", session(lambda loot: loot.token(key_id="ke404")), InvalidSessionToken),
    ("of a key in another project", session(lambda loot: loot.token(project="other")), InvalidSessionToken),
    ("of a key in the sandbox", session(lambda loot: loot.token(environment="sandbox")), InvalidSessionToken),
    ("of the public key of a site without one", session(lambda loot: loot.token(key_id="public")), InvalidSessionToken),
    ("without an id to count by", session(lambda loot: loot.token(id="")), InvalidSessionToken),
    ("an access token", session(lambda loot: loot.token("access")), InvalidSessionToken),
    ("a key", session(lambda loot: loot.key), InvalidSessionToken),
    ("a token without algorithm", session(lambda _: none_alg()), InvalidSessionToken),
    ("dots", session(lambda _: "." * 1000), InvalidSessionToken),
    ("a megabyte", session(lambda _: "a" * (1 << 20)), InvalidSessionToken),
    ("no ASCII", session(lambda loot: loot.token().replace("a", "\u0430", 1)), InvalidSessionToken),
    ("bytes of no text", session(lambda _: "\udcff\udcfe"), InvalidSessionToken),
    ("a line break", session(lambda loot: loot.token()[:20] + "\r\nX: y" + loot.token()[20:]), InvalidSessionToken),
    ("a zero", session(lambda loot: loot.token() + "\0"), InvalidSessionToken),
    ("in quotes", session(lambda loot: f'"{loot.token()}"'), InvalidSessionToken),
    # Access tokens
    ("a session token as bearer", bearer(lambda loot: loot.token()), InvalidAccessToken),
    ("a forged access token", bearer(lambda loot: loot.token("access")[:-3] + "AAA"), InvalidAccessToken),
    ("an expired access token", bearer(lambda loot: loot.signed_at(-3601, "access")), InvalidAccessToken),
    ("an access token of tomorrow", bearer(lambda loot: loot.signed_at(86400, "access")), InvalidAccessToken),
    ("an access token of another site", bearer(lambda loot: loot.elsewhere("access")), InvalidAccessToken),
    ("an access token of a revoked key", bearer(lambda loot: loot.token("access", "revoked")), InvalidAccessToken),
    ("an access token as key", api_key(lambda loot: loot.token("access")), InvalidApiKey),
    ("an access token as Basic", basic(lambda loot: loot.token("access").encode() + b":"), InvalidApiKey),
    ("a token without algorithm as bearer", bearer(lambda _: none_alg()), InvalidAccessToken),
    # Keys
    ("a revoked key", bearer(lambda loot: loot.revoked), InvalidAccessToken),
    ("an expired key", api_key(lambda loot: loot.expired), InvalidApiKey),
    ("a key whose tier is gone", api_key(lambda loot: loot.tierless), AccessDenied),
    ("a session token as key", api_key(lambda loot: loot.token()), InvalidApiKey),
    ("the key of the other environment", api_key(lambda loot: loot.key.replace("live", "test")), InvalidApiKey),
    ("a key in capitals", api_key(lambda loot: loot.key.upper()), InvalidApiKey),
    ("a key less one", api_key(lambda loot: loot.key[:-1]), InvalidApiKey),
    ("a key and more", api_key(lambda loot: loot.key + "x"), InvalidApiKey),
    ("two keys", api_key(lambda loot: f"{loot.key},{loot.key}"), InvalidApiKey),
    ("what is shown of a key", api_key(lambda loot: loot.key[:12]), InvalidApiKey),
    ("what is stored of a key", api_key(lambda loot: hashlib.sha256(loot.key.encode()).hexdigest()), InvalidApiKey),
    ("a key with wildcards", api_key(lambda _: "rk_live_" + "%" * 32), InvalidApiKey),
    ("SQL", api_key(lambda _: "rk_live_' OR '1'='1' --"), InvalidApiKey),
    ("a key with a zero", api_key(lambda loot: loot.key[:-1] + "\0"), InvalidApiKey),
    ("digits of another script", api_key(lambda _: "rk_live_" + "\u0661" * 32), InvalidApiKey),
    ("a key of a megabyte", api_key(lambda _: "rk_live_" + "a" * (1 << 20)), InvalidApiKey),
    ("a key as password", basic(lambda loot: b":" + loot.key.encode()), InvalidAuthorizationHeaderValue),
    ("a key with a password", basic(lambda loot: loot.key.encode() + b":x"), InvalidAuthorizationHeaderValue),
    ("Basic of no text", basic(lambda _: b"\xff\xfe:"), InvalidAuthorizationHeaderValue),
    ("Basic of a megabyte", basic(lambda _: b"a" * (1 << 20) + b":"), InvalidApiKey),
    # Headers
    ("nothing", lambda _: [], MissingAuthorizationHeader),
    ("empty headers", plain("authorization: ; x-api-key: ; x-session-token: "), MissingAuthorizationHeader),
    ("a key in a cookie", plain("cookie: x-api-key=KEY"), MissingAuthorizationHeader),
    ("a key in X-Auth-Token", plain("x-auth-token: KEY"), MissingAuthorizationHeader),
    ("a key in Proxy-Authorization", plain("proxy-authorization: Bearer KEY"), MissingAuthorizationHeader),
    ("a bare key in Authorization", plain("authorization: KEY"), InvalidAuthorizationHeaderValue),
    ("Digest", plain("authorization: Digest username=KEY"), InvalidAuthorizationHeaderValue),
    ("Bearer of nothing", plain("authorization: Bearer "), InvalidAuthorizationHeaderValue),
    ("Basic that is none", plain("authorization: Basic !!!"), InvalidAuthorizationHeaderValue),
    ("a bad one before a good one", plain("authorization: Bearer x; x-api-key: KEY"), InvalidAccessToken),
    ("a bad one of two of a name", plain("x-api-key: x; x-api-key: KEY"), InvalidApiKey),
    ("100,000 headers", plain("x-y: z;" * 100_000), MissingAuthorizationHeader),
]  # fmt: skip


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("make", "problem"), [pytest.param(make, problem, id=name) for name, make, problem in TRICKS])
async def test_a_trick_opens_nothing(
    opened: tuple[KeyRing, Loot], make: Callable[[Loot], Headers], problem: type[Problem]
) -> None:
    ring, loot = opened
    headers = make(loot)
    started = time.process_time()
    with pytest.raises(Problem) as refused:
        await ring.authenticate(headers)
    assert time.process_time() - started < 1
    assert type(refused.value) is problem
    assert loot.key not in str(refused.value.body())


@pytest.mark.asyncio(loop_scope="module")
async def test_what_is_good_still_opens(opened: tuple[KeyRing, Loot]) -> None:
    ring, loot = opened
    headers: Headers
    for headers in (
        [(b"x-session-token", loot.token().encode())],
        [(b"authorization", b"Bearer " + loot.token("access").encode())],
        [*((b"x-%d" % number, b"y") for number in range(1000)), (b"x-api-key", loot.key.encode())],
    ):
        assert (await ring.authenticate(headers)).key_id == loot.ids["good"]


@pytest.mark.asyncio(loop_scope="module")
async def test_a_flood_of_invented_keys_fills_a_bounded_memory(opened: tuple[KeyRing, Loot]) -> None:
    ring, loot = opened
    ring._unknown._size = 50
    for number in range(200):
        with pytest.raises(InvalidApiKey):
            await ring.authenticate({"x-api-key": f"rk_live_{number:032}"})
    assert len(ring._unknown) == 50
    assert (await ring.authenticate({"x-api-key": loot.key})).key_id == loot.ids["good"]
