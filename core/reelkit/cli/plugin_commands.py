"""Commands that plugins add. They are looked for only when a command is none of reelkit's own, so that those stay quick."""

from __future__ import annotations

import os
from pathlib import Path

from cyclopts import App

from reelkit.cli.options import SITE
from reelkit.plugins import Plugins, load_plugins
from reelkit.site import SITE_FILE, load_site

__all__ = ["add_plugin_commands", "plugin_commands"]


def add_plugin_commands(app: App, words: list[str]) -> list[str]:
    """Add the commands of the plugins of the site that a command line means, if it means one.

    Returns the words without `--site DIR`: it is for reelkit, a plugin's command gets the Site itself.
    """
    folder, rest = _named_site(words)
    if folder is not None:
        for name, (_, command) in plugin_commands(load_plugins(load_site(folder)), app).items():
            app.command(command, name=name)
    return rest


def plugin_commands(plugins: Plugins, app: App) -> dict[str, tuple[str, App]]:
    """Return the commands of every plugin: name → (plugin, command). One that is taken is left out and its plugin blamed."""
    found: dict[str, tuple[str, App]] = {}
    for plugin in plugins.names:
        # An App for each, so that a plugin that fails half-way leaves nothing behind.
        own = App(name=plugin, version_flags=[])
        if not plugins.attempt("register_commands", plugin, commands=own):
            continue
        for name in own:
            if name.startswith("-"):
                continue  # --help, which each command has
            if name in app or name in found:
                plugins.blame(plugin, f'the command "{name}" is taken')
            else:
                found[name] = plugin, own[name]
    return found


def _named_site(words: list[str]) -> tuple[Path | None, list[str]]:
    for number, word in enumerate(words):
        if word == "--":
            break
        if word.startswith("--site="):
            return Path(word.removeprefix("--site=")), words[:number] + words[number + 1 :]
        if word == "--site" and number + 1 < len(words):
            return Path(words[number + 1]), words[:number] + words[number + 2 :]
    if (named := os.environ.get(SITE)) is not None:
        return Path(named), words
    return (Path() if Path(SITE_FILE).is_file() else None), words
