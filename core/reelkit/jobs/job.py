"""What a job is: its kind, its function, what the function is handed, and how it ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

__all__ = ["JobContext", "JobFunction", "JobKind", "JobState", "JobStatus", "PermanentFailure"]

JobState = Literal["queued", "running", "done", "failed", "cancelled"]

FINAL: frozenset[JobState] = frozenset({"done", "failed", "cancelled"})


class PermanentFailure(Exception):
    """A job cannot succeed, however often it is tried. The text is the reason, for people."""


class JobStatus(msgspec.Struct, frozen=True):
    """Where a job stands. progress: 0..1; failure: the reason, for people, when state is "failed"."""

    state: JobState
    progress: float = 0.0
    failure: str | None = None

    @property
    def final(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in FINAL


@dataclass(frozen=True, slots=True)
class JobContext:
    """What the engine hands to a job function for one attempt."""

    kind: str
    key: str
    attempt: int
    """From 1; counts what the job function did wrong, not processes that died under it."""
    scratch: Path
    """An empty folder of this attempt alone, removed afterwards."""
    progress: Callable[[float], None]
    """Report how much is done, 0..1, as often as you like; from the event loop or any thread."""

    @property
    def id(self) -> str:
        """kind:key."""
        return f"{self.kind}:{self.key}"


JobFunction = Callable[[JobContext, dict[str, Any]], Awaitable[None]]
"""Does the work, at least once. Returns when it is done; raises PermanentFailure, or anything else to be tried again.
It gets CancelledError when the job is cancelled or the process stops, and lets it out once its children have ended."""


@dataclass(frozen=True, slots=True)
class JobKind:
    """How jobs of one kind are done. concurrency: at once in one process; attempts: tries before the job has failed."""

    run: JobFunction
    concurrency: int = 1
    attempts: int = 4
    backoff: float = 1.0
    """Seconds before the second attempt; each later wait is four times as long."""
    failed: Callable[[dict[str, Any], str], Awaitable[None]] | None = None
    """Told of the payload and the reason once a job has failed for good, at least once; not told of a cancelled one."""
