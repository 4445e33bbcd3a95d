"""The clock that DBOS's queue threads sleep on, so that they poll seldom and yet start a job at once when told to."""

from __future__ import annotations

import threading

__all__ = ["QueueClock"]


class QueueClock(threading.Event):
    """Stands in for the stop event of the queue threads: their pause between polls also ends when somebody calls wake().

    Until open() they sleep however short their pause: what a dead process left is put back into the queues first.
    """

    def __init__(self, manager_pause: float) -> None:
        super().__init__()
        self._condition = threading.Condition()
        self._opened = False
        self._turn = 0
        self._seen = threading.local()
        self._manager: threading.Thread | None = None
        self._manager_pause = manager_pause
        self.finished = threading.Event()
        """Set when every queue thread has ended."""

    def adopt_manager(self) -> None:
        """Take the calling thread for the one that starts the others. It has nothing to do once they run."""
        self._manager = threading.current_thread()

    def open(self) -> None:
        """Let the threads look for work, at once."""
        with self._condition:
            self._opened = True
            self._turn += 1
            self._condition.notify_all()

    def wake(self) -> None:
        """End every pause; a thread that is not pausing skips its next one. Cheap, from any thread."""
        with self._condition:
            self._turn += 1
            self._condition.notify_all()

    def set(self) -> None:
        """Stop the threads."""
        super().set()
        with self._condition:
            self._condition.notify_all()

    def wait(self, timeout: float | None = None) -> bool:
        """Pause for so many seconds, or until woken; tell whether to stop."""
        if threading.current_thread() is self._manager:
            with self._condition:
                self._condition.wait_for(self.is_set, self._manager_pause)
            return self.is_set()
        with self._condition:
            self._condition.wait_for(lambda: self._opened or self.is_set())
            seen = getattr(self._seen, "turn", 0)
            self._condition.wait_for(lambda: self._turn != seen or self.is_set(), timeout)
            self._seen.turn = self._turn
        return self.is_set()
