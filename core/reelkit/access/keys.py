"""API keys: made, shown once, recognised again.

A key is `rk_live_` (production) or `rk_test_` (sandbox) and 32 alphanumerics, 190 bits of chance, so a plain SHA-256
keeps it as safe as a slow hash would. Only the digest and the first characters are stored.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import re
import secrets
import string
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches

from reelkit.access.credentials import Headers, credential_of
from reelkit.access.principal import Principal
from reelkit.access.remembered import Remembered
from reelkit.access.scopes import PUBLIC, session_scopes, well_formed
from reelkit.access.suspension import Suspensions
from reelkit.access.tokens import Tokens
from reelkit.catalog import keys, projects
from reelkit.catalog.keys import ApiKey
from reelkit.catalog.packing import storable
from reelkit.catalog.scope import Environment, Scope
from reelkit.problems import (
    AccessDenied,
    InvalidAccessToken,
    InvalidApiKey,
    InvalidSessionToken,
    MissingAuthorizationHeader,
    Problem,
)
from reelkit.site import Site

__all__ = ["PUBLIC_ID", "KeyRing", "check_tier", "create_key", "digest_of", "new_secret"]

PUBLIC_ID = "public"
"""The id of the key that site.toml names; it is in no table."""
PREFIX = {"production": "rk_live_", "sandbox": "rk_test_"}
RANDOM = 32
SHOWN = 12
"""Characters of a key that stay visible: its prefix and four more, 24 of 190 bits."""
ALPHABET = string.ascii_letters + string.digits
SHAPE = re.compile(rf"rk_(live|test)_[A-Za-z0-9]{{{RANDOM}}}", re.ASCII)

log = logging.getLogger("reelkit.access")


def new_secret(environment: Environment) -> str:
    """Return the text of a new key."""
    return PREFIX[environment] + "".join(secrets.choice(ALPHABET) for _ in range(RANDOM))


def digest_of(secret: str) -> str:
    """Return what is stored of a key: its SHA-256, hexadecimal."""
    return hashlib.sha256(secret.encode()).hexdigest()


def check_tier(site: Site, tier: str) -> None:
    """Raise ValueError, with a sentence for people, for a tier that the site does not have."""
    if tier not in site.tiers:
        near = get_close_matches(tier, site.tiers, 1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"There is no tier {tier!r}. This site has: {', '.join(site.tiers)}.{hint}")


async def create_key(
    site: Site,
    scope: Scope,
    name: str,
    *,
    tier: str = "standard",
    scopes: tuple[str, ...] = ("*",),
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Make a key and return it with its secret, which is nowhere else from now on.

    Raises ValueError, with a sentence for people, for an unknown tier, an empty or overlong name, a scope that is none,
    or an expiry that has passed or has no time zone.
    """
    check_tier(site, tier)
    if not 1 <= len(name) <= 100 or not storable(name):
        raise ValueError("The name of a key has 1 to 100 characters.")
    if (odd := next((what for what in scopes if not well_formed(what)), None)) is not None:
        raise ValueError(f"{odd[:100]!r} is no scope. Write OBJECT:read or OBJECT:write, with * on either side, or * alone.")
    if expires_at is not None and (expires_at.tzinfo is None or expires_at <= datetime.now(UTC)):
        raise ValueError("The expiry of a key is a time to come, with its time zone.")
    secret = new_secret(scope.environment)
    key = await keys.insert(
        scope,
        name=name,
        prefix=secret[:SHOWN],
        digest=digest_of(secret),
        tier=tier,
        scopes=scopes,
        expires_at=expires_at,
    )
    return key, secret


def public_key(site: Site) -> ApiKey | None:
    """Return the key that site.toml names, as if it were stored: everybody may know it, so it reads and that is all."""
    text = site.access.public_api_key
    if not text:
        return None
    return ApiKey(
        id=PUBLIC_ID,
        project=projects.DEFAULT,
        environment="sandbox" if text.startswith(PREFIX["sandbox"]) else "production",
        name="[access] public_api_key",
        prefix=text[:SHOWN],
        digest=digest_of(text),
        tier="public",
        scopes=PUBLIC,
        created_at=datetime.fromtimestamp(0, UTC),
    )


class KeyRing:
    """Recognises keys, one a process.

    What the database said is believed for 4 s, so that a revocation works within 5 s on every worker. Unknown keys are
    remembered apart from known ones: a flood of invented keys fills a bounded memory and pushes out no real key.
    """

    TTL = 4.0
    SIZE = 10_000
    USE_NOTED_EVERY = timedelta(seconds=60)
    FLUSH_AFTER = 1.0

    def __init__(self, site: Site, clock: Callable[[], float] = time.monotonic, tokens: Tokens | None = None) -> None:
        self.suspensions = Suspensions(clock)
        self._site = site
        self._clock = clock
        self._tokens = tokens
        self._public = public_key(site)
        self._known: Remembered[ApiKey] = Remembered(self.SIZE, self.TTL, clock)
        self._unknown: Remembered[bool] = Remembered(self.SIZE, self.TTL, clock)
        self._noted: Remembered[bool] = Remembered(self.SIZE, self.USE_NOTED_EVERY.total_seconds(), clock)
        self._asking: dict[str, asyncio.Task[ApiKey | None]] = {}
        self._used: set[str] = set()
        self._flushing: asyncio.Task[None] | None = None

    async def authenticate(self, headers: Headers) -> Principal:
        """Return who is asking, by `Authorization: Basic`, `Authorization: Bearer`, `X-API-Key` or `X-Session-Token`.

        They are tried in this order. A bearer is a key or an access token.

        Raises MissingAuthorizationHeader, InvalidAuthorizationHeaderValue, InvalidApiKey, InvalidAccessToken (the last
        for Bearer), InvalidSessionToken, AccessDenied when the key's tier is gone from site.toml, SuspendedAccount,
        DatabaseError.
        """
        credential = credential_of(headers)
        if credential is None:
            raise MissingAuthorizationHeader(detail="Send `Authorization: Bearer KEY` or `X-API-Key: KEY`.")
        if credential.how == "x-session-token":
            return await self._session(credential.secret)
        refused = InvalidAccessToken if credential.how == "bearer" else InvalidApiKey
        if credential.how == "bearer" and self._tokens is not None and SHAPE.fullmatch(credential.secret) is None:
            claims = self._tokens.read("access", credential.secret)
            if claims is None:
                raise refused
            return self._principal(await self.usable(claims.scope, claims.key_id, refused))
        key = await self._check(await self.find(credential.secret), refused)
        self._note_use(key)
        return self._principal(key)

    async def _session(self, token: str) -> Principal:
        """Return whom a session token stands for: its key, with less to do. Raises as `authenticate`."""
        claims = None if self._tokens is None else self._tokens.read("session", token)
        if claims is None or not claims.id:
            raise InvalidSessionToken
        key = await self.usable(claims.scope, claims.key_id, InvalidSessionToken)
        return self._principal(key, session_scopes(key.scopes), claims.id)

    def _principal(self, key: ApiKey, scopes: tuple[str, ...] | None = None, session_id: str = "") -> Principal:
        """Return whom a key stands for, by itself or by one of its sessions."""
        may = key.scopes if scopes is None else scopes
        streaming = self._site.tiers[key.tier].streaming
        return Principal(key.project, key.environment, key.tier, may, key.id, session_id, streaming)

    async def usable(self, scope: Scope, key_id: str, refused: type[Problem]) -> ApiKey:
        """Return a key by its id, as somebody who has a token of it asks for it. Raises as `_check`."""
        if self._public is not None and key_id == PUBLIC_ID and scope == self._public.scope:
            return await self._check(self._public, refused)
        name = f"id {key_id} {scope.environment} {scope.project}"
        key = self._known.get(name)
        if key is None:
            since = self._clock()
            key = await keys.get(scope, key_id)
            if key is not None:
                self._known.put(name, key, since)
        key = await self._check(key, refused)
        self._note_use(key)
        return key

    async def _check(self, key: ApiKey | None, refused: type[Problem]) -> ApiKey:
        """Return a key that works now. Raises `refused`, AccessDenied, SuspendedAccount, DatabaseError."""
        if key is None:
            raise refused
        if key.revoked_at is not None:
            raise refused(detail="This key was revoked.")
        if key.expires_at is not None and key.expires_at <= datetime.now(UTC):
            raise refused(detail="This key has expired.")
        if key.tier not in self._site.tiers:
            raise AccessDenied(detail=f"The tier of this key, {key.tier!r}, no longer exists on this site.")
        await self.suspensions.check(key.project)
        return key

    async def find(self, secret: str) -> ApiKey | None:
        """Return the key of a secret, whatever its state; None when there is none. Raises DatabaseError."""
        if SHAPE.fullmatch(secret) is None:
            return None
        digest = digest_of(secret)
        if self._public is not None and hmac.compare_digest(self._public.digest, digest):
            return self._public
        key = self._known.get(digest)
        if key is None:
            if self._unknown.get(digest):
                return None
            asking = self._asking.get(digest)
            if asking is None:
                # Many requests of one key that arrive at once ask the database once.
                asking = self._asking[digest] = asyncio.create_task(self._ask(digest))
            key = await asyncio.shield(asking)
        if key is None or not hmac.compare_digest(key.digest, digest):
            return None
        return key

    def forget(self) -> None:
        """Believe nothing any more, e.g. after a revocation in this very process."""
        self._known.clear()
        self._unknown.clear()
        self.suspensions.forget()

    async def close(self) -> None:
        """Write down what keys were used last."""
        if self._flushing is not None:
            self._flushing.cancel()
            await asyncio.gather(self._flushing, return_exceptions=True)
        await self._flush()

    async def _ask(self, digest: str) -> ApiKey | None:
        since = self._clock()
        try:
            key = await keys.by_digest(digest)
        finally:
            del self._asking[digest]
        if key is None:
            self._unknown.put(digest, True, since)
        else:
            self._known.put(digest, key, since)
        return key

    def _note_use(self, key: ApiKey) -> None:
        """Have last_used_at written soon, together with that of other keys; of one key at most once a minute."""
        if key.id == PUBLIC_ID or self._noted.get(key.id):
            return
        self._noted.put(key.id, True, self._clock())
        if key.last_used_at is None or datetime.now(UTC) - key.last_used_at >= self.USE_NOTED_EVERY:
            self._used.add(key.id)
            if self._flushing is None:
                self._flushing = asyncio.create_task(self._flush_soon())

    async def _flush_soon(self) -> None:
        await asyncio.sleep(self.FLUSH_AFTER)
        self._flushing = None
        await self._flush()

    async def _flush(self) -> None:
        used, self._used = self._used, set()
        try:
            await keys.touch(sorted(used), datetime.now(UTC))
        except Exception:
            # When a key was used last is worth no failed request, and no silence either.
            log.exception("could not note the last use of %d key(s)", len(used))
