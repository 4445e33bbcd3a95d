"""Runs the real command in a process of its own, as a person would."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def environ() -> dict[str, str]:
    """The environment without anything of reelkit's."""
    return {name: value for name, value in os.environ.items() if not name.startswith("REELKIT_")}


@pytest.fixture
def run(environ: dict[str, str], tmp_path: Path) -> Run:
    """Run `reelkit` with arguments; cwd is an empty folder unless named."""

    def run(*arguments: object, cwd: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-P", "-m", "reelkit", *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=cwd or tmp_path,
            env={**environ, **variables},
            timeout=180,
            check=False,
        )

    return run


@pytest.fixture
def site(run: Run, tmp_path: Path) -> Path:
    """A new site."""
    folder = tmp_path / "site"
    made = run("site", "new", folder)
    assert made.returncode == 0, made.stderr
    return folder
