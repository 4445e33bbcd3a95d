"""What the processes of a test run make once and share: a folder of the run, and a lock while something is made."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

__all__ = ["only_one", "shared_folder"]


@contextmanager
def only_one(path: Path) -> Iterator[None]:
    """Let one process at a time make `path`; the others wait, and then look whether it is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with (path.parent / f"{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def shared_folder(factory: pytest.TempPathFactory, name: str) -> Path:
    """Return a folder that is the same in every worker of pytest-xdist, and goes with the run's temporary files."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / f"shared-{name}"
    folder.mkdir(exist_ok=True)
    return folder
