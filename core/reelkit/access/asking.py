"""Asking the plugins who somebody is, whether they may, and whether so often. Whatever fails, fails the request."""

from __future__ import annotations

from typing import Any

import msgspec

from reelkit.access.limits import Allowance, Kind
from reelkit.access.principal import Principal
from reelkit.access.suspension import Suspensions
from reelkit.interfaces.access import Caller, Operation, RateDecision, SignIn
from reelkit.plugins import Plugins
from reelkit.site import Site

__all__ = ["ask_authenticate", "ask_authorize", "ask_rate_limit", "caller_of"]


async def ask_authenticate(plugins: Plugins, site: Site, suspensions: Suspensions, request: SignIn) -> Principal | None:
    """Return whom the first plugin that knows the caller takes them for.

    Raises the Problem of a refusal, PluginFailed, SuspendedAccount, DatabaseError.
    """

    def recognise(seen: SignIn, answer: Any) -> SignIn:
        if not isinstance(answer, Caller):
            raise TypeError(f"authenticate must return a Caller or nothing, but returned {type(answer).__name__}")
        # A Struct takes anything when it is made; its types are checked by a conversion only.
        caller = msgspec.convert(msgspec.structs.asdict(answer), Caller)
        if caller.tier not in site.tiers:
            raise ValueError(f"there is no tier {caller.tier!r}; this site has: {', '.join(site.tiers)}")
        if not caller.id:
            raise ValueError("a Caller needs an id, to count by")
        return seen if seen.caller else msgspec.structs.replace(seen, caller=caller)

    caller = (await plugins.ask_each("authenticate", "request", request, recognise)).caller
    if caller is None:
        return None
    await suspensions.check(caller.project)
    return Principal(
        project=caller.project,
        environment=caller.environment,
        tier=caller.tier,
        scopes=caller.scopes,
        key_id=f"plugin:{caller.id}",
        streaming=site.tiers[caller.tier].streaming,
    )


async def ask_authorize(plugins: Plugins, principal: Principal, method: str, path: str, needs: str) -> None:
    """Return when every plugin lets the caller do it. Raises the Problem of a refusal, PluginFailed."""

    def unexpected(_: Operation, answer: Any) -> Operation:
        # False must not be taken for yes.
        raise TypeError(f"authorize must return nothing or raise a Problem, but returned {answer!r:.100}")

    session = bool(principal.session_id)
    operation = Operation(caller=caller_of(principal), session=session, method=method, path=path, needs=needs)
    await plugins.ask_each("authorize", "operation", operation, unexpected)


async def ask_rate_limit(plugins: Plugins, principal: Principal, kind: Kind, allowance: Allowance) -> Allowance:
    """Return the allowance as the plugins would have it. Raises the Problem of a refusal, PluginFailed."""

    def replace(seen: RateDecision, answer: Any) -> RateDecision:
        if not isinstance(answer, RateDecision):
            raise TypeError(f"rate_limit must return a RateDecision or nothing, but returned {type(answer).__name__}")
        return msgspec.structs.replace(answer, caller=seen.caller, kind=seen.kind)

    shown = RateDecision(
        caller=caller_of(principal),
        kind=kind,
        allowed=allowance.allowed,
        limit=allowance.limit,
        window=allowance.window,
        remaining=allowance.remaining,
        reset=allowance.reset,
    )
    said = await plugins.ask_each("rate_limit", "decision", shown, replace)
    return msgspec.structs.replace(
        allowance,
        allowed=bool(said.allowed),
        limit=int(said.limit),
        window=int(said.window),
        remaining=max(0, int(said.remaining)),
        reset=max(0 if said.allowed else 1, int(said.reset)),
    )


def caller_of(principal: Principal) -> Caller:
    """Return what plugins are told of somebody."""
    return Caller(
        id=principal.key_id,
        project=principal.project,
        environment=principal.environment,
        tier=principal.tier,
        scopes=principal.scopes,
    )
