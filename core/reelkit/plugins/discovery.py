"""Where plugins come from: entry points of installed distributions and single files of the site."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

import msgspec

from reelkit.plugins.refused import PluginRefused
from reelkit.site import Site

__all__ = ["GROUP", "Found", "find_plugins"]

GROUP = "reelkit"
OWN_DISTRIBUTION = "reelkit"
NAME = re.compile(r"[a-z][a-z0-9_-]*")


class Found(msgspec.Struct, frozen=True):
    """A plugin that is there, not imported yet. origin: for people, e.g. `reelkit-s3 0.1.0` or `plugins/mine.py`."""

    name: str
    origin: str
    first_party: bool
    version: str
    load: Callable[[], object]
    """Imports it; may raise anything."""


def find_plugins(site: Site, third_party: bool = True) -> list[Found]:
    """List the plugins that are installed or lie in the site's `plugins/` folder; without third_party only reelkit's own.

    Raises PluginRefused when two have one name, or a name that site.toml could not hold.
    """
    found = [_of_entry_point(each) for each in entry_points(group=GROUP)]
    found += [_of_file(file) for file in sorted((site.folder / "plugins").glob("*.py")) if not file.name.startswith("_")]
    if not third_party:
        found = [each for each in found if each.first_party]
    faults = [
        f'{each.origin}: "{each.name}" cannot be a plugin\'s name. Use small letters, digits, - and _.'
        for each in found
        if not NAME.fullmatch(each.name)
    ]
    by_name: dict[str, Found] = {}
    for each in sorted(found, key=lambda plugin: (plugin.name, plugin.origin)):
        if (other := by_name.setdefault(each.name, each)) is not each:
            faults.append(f'two plugins are named "{each.name}": {other.origin} and {each.origin}. Rename or remove one.')
    if faults:
        raise PluginRefused(faults)
    return list(by_name.values())


def _of_entry_point(entry: EntryPoint) -> Found:
    distribution = entry.dist.name if entry.dist else "unknown"
    version = entry.dist.version if entry.dist else ""
    return Found(
        name=entry.name,
        origin=f"{distribution} {version}".strip(),
        first_party=distribution == OWN_DISTRIBUTION,
        version=version,
        load=entry.load,
    )


def _of_file(file: Path) -> Found:
    return Found(
        name=file.stem,
        origin=f"plugins/{file.name}",
        first_party=False,
        version="",
        load=lambda: _import_file(file),
    )


def _import_file(file: Path) -> ModuleType:
    # One process may hold several sites, so a file's module is named after the whole path.
    name = f"reelkit_site_{hashlib.sha256(bytes(file)).hexdigest()[:12]}_{file.stem.replace('-', '_')}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # msgspec looks here for the names in a Struct's annotations
    spec.loader.exec_module(module)
    return module
