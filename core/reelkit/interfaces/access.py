"""Who asks for what, and how often: what the hooks authenticate, authorize and rate_limit are handed."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["Caller", "Operation", "RateDecision", "SignIn"]


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who is known. id: by which requests are counted; tier: one of the site's.

    An id that `authenticate` returns has `plugin:` before it wherever it is told again; that of a key is the key's.
    """

    id: str
    project: str = "default"
    environment: Literal["production", "sandbox"] = "production"
    tier: str = "standard"
    scopes: tuple[str, ...] = ("*",)
    """What they may do: `videos:read`, `videos:*`, `*:read`, or `*` for everything."""


class SignIn(msgspec.Struct, frozen=True, kw_only=True):
    """A request that no key and no token of reelkit's opens. headers: by lower-case names, the last of each."""

    method: str
    path: str
    headers: dict[str, str]
    client: str
    """The address that the request came from; empty when unknown."""
    caller: Caller | None = None
    """Whom a plugin that was asked before has recognised; that stands."""


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a caller is about to do; their scopes allow it already. needs: the scope, e.g. `videos:write`."""

    caller: Caller
    session: bool
    """Whether they come with a session token, in a browser."""
    method: str
    path: str
    needs: str


class RateDecision(msgspec.Struct, frozen=True, kw_only=True):
    """What the caller's tier says to one more request. limit, remaining: requests; window, reset: seconds."""

    caller: Caller
    kind: Literal["uploads", "writes", "reads"]
    allowed: bool
    limit: int
    window: int
    remaining: int
    reset: int
