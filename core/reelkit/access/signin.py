"""Signing in with a key: a short-lived access token, and a refresh token that gets the next one.

A refresh token is `rk_refresh_`, the id of its family and a secret, and works once. Whoever comes with one of a family that
is not its last has seen a token that was already given up: either the client or a thief uses an old one, and nobody can
tell which, so the whole family ends and the client signs in with its key again.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import msgspec

from reelkit.access.keys import ALPHABET, KeyRing, digest_of
from reelkit.access.principal import Principal
from reelkit.access.tokens import LIFETIME, Claims, Tokens
from reelkit.catalog import refresh_tokens
from reelkit.catalog.scope import Scope
from reelkit.problems import InvalidApiKey, InvalidCredentials, Problem, Unauthorized

__all__ = ["REFRESH_DAYS", "SignedIn", "refresh", "sign_in"]

REFRESH_DAYS = 30
"""For how long a family waits to be renewed."""
_SHAPE = re.compile(r"rk_refresh_([A-Za-z0-9]{22})([A-Za-z0-9]{32})", re.ASCII)


class SignedIn(msgspec.Struct, frozen=True):
    """Two tokens. expires_in: seconds that the access token lives."""

    access_token: str
    refresh_token: str
    expires_in: int


async def sign_in(
    keys: KeyRing, tokens: Tokens, api_key: str, admit: Callable[[Principal], Awaitable[None]] | None = None
) -> SignedIn:
    """Return tokens for a key. admit: raises a Problem for who comes too often.

    Raises InvalidCredentials, AccessDenied, SuspendedAccount.
    """
    try:
        principal = await keys.authenticate({"x-api-key": api_key})
    except Unauthorized as refused:
        raise InvalidCredentials(name="", detail=refused.detail) from None
    if admit is not None:
        await admit(principal)
    family = _random(22)
    secret = f"rk_refresh_{family}{_random(32)}"
    await refresh_tokens.begin(
        principal.scope, id=family, key_id=principal.key_id, digest=digest_of(secret), expires_at=_end()
    )
    return _signed_in(tokens, principal.key_id, principal.scope, secret)


async def refresh(keys: KeyRing, tokens: Tokens, refresh_token: str) -> SignedIn:
    """Return new tokens for a refresh token, which is used up by it.

    Raises InvalidCredentials; AccessDenied and SuspendedAccount, which leave the token good.
    """
    shape = _SHAPE.fullmatch(refresh_token)
    if shape is None:
        raise InvalidCredentials(name="")
    family = shape[1]
    secret = f"rk_refresh_{family}{_random(32)}"
    given, new, end = digest_of(refresh_token), digest_of(secret), _end()
    found = await refresh_tokens.renew(family, digest=given, new=new, expires_at=end)
    if found is None:
        await refresh_tokens.revoke(family)
        raise InvalidCredentials(name="", detail="This refresh token was used, revoked, or has expired.")
    try:
        await keys.usable(found.scope, found.key_id, InvalidApiKey)
    except Unauthorized as refused:
        await refresh_tokens.revoke(family)
        raise InvalidCredentials(name="", detail=refused.detail) from None
    except Problem:
        # A refusal that can be taken back: the client has only the old token to come with then.
        await refresh_tokens.renew(family, digest=new, new=given, expires_at=end)
        raise
    return _signed_in(tokens, found.key_id, found.scope, secret)


def _signed_in(tokens: Tokens, key_id: str, scope: Scope, refresh_token: str) -> SignedIn:
    # By its id it is another one than that of the same second.
    claims = Claims(key_id, scope.project, scope.environment, _random(8))
    return SignedIn(tokens.sign("access", claims), refresh_token, LIFETIME["access"])


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def _end() -> datetime:
    return datetime.now(UTC) + timedelta(days=REFRESH_DAYS)
