"""Which plugin plays which part: what [use] of site.toml names, among what is offered."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import msgspec

from reelkit.hookspecs import Provides
from reelkit.plugins.plugin import Plugin
from reelkit.plugins.refused import PluginRefused
from reelkit.site import Site, Use
from reelkit.site_check import did_you_mean

__all__ = ["Choice", "choose"]

DEFAULTS = Use()
FALLS_BACK = frozenset({"player"})
"""Parts that the default plays when the chosen one is missing; a video on another player beats none."""


class Choice(msgspec.Struct, frozen=True):
    """Who plays a part. warning: what the operator should mend; fallback: who plays it when this one cannot be opened."""

    name: str
    plugin: str
    open: Callable[[], Any]
    warning: str | None = None
    fallback: Choice | None = None


def choose(
    site: Site,
    part: str,
    offers: Sequence[tuple[Plugin, Provides[Any]]],
    idle: Sequence[Plugin],
    third_party: bool,
    off: Collection[str] = (),
) -> Choice:
    """Return who plays a part. idle: plugins that might offer it but lack settings; off: that are switched off.

    Raises PluginRefused.
    """
    by_name: dict[str, tuple[Plugin, Provides[Any]]] = {}
    for plugin, offer in offers:
        if offer.name in by_name:
            other = by_name[offer.name][0]
            raise PluginRefused(
                [
                    f'two plugins offer a {part} named "{offer.name}": {other.name} ({other.origin}) and '
                    f"{plugin.name} ({plugin.origin}). Leave one out: [plugins.{plugin.name}] enabled = false"
                ]
            )
        by_name[offer.name] = plugin, offer
    wanted: str = getattr(site.use, part)
    default: str = getattr(DEFAULTS, part)
    fallback: Choice | None = None
    if part in FALLS_BACK and default in by_name:
        plugin, offer = by_name[default]
        fallback = Choice(offer.name, plugin.name, offer.open)
    if wanted in by_name:
        plugin, offer = by_name[wanted]
        return Choice(offer.name, plugin.name, offer.open, fallback=None if wanted == default else fallback)
    if lacking := next((plugin for plugin in idle if plugin.name == wanted), None):
        raise PluginRefused(lacking.missing)
    fault = _unknown(site, part, wanted, [*by_name, *(plugin.name for plugin in idle)], third_party)
    if wanted in off:
        fault = f'{site.origins.where(("use", part))}: the {part} "{wanted}" is switched off by [plugins.{wanted}] enabled'
    if fallback is not None:
        return msgspec.structs.replace(fallback, warning=f'{fault} Meanwhile "{default}" plays.')
    raise PluginRefused([fault])


def _unknown(site: Site, part: str, wanted: str, installed: list[str], third_party: bool) -> str:
    where = site.origins.where(("use", part))
    text = f'{where}: unknown {part} "{wanted}". Installed: {", ".join(sorted(installed)) or "none"}.'
    return (
        text + did_you_mean(wanted, installed) + ("" if third_party else " Third-party plugins are left out (--no-plugins).")
    )
