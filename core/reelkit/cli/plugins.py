"""`reelkit plugins`: what is loaded, whether it fits, who is called."""

from __future__ import annotations

import logging

import msgspec

from reelkit.cli.options import JsonOption, SiteOption, open_site, print_json, print_table
from reelkit.cli.plugin_commands import plugin_commands
from reelkit.interfaces.captioner import Captioner
from reelkit.interfaces.geolocator import Geolocator
from reelkit.interfaces.summarizer import Summarizer
from reelkit.plugins import PluginRefused, PluginReport, Plugins, load_plugins
from reelkit.site import Site, SiteInvalid

__all__ = ["check", "list_plugins", "trace"]


class Checked(msgspec.Struct, frozen=True):
    """What `plugins check` found."""

    ok: bool
    faults: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class Listed(PluginReport, frozen=True):
    """A plugin, and the commands that it adds."""

    commands: tuple[str, ...] = ()


def list_plugins(*, site: SiteOption = None, json: JsonOption = False) -> None:
    """List a site's plugins in the order in which they are called.

    For example:

        reelkit plugins list --site mysite
    """
    plugins = load_plugins(open_site(site))
    commands = _commands(plugins)
    listed = [
        msgspec.convert({**msgspec.structs.asdict(each), "commands": commands.get(each.name, ())}, Listed)
        for each in plugins.report()
    ]
    if json:
        print_json(listed)
        return
    rows: list[tuple[str, ...]] = []
    for each in listed:
        provides = [*each.provides, *(f"reelkit {name}" for name in each.commands)]
        rows.append((each.name, each.origin, each.state, str(each.order), ", ".join(provides), ", ".join(each.hooks)))
    print_table(("PLUGIN", "FROM", "STATE", "ORDER", "PROVIDES", "HOOKS"), rows)
    for warning in plugins.warnings:
        print(warning)  # noqa: T201 - what a command is for


def check(*, site: SiteOption = None, json: JsonOption = False) -> int:
    """Tell whether every plugin fits this version of reelkit and the site's settings, without starting the site.

    Exits with 1 when one does not. Example:

        reelkit plugins check --site mysite && reelkit serve --site mysite
    """
    # What it would log is printed below.
    logging.getLogger("reelkit.plugins").disabled = True
    try:
        loaded = open_site(site)
        plugins = load_plugins(loaded)
        _try_all(loaded, plugins)
    except (PluginRefused, SiteInvalid) as refused:
        found = Checked(False, refused.faults)
    except FileNotFoundError as unbuilt:
        found = Checked(False, (str(unbuilt),))
    else:
        failed = tuple(f"plugin {each.name}: {each.last_error}" for each in plugins.report() if each.errors)
        found = Checked(not failed, failed, (*plugins.warnings, *plugins.idle))
    if json:
        print_json(found)
    else:
        count = f"{len(plugins.names)} plugins fit." if found.ok else f"{len(found.faults)} to mend."
        print("\n".join((*found.faults, *found.warnings, count)))  # noqa: T201 - what a command is for
    return 0 if found.ok else 1


def trace(*, site: SiteOption = None, json: JsonOption = False) -> None:
    """Show which plugin is called when a site starts, in which order, for how long and what it answers.

    A running site logs the same for every call when REELKIT_TRACE=1 is set. Example:

        reelkit plugins trace --site mysite
    """
    plugins = load_plugins(open_site(site))
    _call_all(plugins)
    if json:
        print_json(plugins.calls)
        return
    rows = [(call.hook, call.plugin, f"{call.milliseconds:.1f}", call.outcome, call.detail) for call in plugins.calls]
    print_table(("HOOK", "PLUGIN", "MS", "OUTCOME", "ANSWER"), rows)


def _call_all(plugins: Plugins) -> None:
    """Call what a start calls: parts, routes, health checks, commands."""
    plugins.routes()
    plugins.health_checks()
    _commands(plugins)


def _try_all(site: Site, plugins: Plugins) -> None:
    """Do with what plugins offer what a start does, short of opening the database.

    Raises PluginRefused, and FileNotFoundError when the player is not built.
    """
    import asyncio

    from reelkit.app import create_app

    plugins.transcoder()
    asyncio.run(plugins.storage().close())
    create_app(site, plugins=plugins)  # takes their routes and the player
    plugins.health_checks()
    for part in (Summarizer, Captioner, Geolocator):
        hook = f"register_{part.__name__.lower()}"
        for name, offered in plugins.answers(hook):
            if not isinstance(offered, part):
                plugins.blame(name, f"{hook} returned {type(offered).__name__}, which is no {part.__name__}")
    _commands(plugins)


def _commands(plugins: Plugins) -> dict[str, tuple[str, ...]]:
    from reelkit.cli.commands import make_app

    found: dict[str, tuple[str, ...]] = {}
    for name, (plugin, _) in plugin_commands(plugins, make_app()).items():
        found[plugin] = (*found.get(plugin, ()), name)
    return found
