"""The one error of a start that plugins stop."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["PluginRefused"]


class PluginRefused(Exception):
    """A plugin does not fit, so the site does not start. faults: one sentence each, for the operator."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))
