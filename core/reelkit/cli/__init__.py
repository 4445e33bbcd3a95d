"""The `reelkit` command. Everything heavy is imported by the command that needs it."""

from reelkit.cli.entry import main

__all__ = ["main"]
