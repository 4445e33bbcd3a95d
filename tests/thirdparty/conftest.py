"""A third party's distribution, installed as its users would, and a site that names it."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

CABINET = Path(__file__).parent / "cabinet"


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for sys.path in which reelkit-cabinet is installed from its sources."""
    target = tmp_path_factory.mktemp("thirdparty") / "site-packages"
    uv = [str(Path(sysconfig.get_path("scripts")) / "uv"), "pip", "install", "--quiet", "--offline", "--no-cache"]
    options = ["--no-deps", "--no-build-isolation", "--python", sys.executable, "--target", str(target)]
    subprocess.run([*uv, *options, str(CABINET)], check=True, env={**os.environ, "UV_PYTHON_DOWNLOADS": "never"})
    return target


@pytest.fixture
def run(installed: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run Python as in an environment where the distribution is installed."""

    def start(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(installed)}
        return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=environment)

    return start
