"""Time that passes when told to, for tests of what ends, is renewed, or is counted by the minute."""

from __future__ import annotations

__all__ = ["Clock"]


class Clock:
    """Stands until `now` is set. Pass it where a clock is asked for, such as `time.monotonic`."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now
