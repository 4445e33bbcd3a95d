"""Every command of `reelkit`, with the line of `--help` that stands for it; the code is imported when it runs."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version

from cyclopts import App

__all__ = ["make_app"]

HELP = """Self-hosted video: upload a video and it is playable at once.

First steps:

    reelkit site new mysite
    reelkit serve --site mysite
    reelkit keys create --site mysite --name me
    reelkit upload film.mp4 --key KEY

`--site` may be left out inside a site's folder, or be given as $REELKIT_SITE. `--debug` shows where an error came from.
Plugins add commands of their own: `reelkit plugins list` names them.
"""

COMMANDS = {
    "serve": ("reelkit.cli.serve:serve", "Serve a site."),
    "worker": ("reelkit.cli.worker:worker", "Run a site's jobs in a process of its own."),
    "upload": ("reelkit.cli.upload:upload", "Upload a video to a running site."),
    "migrate": ("reelkit.cli.migrate:migrate", "Bring a site's database up to date."),
    "doctor": ("reelkit.cli.doctor:doctor", "Check everything a site needs and say how to mend it."),
}
GROUPS = {
    "site": ("Make sites.", {"new": ("reelkit.cli.site:new", "Make a new site.")}),
    "project": (
        "Make and suspend projects, which own videos and keys.",
        {
            "create": ("reelkit.cli.projects:create", "Make a project."),
            "list": ("reelkit.cli.projects:list_projects", "List projects."),
            "suspend": ("reelkit.cli.projects:suspend", "Refuse everything that a project's keys and tokens ask for."),
            "resume": ("reelkit.cli.projects:resume", "Let a suspended project act again."),
        },
    ),
    "keys": (
        "Make, move and revoke API keys, and see what they use.",
        {
            "create": ("reelkit.cli.keys:create", "Make an API key."),
            "list": ("reelkit.cli.keys:list_keys", "List API keys."),
            "tier": ("reelkit.cli.keys:tier", "Move an API key to another tier."),
            "usage": ("reelkit.cli.keys:used", "Show how many bytes of media keys took."),
            "revoke": ("reelkit.cli.keys:revoke", "End an API key for good."),
        },
    ),
    "access": (
        "Decide who gets a key.",
        {
            "list": ("reelkit.cli.access:list_requests", "List the people who asked for a key."),
            "approve": ("reelkit.cli.access:approve", "Give somebody the key they asked for."),
            "refuse": ("reelkit.cli.access:refuse", "Refuse somebody a key."),
        },
    ),
    "plugins": (
        "See which plugins a site has and whether they fit.",
        {
            "list": ("reelkit.cli.plugins:list_plugins", "List a site's plugins."),
            "check": ("reelkit.cli.plugins:check", "Tell whether every plugin fits, without starting the site."),
            "trace": ("reelkit.cli.plugins:trace", "Show which plugin is called when a site starts, and what it answers."),
        },
    ),
}


def make_app(words: Sequence[str] = ()) -> App:
    """Return the command tree; nothing of it is imported yet. words: the command line that is to be run."""
    app = App(
        name="reelkit",
        help=HELP,
        help_format="plaintext",
        version=lambda: version("reelkit"),
    )
    for name, (target, text) in COMMANDS.items():
        app.command(target, name=name, help=None if words[:1] == [name] else text)
    for name, (text, commands) in GROUPS.items():
        group = App(name=name, help=text)
        for command, (target, line) in commands.items():
            # The command that runs has its own, longer text.
            group.command(target, name=command, help=None if words[:2] == [name, command] else line)
        app.command(group)
    return app
