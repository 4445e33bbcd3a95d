"""What handlers are handed: who is asking, and what the process works with."""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.datastructures import State
from litestar.di import Provide

from reelkit.access.keys import KeyRing
from reelkit.access.principal import Principal
from reelkit.access.scopes import needed
from reelkit.api.limits import count
from reelkit.jobs.runtime import Runtime
from reelkit.problems import AccessDenied

__all__ = ["DEPENDENCIES"]


async def principal(request: Request[Any, Any, Any], state: State) -> Principal:
    """Return who is asking, once it is clear that they may, and may now. Raises a Problem of status 401, 403 or 429."""
    keys: KeyRing = state.key_ring
    scope = request.scope
    found = await keys.authenticate(scope["headers"])
    await count(state.rate_limits, scope, found)
    needs: str = request.route_handler.opt.get("needs") or needed(scope["method"], scope["path"])
    if not found.may(needs):
        raise AccessDenied(detail=_refusal(found, needs))
    return found


def runtime(state: State) -> Runtime:
    """Return what the process works with."""
    found: Runtime = state.runtime
    return found


def _refusal(principal: Principal, needs: str) -> str:
    if principal.session_id:
        return "A session token reads and plays; this takes an API key or an access token."
    return f"This key lacks the scope `{needs}`."


DEPENDENCIES = {
    "principal": Provide(principal),
    "runtime": Provide(runtime, sync_to_thread=False),
}
