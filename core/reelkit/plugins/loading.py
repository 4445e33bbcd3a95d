"""Starting plugins: all that is wrong with any of them is told at once, and nothing starts until it is mended."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from reelkit.plugins.calling import describe_error
from reelkit.plugins.checking import check_module
from reelkit.plugins.discovery import Found, find_plugins
from reelkit.plugins.plugin import Plugin, Section, read_section, read_settings
from reelkit.plugins.refused import PluginRefused
from reelkit.plugins.registry import Plugins
from reelkit.plugins.trace import Trace
from reelkit.site_check import Faults

if TYPE_CHECKING:
    from types import ModuleType

    from reelkit.site import Site

__all__ = ["NO_PLUGINS", "TRACE", "load_plugins"]

NO_PLUGINS = "REELKIT_NO_PLUGINS"
"""Environment variable: set, it leaves third-party plugins out, as `--no-plugins` does."""
TRACE = "REELKIT_TRACE"
"""Environment variable: set, every call of a plugin is logged."""


def load_plugins(site: Site, third_party: bool | None = None, environ: Mapping[str, str] = os.environ) -> Plugins:
    """Find, import, check and order a site's plugins and ask them what they provide.

    third_party: False loads reelkit's own only; None: unless REELKIT_NO_PLUGINS is set. Raises PluginRefused.
    """
    if third_party is None:
        third_party = not environ.get(NO_PLUGINS)
    found = find_plugins(site, third_party)
    faults = Faults(site.origins)
    loaded: list[Plugin] = []
    disabled: list[tuple[Found, Section]] = []
    for each in found:
        section = read_section(site, each.name, faults)
        if not section.enabled:
            disabled.append((each, section))
        elif (plugin := _load(site, each, section, faults)) is not None:
            loaded.append(plugin)
    if third_party:  # without them, a section may be that of one that is left out
        names = {each.name for each in found}
        for name in site.plugins.keys() - names:
            faults.unknown(("plugins", name), names, kind="plugin")
    if faults:
        raise PluginRefused(faults.in_order())
    loaded.sort(key=lambda plugin: plugin.rank)
    return Plugins(site, loaded, disabled, third_party, Trace(aloud=bool(environ.get(TRACE))))


def _load(site: Site, found: Found, section: Section, faults: Faults) -> Plugin | None:
    try:
        module = found.load()
    except (Exception, SystemExit) as error:
        faults.add_text(
            f'plugin "{found.name}" ({found.origin}) cannot be imported: {describe_error(error)}. '
            f"Start without it: [plugins.{found.name}] enabled = false"
        )
        return None
    if misfits := check_module(found.name, found.origin, module):
        for misfit in misfits:
            faults.add_text(misfit)
        return None
    module = cast("ModuleType", module)
    before = len(faults)
    settings, missing = read_settings(site, found.name, module, faults)
    return Plugin(found, section, module, settings, missing) if len(faults) == before else None
