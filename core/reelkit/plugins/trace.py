"""Who was called, in which order, for how long, and what came of it."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from reelkit.hookspecs import HealthCheck, Provides

__all__ = ["Call", "Outcome", "Trace"]

KEPT = 1000
"""Calls that are remembered."""

Outcome = Literal["answered", "declined", "failed", "too slow", "quarantined"]
log = logging.getLogger("reelkit.plugins")


class Call(msgspec.Struct, frozen=True):
    """One call of a plugin. detail: what it answered or how it failed, for people. at: UTC."""

    at: datetime
    hook: str
    plugin: str
    milliseconds: float
    outcome: Outcome
    detail: str = ""


class Trace:
    """The latest calls of this process. aloud: also write each to the log."""

    def __init__(self, aloud: bool = False) -> None:
        self._calls: deque[Call] = deque(maxlen=KEPT)
        self.aloud = aloud

    @property
    def calls(self) -> tuple[Call, ...]:
        """The calls that are kept, oldest first."""
        return tuple(self._calls)

    def add(self, hook: str, plugin: str, seconds: float, outcome: Outcome, detail: str = "") -> None:
        """Keep one call that has just ended."""
        call = Call(datetime.now(UTC), hook, plugin, round(seconds * 1000, 3), outcome, detail)
        self._calls.append(call)
        if self.aloud:
            log.info("%s → %s: %s in %.1f ms%s", hook, plugin, outcome, call.milliseconds, f", {detail}" if detail else "")


def describe_answer(value: Any) -> str:
    """Say in a few words what a plugin answered."""
    if isinstance(value, Provides | HealthCheck):
        return value.name
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"{len(value)} of them"
    return "" if value is None else type(value).__name__
