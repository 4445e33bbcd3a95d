"""How much a plugin may fail before it is left alone."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

__all__ = ["ERRORS_ALLOWED", "ERROR_WINDOW", "Budget"]

ERRORS_ALLOWED = 5
"""This many errors within the window quarantine a plugin."""
ERROR_WINDOW = 60.0
"""Seconds."""


class Budget:
    """Counts the errors of one plugin. clock: monotonic seconds."""

    def __init__(
        self,
        errors_allowed: int = ERRORS_ALLOWED,
        window: float = ERROR_WINDOW,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.errors_allowed = errors_allowed
        self.window = window
        self.errors = 0
        self.last_error: str | None = None
        self.quarantined = False
        self._clock = clock
        self._recent: deque[float] = deque(maxlen=errors_allowed)

    def spend(self, error: str) -> bool:
        """Count an error; return whether it was the one too many."""
        now = self._clock()
        self.errors += 1
        self.last_error = error
        self._recent.append(now)
        if self.quarantined or len(self._recent) < self.errors_allowed or now - self._recent[0] > self.window:
            return False
        self.quarantined = True
        return True
