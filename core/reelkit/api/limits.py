"""Rate limits over HTTP: counted when it is known who asks, told with every answer to them, errors too."""

from __future__ import annotations

from typing import Any

from reelkit.access.addresses import block_of
from reelkit.access.asking import ask_rate_limit
from reelkit.access.limits import RateLimits, kind_of
from reelkit.access.principal import Principal
from reelkit.plugins import Plugins

__all__ = ["ANONYMOUS", "client_block", "count", "telling_allowance", "throttle", "throttle_here"]

ALLOWANCE = "reelkit.allowance"
"""Where a request keeps it."""
ANONYMOUS = "anonymous"
"""What stands for a tier where no key is known."""


async def count(limits: RateLimits, plugins: Plugins, scope: Any, principal: Principal) -> None:
    """Count a request. scope: of ASGI. Raises TooManyRequests, NotReady, PluginFailed."""
    kind = kind_of(scope["method"], scope["path"])
    allowance = await limits.take(principal, kind)
    if plugins.implements("rate_limit"):
        allowance = await ask_rate_limit(plugins, principal, kind, allowance)
    scope[ALLOWANCE] = allowance
    if not allowance.allowed:
        raise allowance.problem()


async def throttle(
    limits: RateLimits, scope: Any, tier: str, name: str, limit: int, window: int, *, tell: bool = False
) -> None:
    """Count a request of a kind that is rare. tier: as the refusal names it; name: whose; window: seconds.

    tell: answers that are no refusal tell what is left, too. Raises TooManyRequests, NotReady.
    """
    allowance = await limits.throttle(tier, name, limit, window)
    if tell or not allowance.allowed:
        scope[ALLOWANCE] = allowance
    if not allowance.allowed:
        raise allowance.problem()


def throttle_here(limits: RateLimits, scope: Any, tier: str, name: str, limit: int, window: int) -> None:
    """Count a request of a kind that is frequent, in this process alone. See throttle. Raises TooManyRequests."""
    allowance = limits.throttle_here(tier, name, limit, window)
    if not allowance.allowed:
        scope[ALLOWANCE] = allowance
        raise allowance.problem()


def client_block(scope: Any) -> str:
    """Return by what the requests of one client are counted together where they bring no key."""
    return block_of(scope["client"][0]) if scope["client"] else ""


def telling_allowance(scope: Any, send: Any) -> Any:
    """Return a send that adds the headers to the answer, if its request was counted."""

    async def told(message: Any) -> None:
        if message["type"] == "http.response.start" and (allowance := scope.get(ALLOWANCE)) is not None:
            message["headers"] = [*message.get("headers", ()), *allowance.headers()]
        await send(message)

    return told
