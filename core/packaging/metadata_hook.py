"""Build hook: first-party plugins keep the folder shape of a third party's, this merges their entry points."""

import tomllib
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class PluginEntryPoints(MetadataHookInterface):
    """Collects `[project.entry-points.reelkit]` of every `plugins/*/pyproject.toml` into the one distribution."""

    PLUGIN_NAME = "custom"

    def update(self, metadata: dict[str, Any]) -> None:
        """Set `entry-points.reelkit`. Raises ValueError when two plugins claim one name."""
        merged: dict[str, str] = {}
        for manifest in sorted(Path(self.root).glob("plugins/*/pyproject.toml")):
            project = tomllib.loads(manifest.read_text("utf-8"))["project"]
            for name, target in project["entry-points"]["reelkit"].items():
                if name in merged:
                    raise ValueError(f"{manifest}: the plugin name {name!r} is already taken by {merged[name]!r}")
                merged[name] = target
        metadata["entry-points"] = {"reelkit": merged}
