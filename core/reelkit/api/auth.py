"""Access tokens: what official clients exchange their key for before anything else."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, post
from litestar.datastructures import State

from reelkit.access.principal import Principal
from reelkit.access.signin import SignedIn, refresh, sign_in
from reelkit.api.limits import throttle
from reelkit.api.payloads import read_payload
from reelkit.problems import AttributeRequired

__all__ = ["HANDLERS", "AccessToken", "AuthenticatePayload", "RefreshTokenPayload", "authenticate", "refresh_token"]


class AuthenticatePayload(msgspec.Struct, frozen=True, rename="camel"):
    """The contract's `authenticate-payload`."""

    api_key: str


class RefreshTokenPayload(msgspec.Struct, frozen=True, rename="camel"):
    """The contract's `refresh-token-payload`."""

    refresh_token: str


class AccessToken(msgspec.Struct, frozen=True):
    """The contract's `access-token`. expires_in: seconds. Python echoes token_type into its header, so it is `Bearer`."""

    access_token: str
    refresh_token: str
    expires_in: int
    token_type: str = "Bearer"  # noqa: S105 - the word of the protocol, no secret


# Both read the body whatever its content type, and ignore an Authorization header: Node sends the key in one all the same.
@post("/auth/api-key", status_code=200, operation_id="POST_auth-api-key")
async def authenticate(request: Request[Any, Any, Any], state: State) -> AccessToken:
    """Exchange an API key for an access token and a refresh token."""
    given = read_payload(await request.body(), AuthenticatePayload)
    if not given.api_key.strip():
        raise AttributeRequired(name="apiKey")

    async def admit(principal: Principal) -> None:
        """Let a key sign in as often as it may ask: each time writes a row, and the public key is everybody's."""
        tier = state.runtime.site.tiers[principal.tier]
        name = f"sign-in:{principal.key_id}"
        await throttle(state.rate_limits, request.scope, principal.tier, name, tier.limit, tier.window)

    return _answer(await sign_in(state.key_ring, state.tokens, given.api_key, admit))


@post("/auth/refresh", status_code=200, operation_id="POST_auth-refresh")
async def refresh_token(request: Request[Any, Any, Any], state: State) -> AccessToken:
    """Exchange a refresh token, which is used up by it, for a new access token and a new refresh token."""
    given = read_payload(await request.body(), RefreshTokenPayload)
    return _answer(await refresh(state.key_ring, state.tokens, given.refresh_token))


def _answer(signed_in: SignedIn) -> AccessToken:
    return AccessToken(signed_in.access_token, signed_in.refresh_token, signed_in.expires_in)


HANDLERS = (authenticate, refresh_token)
