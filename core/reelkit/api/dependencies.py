"""What handlers are handed: who is asking, and what the process works with."""

from __future__ import annotations

from contextvars import ContextVar

from litestar import Litestar
from litestar.datastructures import State
from litestar.di import Provide
from litestar.routes import HTTPRoute
from litestar.types import HTTPScope

from reelkit.access.asking import ask_authenticate, ask_authorize
from reelkit.access.keys import KeyRing
from reelkit.access.principal import Principal
from reelkit.access.scopes import needed
from reelkit.api.limits import count
from reelkit.interfaces.access import SignIn
from reelkit.jobs.runtime import Runtime
from reelkit.plugins import Plugins
from reelkit.problems import AccessDenied, Unauthorized

__all__ = ["DEPENDENCIES", "admitted", "answering", "resolve_in_turn"]


answering: ContextVar[HTTPScope] = ContextVar("answering")
"""The request that is answered. Dependencies with arguments cost twice as much: Litestar builds and checks each of them."""


async def principal() -> Principal:
    """Return who is asking, once it is clear that they may, and may now. Raises a Problem of status 401, 403 or 429."""
    scope = answering.get()
    return await admitted(scope, scope["litestar_app"].state, scope["route_handler"].opt.get("needs"))


async def admitted(scope: HTTPScope, state: State, needs: str | None = None) -> Principal:
    """Return who is asking, and count it. needs: the scope that it takes, if not what method and path say. See principal."""
    keys: KeyRing = state.key_ring
    plugins: Plugins = state.runtime.plugins
    try:
        found = await keys.authenticate(scope["headers"])
    except Unauthorized:
        known = await _known_elsewhere(scope, state.runtime, keys) if plugins.implements("authenticate") else None
        if known is None:
            raise
        found = known
    await count(state.rate_limits, plugins, scope, found)
    needs = needs or needed(scope["method"], scope["path"])
    if not found.may(needs):
        raise AccessDenied(detail=_refusal(found, needs))
    if plugins.implements("authorize"):
        await ask_authorize(plugins, found, scope["method"], scope["path"], needs)
    return found


def runtime() -> Runtime:
    """Return what the process works with."""
    found: Runtime = answering.get()["litestar_app"].state.runtime
    return found


async def _known_elsewhere(scope: HTTPScope, runtime: Runtime, keys: KeyRing) -> Principal | None:
    """Return whom a plugin knows. Raises as `ask_authenticate`."""
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    client = scope["client"][0] if scope["client"] else ""
    request = SignIn(method=scope["method"], path=scope["path"], headers=headers, client=client)
    return await ask_authenticate(runtime.plugins, runtime.site, keys.suspensions, request)


def _refusal(principal: Principal, needs: str) -> str:
    if principal.session_id:
        return "A session token reads and plays; this takes an API key or an access token."
    return f"This key lacks the scope `{needs}`."


DEPENDENCIES = {
    "principal": Provide(principal),
    "runtime": Provide(runtime, sync_to_thread=False),
}


def resolve_in_turn(app: Litestar) -> None:
    """Have the dependencies of each route resolved one after the other.

    Two that need nothing of each other are otherwise resolved at once, in tasks of their own, which takes three times as
    long as all else that Litestar does for a request. To be called when every route is registered.
    """
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for _, model in route.route_handler_map.values():
                model.dependency_batches = [{each} for batch in model.dependency_batches for each in batch]
