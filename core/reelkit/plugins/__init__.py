"""Plugins: found, checked, put in order, called within a budget, quarantined when they overstep it, traced."""

from reelkit.plugins.budget import ERROR_WINDOW, ERRORS_ALLOWED
from reelkit.plugins.loading import NO_PLUGINS, load_plugins
from reelkit.plugins.refused import PluginRefused
from reelkit.plugins.registry import PluginReport, Plugins
from reelkit.plugins.trace import Call

__all__ = [
    "ERRORS_ALLOWED",
    "ERROR_WINDOW",
    "NO_PLUGINS",
    "Call",
    "PluginRefused",
    "PluginReport",
    "Plugins",
    "load_plugins",
]
