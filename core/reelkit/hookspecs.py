"""Every hook of reelkit, on one page.

A plugin is a Python package with an entry point in the group `reelkit`, or a single file in a site's `plugins/` folder.
It defines functions with the names below, marked with `reelkit.hookimpl`, and takes whichever of the arguments it
needs. An optional class `Settings` (a msgspec Struct) describes its section `[plugins.NAME]` of site.toml; `settings`
is that section, read and checked. A hook that returns nothing declines.
"""

# Hook implementations are matched by argument name, so the bodies here are documentation only.

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec
import pluggy

from reelkit.interfaces.access import Caller, Operation, RateDecision, SignIn
from reelkit.interfaces.captioner import Captioner
from reelkit.interfaces.change import Change
from reelkit.interfaces.event import Event
from reelkit.interfaces.geolocator import Geolocator
from reelkit.interfaces.playback import PlaybackRequest
from reelkit.interfaces.player import Player
from reelkit.interfaces.proxy import ProxyRequest
from reelkit.interfaces.storage import Storage
from reelkit.interfaces.summarizer import Summarizer
from reelkit.interfaces.transcoder import Transcoder
from reelkit.site import Site

if TYPE_CHECKING:
    from cyclopts import App
    from litestar.types import ControllerRouterHandler

__all__ = ["ASYNC", "CLOSED", "CONTAINED", "REMOVED", "HealthCheck", "Provides", "hookimpl", "hookspec"]

hookspec = pluggy.HookspecMarker("reelkit")
hookimpl = pluggy.HookimplMarker("reelkit")

T = TypeVar("T")

REMOVED: dict[str, str] = {}
"""Hooks that were taken out: name → since when and what to use instead. Implementing one stops the start."""

CONTAINED: dict[str, float] = {
    "on_event": 1.0,
    "register_summarizer": 5.0,
    "register_captioner": 5.0,
    "register_geolocator": 5.0,
    "after_change": 1.0,
    "register_routes": 5.0,
    "register_commands": 5.0,
    "register_health_check": 5.0,
}
"""Hooks whose failure stays inside the plugin: name → seconds that one call may take."""

CLOSED: dict[str, float] = {
    "before_change": 5.0,
    "authorize_playback": 2.0,
    "authenticate": 2.0,
    "authorize": 2.0,
    "rate_limit": 1.0,
    "proxy_policy": 2.0,
}
"""Hooks whose failure fails the request, since what they guard must not slip through: name → seconds of one call.

Hooks that are neither contained nor closed are called at the start, and their failure stops it.
"""

ASYNC = frozenset({"on_event", "after_change", *CLOSED})
"""Hooks that may be async functions."""


class Provides(msgspec.Struct, Generic[T], frozen=True):
    """A named part that site.toml can choose under [use]. open: makes it; called once a process, only when chosen."""

    name: str
    open: Callable[[], T]


class HealthCheck(msgspec.Struct, frozen=True):
    """One line of /readyz. check: returns when all is well, raises with a sentence for people otherwise; 1 s at most."""

    name: str
    check: Callable[[], Awaitable[None]]


@hookspec
def register_storage(site: Site, settings: Any) -> Provides[Storage] | None:
    """Offer a place where media lives. Since 0.1. Fails: the start stops."""


@hookspec
def register_transcoder(site: Site, settings: Any) -> Provides[Transcoder] | None:
    """Offer a maker of renditions. Since 0.1. Fails: the start stops."""


@hookspec
def register_player(site: Site, settings: Any) -> Provides[Player] | None:
    """Offer a player for the embed page. Since 0.1. Fails: the start stops; the chosen one missing: the default plays."""


@hookspec
def on_event(event: Event, site: Site, settings: Any) -> Awaitable[None] | None:
    """Be told of what happened, after it is committed; may be async. Since 0.1. Fails: contained."""


@hookspec
def before_change(change: Change, site: Site, settings: Any) -> Awaitable[dict[str, Any] | None] | dict[str, Any] | None:
    """Refuse any change with a Problem, or return fields to set. Since 0.1. Fails: the request fails, nothing is changed."""


@hookspec
def after_change(change: Change, site: Site, settings: Any) -> Awaitable[None] | None:
    """Follow the changes of every resource, after they are committed; may be async. Since 0.1. Fails: contained."""


@hookspec
def register_summarizer(site: Site, settings: Any) -> Summarizer | None:
    """Offer a writer of summaries; the first one offered writes. Since 0.1. Fails: contained, the next one is asked."""


@hookspec
def register_captioner(site: Site, settings: Any) -> Captioner | None:
    """Offer a writer of captions; the first one offered writes. Since 0.1. Fails: contained, the next one is asked."""


@hookspec
def authenticate(request: SignIn, site: Site, settings: Any) -> Awaitable[Caller | None] | Caller | None:
    """Say who asks, when no key or token of reelkit's does; the first answer stands. Since 0.1. Fails: the request fails."""


@hookspec
def authorize(operation: Operation, site: Site, settings: Any) -> Awaitable[None] | None:
    """Refuse an operation of the API by raising a Problem; return nothing. Since 0.1. Fails: the request fails."""


@hookspec
def rate_limit(decision: RateDecision, site: Site, settings: Any) -> Awaitable[RateDecision | None] | RateDecision | None:
    """Replace what the tier says to one more request. Since 0.1. Fails: the request fails."""


@hookspec
def authorize_playback(playback: PlaybackRequest, site: Site, settings: Any) -> Awaitable[None] | None:
    """Refuse viewers by a Problem; asked for pages, tokens, playlists, files. Since 0.1. Fails: nobody watches."""


@hookspec
def proxy_policy(
    request: ProxyRequest, site: Site, settings: Any
) -> Awaitable[dict[str, str] | None] | dict[str, str] | None:
    """Refuse by a Problem what a proxy would fetch, or return headers to send. Since 0.1. Fails: nothing is fetched."""


@hookspec
def register_geolocator(site: Site, settings: Any) -> Geolocator | None:
    """Tell the countries of viewers. Since 0.1. Fails: contained; where countries are limited, unknown ones are refused."""


@hookspec
def register_routes(site: Site, settings: Any) -> Sequence[ControllerRouterHandler] | None:
    """Add Litestar handlers or routers. Since 0.1. Fails: contained, the routes are left out."""


@hookspec
def register_commands(commands: App, site: Site, settings: Any) -> None:
    """Add sub-commands to `reelkit` (a cyclopts App). Since 0.1. Fails: contained, the commands are left out."""


@hookspec
def register_health_check(site: Site, settings: Any) -> HealthCheck | None:
    """Add a line to /readyz and `reelkit doctor`. Since 0.1. Fails: contained, the line says so."""
