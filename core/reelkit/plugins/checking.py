"""Whether a plugin's module fits the hooks; a misspelt hook is an error at start, not a silence."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterator, Mapping
from types import FunctionType, ModuleType
from typing import Any

import msgspec
import pluggy

from reelkit import hookspecs
from reelkit.hookspecs import ASYNC, CLOSED, CONTAINED, REMOVED
from reelkit.site_check import did_you_mean

__all__ = ["Hook", "check_module", "hook_arguments", "hooks_of", "new_manager"]


class Hook(msgspec.Struct, frozen=True):
    """One function of a plugin that implements a hook. takes: the hook's arguments that it wants."""

    name: str
    function: Callable[..., Any]
    takes: tuple[str, ...]


def new_manager() -> pluggy.PluginManager:
    """Return a plugin manager that knows every hook of hookspecs.py."""
    manager = pluggy.PluginManager("reelkit")
    manager.add_hookspecs(hookspecs)
    return manager


def hook_arguments() -> dict[str, tuple[str, ...]]:
    """Return every hook's name and arguments."""
    return {
        name: tuple(inspect.signature(function).parameters)
        for name, function in vars(hookspecs).items()
        if inspect.isfunction(function) and hasattr(function, "reelkit_spec")
    }


def hooks_of(module: ModuleType) -> dict[str, Hook]:
    """Return the hooks that a checked module implements, by name."""
    return {
        hook: Hook(hook, function, tuple(inspect.signature(function).parameters))
        for hook, _, function in _implementations(module)
    }


def check_module(plugin: str, origin: str, module: object) -> list[str]:
    """Return what does not fit, a sentence each; an empty list means that the plugin may be called."""
    here = f'plugin "{plugin}" ({origin})'
    if not isinstance(module, ModuleType):
        return [
            f"{here}: its entry point must name a module, not {type(module).__name__} {getattr(module, '__name__', '')}."
        ]
    hooks = hook_arguments()
    faults: list[str] = []
    seen: dict[str, str] = {}
    for hook, name, function in _implementations(module):
        if hook in REMOVED:
            faults.append(f"{here}: the hook {hook} was removed: {REMOVED[hook]}")
        elif hook not in hooks:
            faults.append(f'{here}: there is no hook "{hook}".{did_you_mean(hook, hooks)}')
        else:
            if hook in seen:
                faults.append(f"{here}: {seen[hook]} and {name} both implement {hook}. Keep one.")
            seen[hook] = name
            faults += [f"{here}: {fault}" for fault in _check_function(hook, name, function, hooks[hook])]
    faults += [f"{here}: {fault}" for fault in _check_unmarked(module, hooks)]
    if not seen and not faults:
        faults.append(f"{here}: implements no hook. Mark a function with @reelkit.hookimpl; the hooks: {', '.join(hooks)}.")
    faults += [f"{here}: {fault}" for fault in _check_settings_class(module)]
    return faults


def _implementations(module: ModuleType) -> Iterator[tuple[str, str, Callable[..., Any]]]:
    for name, value in vars(module).items():
        options = getattr(value, "reelkit_impl", None)
        if isinstance(options, Mapping) and callable(value):
            yield options.get("specname") or name, name, value


def _check_function(hook: str, name: str, function: Callable[..., Any], known: tuple[str, ...]) -> Iterator[str]:
    options = function.reelkit_impl  # type: ignore[attr-defined]  # set by the marker, which is how it was found
    if options["wrapper"] or options["hookwrapper"]:
        yield f"{name} is a wrapper. Wrappers are not supported: one plugin must not stand around another's call."
    elif inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        yield f"{name} is a generator; a hook returns its answer."
    if inspect.iscoroutinefunction(function) and hook not in ASYNC:
        yield f"{name} is async; {hook} is called before there is an event loop. Write it with def."
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            yield f"{name} takes {parameter}; name the arguments it needs, of: {', '.join(known)}."
        elif parameter.name not in known:
            meant = did_you_mean(parameter.name, known)
            yield f'{name} takes "{parameter.name}", which {hook} does not give.{meant} It gives: {", ".join(known)}.'


def _check_unmarked(module: ModuleType, hooks: Mapping[str, object]) -> Iterator[str]:
    """Yield functions of the plugin's own that look like a hook and would never be called."""
    for name, value in vars(module).items():
        if not isinstance(value, FunctionType) or value.__module__ != module.__name__ or name.startswith("_"):
            continue
        if hasattr(value, "reelkit_impl"):
            continue
        if name in hooks:
            yield f"{name} is not marked. Write @hookimpl above it, or start its name with _ if it is not meant as the hook."
        elif name in REMOVED:
            yield f"the hook {name} was removed: {REMOVED[name]}"
        elif close := difflib.get_close_matches(name, hooks, n=1, cutoff=0.85):
            yield (
                f"{name} is not marked and is almost the hook {close[0]}. Did you mean it? "
                "Then rename it and write @hookimpl above it, else start its name with _."
            )


def _check_settings_class(module: ModuleType) -> Iterator[str]:
    settings = getattr(module, "Settings", None)
    if settings is None:
        return
    if not (isinstance(settings, type) and issubclass(settings, msgspec.Struct)):
        yield "its Settings must be a msgspec.Struct."


# How a hook fails, the page of hooks says; a name there that is no hook is our own mistake.
assert {*CONTAINED, *CLOSED, *ASYNC} <= set(hook_arguments())
assert not set(CONTAINED) & set(CLOSED)
