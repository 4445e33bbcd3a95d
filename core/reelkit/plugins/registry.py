"""The plugins of a running process: what they provide, how they are called, how they fare."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import msgspec

from reelkit.hookspecs import CONTAINED, HealthCheck, Provides
from reelkit.interfaces.player import Player
from reelkit.interfaces.storage import Storage
from reelkit.interfaces.transcoder import Transcoder
from reelkit.plugins.calling import PluginFault, TooSlow, call_contained, call_now
from reelkit.plugins.checking import Hook, hook_arguments, new_manager
from reelkit.plugins.choosing import Choice, choose
from reelkit.plugins.discovery import Found
from reelkit.plugins.plugin import Plugin, Section
from reelkit.plugins.refused import PluginRefused
from reelkit.plugins.trace import Call, Trace, describe_answer
from reelkit.problems import PluginFailed, Problem
from reelkit.site import Site, Use

if TYPE_CHECKING:
    from litestar.types import ControllerRouterHandler

__all__ = ["PluginReport", "Plugins"]

log = logging.getLogger("reelkit.plugins")
T = TypeVar("T")
State = Literal["working", "quarantined", "not configured", "disabled"]
PARTS: dict[str, str] = {"storage": "register_storage", "transcoder": "register_transcoder", "player": "register_player"}


class PluginReport(msgspec.Struct, frozen=True):
    """How one plugin fares. provides: e.g. `storage local`; hooks: what it implements."""

    name: str
    origin: str
    first_party: bool
    state: State
    order: int = 0
    hooks: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    calls: int = 0
    errors: int = 0
    last_error: str | None = None


class Plugins:
    """Made by `load_plugins`."""

    def __init__(
        self,
        site: Site,
        loaded: Sequence[Plugin],
        disabled: Sequence[tuple[Found, Section]],
        third_party: bool,
        trace: Trace,
    ) -> None:
        self.site = site
        self.third_party = third_party
        self._plugins = {plugin.name: plugin for plugin in loaded}
        self._disabled = tuple(disabled)
        self._trace = trace
        self._manager = new_manager()
        # pluggy calls the last registered first; tryfirst and trylast still come before that.
        for plugin in reversed(loaded):
            self._manager.register(plugin.module, name=plugin.name)
        self._arguments = hook_arguments()
        self._opened: dict[str, Any] = {}
        self._choices = {part: self._choose(part, hook) for part, hook in PARTS.items()}

    # What they provide

    def storage(self) -> Storage:
        """Return the storage that [use] names, opened once. Raises PluginRefused."""
        return self._open("storage", Storage)  # type: ignore[type-abstract]  # checked by isinstance only

    def transcoder(self) -> Transcoder:
        """Return the transcoder that [use] names, opened once. Raises PluginRefused."""
        return self._open("transcoder", Transcoder)  # type: ignore[type-abstract]  # checked by isinstance only

    def player(self) -> Player:
        """Return the player that [use] names, or the default one when that is missing. Raises PluginRefused."""
        return self._open("player", Player)  # type: ignore[type-abstract]  # checked by isinstance only

    def chosen(self, part: Literal["storage", "transcoder", "player"]) -> str:
        """Return the name of what plays a part, e.g. `local`."""
        if self._choices[part].fallback is not None:
            self.player()  # which of the two plays shows when it is opened
        return self._choices[part].name

    @property
    def idle(self) -> tuple[str, ...]:
        """What third-party plugins lack that are installed and not in use, since nobody has configured them."""
        return tuple(
            f"plugin {each.name} is idle: {lack}"
            for each in self._plugins.values()
            if not each.first_party
            for lack in each.missing
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the operator should mend although the site starts."""
        return tuple(choice.warning for choice in self._choices.values() if choice.warning)

    # How they are called

    def collect(self, hook: str, **arguments: Any) -> list[Any]:
        """Call a contained hook of every plugin in order and return what they answered; a failing one is left out."""
        return [value for _, value in self.answers(hook, **arguments)]

    def answers(self, hook: str, **arguments: Any) -> list[tuple[str, Any]]:
        """Like collect, as (plugin, answer)."""
        found: list[tuple[str, Any]] = []
        for plugin, implementation in self._implementations(hook):
            value = self._call_contained_now(plugin, implementation, self._given(plugin, hook, arguments))
            if value is not None:
                found.append((plugin.name, value))
        return found

    def attempt(self, hook: str, plugin: str, **arguments: Any) -> bool:
        """Call a contained hook of one plugin for its effect; return whether it has the hook and went well."""
        for other, implementation in self._implementations(hook):
            if other.name == plugin:
                before = other.budget.errors
                self._call_contained_now(other, implementation, self._given(other, hook, arguments))
                return other.budget.errors == before
        return False

    async def notify(self, hook: str, **arguments: Any) -> None:
        """Tell every plugin of something, started in order and side by side; none can fail or delay the caller for long."""
        calls = [
            self._call_contained(plugin, implementation, self._given(plugin, hook, arguments))
            for plugin, implementation in self._implementations(hook)
        ]
        if calls:
            await asyncio.gather(*calls)

    def implements(self, hook: str) -> bool:
        """Tell whether any plugin has a hook, so that nothing need be prepared for nobody."""
        return next(self._implementations(hook), None) is not None

    async def ask_each(self, hook: str, argument: str, value: T, edit: Callable[[T, Any], T], **others: Any) -> T:
        """Call a closed hook of every plugin in order, each with what `edit` made of the answers before it.

        argument: the name under which the hook takes the value. Raises the Problem that a plugin raises, and
        PluginFailed, which names the plugin, for any other failure. A quarantined plugin is called all the same.
        """
        for plugin, implementation in self._implementations(hook):
            given = self._given(plugin, hook, {argument: value, **others})
            answer = await self._call_closed(plugin, implementation, given)
            if answer is not None:
                try:
                    value = edit(value, answer)
                except Exception as error:
                    self._spend(plugin, f"{hook} failed: {error}")
                    raise PluginFailed(detail=f'The plugin "{plugin.name}" failed, so nothing was done.') from error
        return value

    def health_checks(self) -> list[HealthCheck]:
        """Return the plugins' health checks, and a failing one for each plugin that could not give its own.

        Ask once a process: each time, the plugins make them anew.
        """
        before = {name: plugin.budget.errors for name, plugin in self._plugins.items()}
        checks: list[HealthCheck] = []
        for name, answer in self.answers("register_health_check"):
            if isinstance(answer, HealthCheck):
                checks.append(answer)
            else:
                self.blame(name, f"register_health_check returned {type(answer).__name__}, not HealthCheck")
        for name, plugin in self._plugins.items():
            if plugin.budget.errors > before[name]:
                checks.append(_failing(name, plugin.budget.last_error or "failed"))
        return checks

    def routes(self) -> list[tuple[str, ControllerRouterHandler]]:
        """Return the plugins' route handlers, each with the plugin's name, so that `blame` can name it."""
        found: list[tuple[str, ControllerRouterHandler]] = []
        for name, answer in self.answers("register_routes"):
            if isinstance(answer, Sequence) and not isinstance(answer, str):
                found += [(name, handler) for handler in answer]
            else:
                self.blame(name, f"register_routes returned {type(answer).__name__}, not a list of handlers")
        return found

    def blame(self, plugin: str, error: str) -> None:
        """Count an error that showed only after the call, e.g. a route that Litestar refuses."""
        self._spend(self._plugins[plugin], error)

    # How they fare

    @property
    def names(self) -> tuple[str, ...]:
        """The plugins that are loaded, in the order in which they are called."""
        return tuple(self._plugins)

    @property
    def quarantined(self) -> tuple[str, ...]:
        """The plugins that overstepped their budget and are called no more until the next start."""
        return tuple(name for name, plugin in self._plugins.items() if plugin.budget.quarantined)

    @property
    def calls(self) -> tuple[Call, ...]:
        """The latest calls of this process, oldest first."""
        return self._trace.calls

    def report(self) -> list[PluginReport]:
        """Return how every plugin fares, disabled ones last."""
        reports = [
            PluginReport(
                name=plugin.name,
                origin=plugin.origin,
                first_party=plugin.first_party,
                state="quarantined" if plugin.budget.quarantined else "not configured" if plugin.missing else "working",
                order=plugin.section.order,
                hooks=tuple(plugin.hooks),
                provides=tuple(plugin.provides),
                calls=plugin.calls,
                errors=plugin.budget.errors,
                last_error=plugin.budget.last_error,
            )
            for plugin in self._plugins.values()
        ]
        return reports + [
            PluginReport(
                name=found.name, origin=found.origin, first_party=found.first_party, state="disabled", order=section.order
            )
            for found, section in self._disabled
        ]

    # Inside

    def _implementations(self, hook: str) -> Iterator[tuple[Plugin, Hook]]:
        for implementation in reversed(getattr(self._manager.hook, hook).get_hookimpls()):
            plugin = self._plugins[implementation.plugin_name]
            if plugin.missing:
                continue
            if plugin.budget.quarantined and hook in CONTAINED:
                self._trace.add(hook, plugin.name, 0.0, "quarantined")
                continue
            yield plugin, plugin.hooks[hook]

    def _given(self, plugin: Plugin, hook: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        given = {"site": self.site, "settings": plugin.settings, **arguments}
        if lacking := set(self._arguments[hook]) - given.keys():
            raise TypeError(f"{hook} is called without {', '.join(sorted(lacking))}")
        return given

    def _spend(self, plugin: Plugin, error: str) -> None:
        log.warning("plugin %s: %s", plugin.name, error)
        if plugin.budget.spend(error):
            log.error("plugin %s is quarantined after %d errors; the last: %s", plugin.name, plugin.budget.errors, error)

    def _call_contained_now(self, plugin: Plugin, hook: Hook, arguments: Mapping[str, Any]) -> Any:
        start = time.perf_counter()
        plugin.calls += 1
        try:
            value = call_now(hook, arguments)
        except PluginFault as fault:
            self._trace.add(hook.name, plugin.name, time.perf_counter() - start, "failed", str(fault))
            self._spend(plugin, f"{hook.name} failed: {fault}")
            return None
        took, limit = time.perf_counter() - start, plugin.limit(hook.name)
        self._trace.add(hook.name, plugin.name, took, _outcome(value), describe_answer(value))
        if took > limit:
            self._spend(plugin, f"{hook.name} took {took:.1f} s, {limit:g} s are allowed")
        return value

    async def _call_contained(self, plugin: Plugin, hook: Hook, arguments: Mapping[str, Any]) -> None:
        start = time.perf_counter()
        plugin.calls += 1
        try:
            value = await call_contained(hook, arguments, plugin.limit(hook.name))
        except PluginFault as fault:
            took = time.perf_counter() - start
            self._trace.add(hook.name, plugin.name, took, "too slow" if isinstance(fault, TooSlow) else "failed", str(fault))
            self._spend(plugin, f"{hook.name} {fault}" if isinstance(fault, TooSlow) else f"{hook.name} failed: {fault}")
        else:
            self._trace.add(hook.name, plugin.name, time.perf_counter() - start, _outcome(value), describe_answer(value))

    async def _call_closed(self, plugin: Plugin, hook: Hook, arguments: Mapping[str, Any]) -> Any:
        """Call a plugin that must answer. Raises its Problem, or PluginFailed."""
        start = time.perf_counter()
        plugin.calls += 1
        try:
            value = await call_contained(hook, arguments, plugin.limit(hook.name))
        except PluginFault as fault:
            took = time.perf_counter() - start
            if isinstance(fault.__cause__, Problem):
                self._trace.add(hook.name, plugin.name, took, "answered", f"refused: {fault.__cause__}")
                raise fault.__cause__ from None
            self._trace.add(hook.name, plugin.name, took, "too slow" if isinstance(fault, TooSlow) else "failed", str(fault))
            self._spend(plugin, f"{hook.name} failed: {fault}")
            raise PluginFailed(detail=f'The plugin "{plugin.name}" failed, so nothing was done.') from fault
        self._trace.add(hook.name, plugin.name, time.perf_counter() - start, _outcome(value), describe_answer(value))
        return value

    def _choose(self, part: str, hook: str) -> Choice:
        offers: list[tuple[Plugin, Provides[Any]]] = []
        for plugin, implementation in self._implementations(hook):
            start = time.perf_counter()
            plugin.calls += 1
            try:
                value = call_now(implementation, self._given(plugin, hook, {}))
            except PluginFault as fault:
                raise PluginRefused([f'plugin "{plugin.name}" ({plugin.origin}): {hook} failed: {fault}']) from fault
            self._trace.add(hook, plugin.name, time.perf_counter() - start, _outcome(value), describe_answer(value))
            if value is None:
                continue
            if not isinstance(value, Provides):
                answered = f"{hook} must return reelkit.Provides, not {type(value).__name__}"
                raise PluginRefused([f'plugin "{plugin.name}" ({plugin.origin}): {answered}'])
            if not callable(value.open):
                answered = f'{hook}: open of Provides("{value.name}", open=…) must be a function that makes the {part}'
                raise PluginRefused([f'plugin "{plugin.name}" ({plugin.origin}): {answered}, not {value.open!r}'])
            plugin.provides.append(f"{part} {value.name}")
            offers.append((plugin, value))
        idle = [plugin for plugin in self._plugins.values() if plugin.missing and hook in plugin.hooks]
        off = {found.name for found, _ in self._disabled}
        return choose(self.site, part, offers, idle, self.third_party, off)

    def _open(self, part: str, kind: type[T]) -> T:
        if part not in self._opened:
            choice = self._choices[part]
            try:
                self._opened[part] = _call_open(choice, part, kind)
            except PluginRefused as refused:
                if choice.fallback is None:
                    raise
                self.blame(choice.plugin, str(refused))
                self._opened[part] = _call_open(choice.fallback, part, kind)
                self._choices[part] = choice.fallback
        found: T = self._opened[part]
        return found


def _call_open(choice: Choice, part: str, kind: type[T]) -> T:
    here = f'plugin "{choice.plugin}": {part} "{choice.name}"'
    try:
        opened = choice.open()
    except (Exception, SystemExit) as error:
        raise PluginRefused([f"{here} cannot be opened: {error or type(error).__name__}"]) from error
    if not isinstance(opened, kind):
        lacking = [name for name in _members(kind) if not hasattr(opened, name)]
        raise PluginRefused([f"{here} is no {kind.__name__}: it lacks {', '.join(lacking)}"])
    return opened


def _members(protocol: type) -> list[str]:
    return sorted(name for name, value in vars(protocol).items() if callable(value) and not name.startswith("_"))


def _outcome(value: Any) -> Literal["answered", "declined"]:
    return "declined" if value is None else "answered"


def _failing(name: str, error: str) -> HealthCheck:
    async def check() -> None:
        raise RuntimeError(error)

    return HealthCheck(name=name, check=check)


assert set(PARTS) == set(Use.__struct_fields__)
