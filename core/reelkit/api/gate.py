"""What a plugin's own routes may ask of the site that serves them: who comes in, and what other plugins say to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Self, TypeVar

import msgspec

from reelkit.access.asking import caller_of
from reelkit.access.keys import KeyRing
from reelkit.access.metering import Meter, metered
from reelkit.access.principal import Principal
from reelkit.access.streams import Streams
from reelkit.api.dependencies import admitted
from reelkit.catalog.scope import Environment, Scope
from reelkit.hookspecs import CLOSED
from reelkit.interfaces.access import Caller
from reelkit.jobs.runtime import Runtime
from reelkit.problems import AccessDenied, InvalidSessionToken
from reelkit.site import Site

__all__ = ["Gate", "Visitor"]

T = TypeVar("T")
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Visitor(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who was let in. session: by a session token, or by a ticket that one got; streaming: may their tier?"""

    caller: Caller
    session: bool
    streaming: bool
    viewer: str = ""
    """Tells those who watch with session tokens of one key apart; empty for the key itself."""
    ticket: str
    """Names the caller without opening anything; what the plugin signs it into can be let in again by `Gate.readmit`."""


class _Ticket(msgspec.Struct, frozen=True, array_like=True):
    id: str
    environment: Environment
    project: str
    tier: str
    session: str = ""


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
        """Return who a ticket names if their key still works; nothing is counted.

        Raises Unauthorized, AccessDenied, SuspendedAccount, DatabaseError.

        A ticket proves nothing: only one that the plugin has signed itself, for some minutes, may be brought here.
        """
        try:
            named = msgspec.json.decode(ticket, type=_Ticket)
        except msgspec.MsgspecError:
            raise InvalidSessionToken from None
        site = self._runtime.site
        keys: KeyRing = self._state.key_ring
        if not named.id.startswith("plugin:"):
            key = await keys.usable(Scope(named.project, named.environment), named.id, InvalidSessionToken)
            named = _Ticket(key.id, key.environment, key.project, key.tier, named.session)
        else:
            if named.tier not in site.tiers:
                raise AccessDenied
            await keys.suspensions.check(named.project)
        return self._visitor(
            Principal(
                named.project,
                named.environment,
                named.tier,
                (),
                named.id,
                named.session,
                streaming=site.tiers[named.tier].streaming,
            )
        )

    async def watch(self, scope: Any, visitor: Visitor) -> None:
        """Let somebody begin to watch, or go on: each request for media keeps their place among those of their key.

        Raises TooManyStreams, NotReady.
        """
        streams: Streams = self._state.streams
        client = scope["client"][0] if scope.get("client") else ""
        await streams.hold(_principal(visitor), visitor.viewer or client)

    async def metered(self, visitor: Visitor, send: Send) -> Send:
        """Return a send whose bytes count for the month of the caller's key. Raises MonthlyBytesExceeded, DatabaseError."""
        meter: Meter = self._state.meter
        principal = _principal(visitor)
        await meter.check(principal)
        return metered(send, lambda count: meter.charge(principal, count))

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
        whose = principal.key_id, principal.environment, principal.project, principal.tier
        # Without the last field where it is empty: tickets are in every link of a playlist.
        ticket = _Ticket(*whose, principal.session_id) if principal.session_id else whose
        return Visitor(
            caller=caller_of(principal),
            session=bool(principal.session_id),
            streaming=principal.streaming,
            viewer=principal.session_id,
            ticket=msgspec.json.encode(ticket).decode(),
        )


def _principal(visitor: Visitor) -> Principal:
    caller = visitor.caller
    return Principal(
        caller.project,
        caller.environment,
        caller.tier,
        caller.scopes,
        caller.id,
        visitor.viewer,
        streaming=visitor.streaming,
    )
