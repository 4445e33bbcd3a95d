"""What a command says when it cannot do what was asked: one line of what happened, and what to do."""

from __future__ import annotations

import sys

from reelkit.plugins.refused import PluginRefused
from reelkit.site_file import SiteInvalid

__all__ = ["CommandFailed", "explain"]


class CommandFailed(Exception):
    """A command cannot go on. The text says what happened and what to do; exit_code: what the process answers."""

    def __init__(self, text: str, exit_code: int = 1) -> None:
        super().__init__(text)
        self.exit_code = exit_code


def explain(error: BaseException) -> list[str]:
    """Return what to tell a person about an error, a line each."""
    if isinstance(error, SiteInvalid | PluginRefused):
        return list(error.faults)
    if isinstance(error, CommandFailed) or _is_for_people(error):
        return [str(error)]
    if isinstance(error, OSError) and error.strerror:
        return [f"{error.filename}: {error.strerror}" if error.filename else error.strerror]
    return [f"unexpected {type(error).__name__}: {error}. With --debug, it says where."]


def _is_for_people(error: BaseException) -> bool:
    # Compared without importing: a command that never opened a database must not load one to tell its error.
    modules = ("reelkit.catalog.errors", "reelkit.interfaces.storage")
    names = {"reelkit.catalog.errors": "DatabaseError", "reelkit.interfaces.storage": "StorageError"}
    loaded = [getattr(sys.modules[module], names[module]) for module in modules if module in sys.modules]
    return isinstance(error, tuple(loaded))
