"""What a plugin's own routes may ask of the site that serves them: who comes in, and what other plugins say to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self, TypeVar

import msgspec

from reelkit.access.asking import caller_of
from reelkit.access.keys import KeyRing
from reelkit.access.principal import Principal
from reelkit.api.dependencies import admitted
from reelkit.catalog.scope import Environment, Scope
from reelkit.hookspecs import CLOSED
from reelkit.interfaces.access import Caller
from reelkit.jobs.runtime import Runtime
from reelkit.problems import AccessDenied, InvalidSessionToken
from reelkit.site import Site

__all__ = ["Gate", "Visitor"]

T = TypeVar("T")


class Visitor(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who was let in. session: by a session token; streaming: whether their tier may stream."""

    caller: Caller
    session: bool
    streaming: bool
    ticket: str
    """Names the caller without opening anything; what the plugin signs it into can be let in again by `Gate.readmit`."""


class _Ticket(msgspec.Struct, frozen=True, array_like=True):
    id: str
    environment: Environment
    project: str
    tier: str


class Gate:
    """The access of the site, in a plugin's route: `gate = reelkit.Gate.of(scope)`, from a request's ASGI scope."""

    def __init__(self, state: Any) -> None:
        self._state = state
        self._runtime: Runtime = state.runtime

    @classmethod
    def of(cls, scope: Any) -> Self:
        """Return the gate of the site that serves a request."""
        return cls(scope["litestar_app"].state)

    async def admit(self, scope: Any, needs: str | None = None) -> Visitor:
        """Return who asks, by any credential, and count the request; the answer tells what is left of the limit.

        needs: the scope that it takes, e.g. `api:read`; from method and path otherwise. Raises a Problem of status 401,
        403, 429 or 503.
        """
        return self._visitor(await admitted(scope, self._state, needs))

    async def readmit(self, ticket: str) -> Visitor:
        """Return who a ticket names if their key still works; nothing is counted. Raises Unauthorized, AccessDenied.

        A ticket proves nothing: only one that the plugin has signed itself, for some minutes, may be brought here.
        """
        try:
            named = msgspec.json.decode(ticket, type=_Ticket)
        except msgspec.MsgspecError:
            raise InvalidSessionToken from None
        site = self._runtime.site
        if not named.id.startswith("plugin:"):
            keys: KeyRing = self._state.key_ring
            key = await keys.usable(Scope(named.project, named.environment), named.id, InvalidSessionToken)
            named = _Ticket(key.id, key.environment, key.project, key.tier)
        elif named.tier not in site.tiers:
            raise AccessDenied
        return self._visitor(
            Principal(
                named.project,
                named.environment,
                named.tier,
                (),
                named.id,
                streaming=site.tiers[named.tier].streaming,
            )
        )

    def asks(self, hook: str) -> bool:
        """Tell whether any plugin has a hook."""
        return self._runtime.plugins.implements(hook)

    async def ask(self, hook: str, argument: str, value: T, edit: Callable[[T, Any], T]) -> T:
        """Call a hook that fails closed, of every plugin in order, each with what `edit` made of the answers before it.

        argument: the name under which the hook takes the value. Raises the Problem that a plugin raises, and
        PluginFailed for any other failure, one in `edit` too.
        """
        if hook not in CLOSED:
            raise ValueError(f"{hook} is no hook that fails closed")
        return await self._runtime.plugins.ask_each(hook, argument, value, edit)

    @property
    def site(self) -> Site:
        """The site."""
        return self._runtime.site

    def _visitor(self, principal: Principal) -> Visitor:
        ticket = _Ticket(principal.key_id, principal.environment, principal.project, principal.tier)
        return Visitor(
            caller=caller_of(principal),
            session=bool(principal.session_id),
            streaming=principal.streaming,
            ticket=msgspec.json.encode(ticket).decode(),
        )
