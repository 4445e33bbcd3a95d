"""Session tokens: what a browser holds instead of a key."""

from __future__ import annotations

import msgspec
from litestar import post
from litestar.datastructures import State
from litestar.di import NamedDependency

from reelkit.access.principal import Principal
from reelkit.access.tokens import LIFETIME, Claims
from reelkit.catalog.ids import new_id
from reelkit.catalog.scope import Environment

__all__ = ["SessionToken", "open_session"]


class SessionToken(msgspec.Struct, frozen=True):
    """A token for `X-Session-Token`. expires_in: seconds; tier, environment: those of its key."""

    token: str
    expires_in: int
    tier: str
    environment: Environment


@post("/api/auth", status_code=200, operation_id="POST_api-auth", opt={"needs": "sessions:write"})
async def open_session(principal: NamedDependency[Principal], state: State) -> SessionToken:
    """Exchange a key for a session token, which may read and play, and nothing else."""
    claims = Claims(principal.key_id, principal.project, principal.environment, new_id("se"))
    token = state.tokens.sign("session", claims)
    return SessionToken(token, LIFETIME["session"], principal.tier, principal.environment)
