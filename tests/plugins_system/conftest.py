"""Sites whose plugins are files and distributions made on the spot; reelkit's own are switched off."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from reelkit.plugins import Plugins, load_plugins
from reelkit.site import load_site

PARTS = """
import reelkit

class Memory:
    async def put(self, key, body, size=None): ...
    def read(self, key, start=0, stop=None): ...
    async def stat(self, key): ...
    def list(self, prefix=""): ...
    async def delete(self, key): ...
    async def check(self): ...
    async def close(self): ...

class Copier:
    def can(self, probe): return True
    async def run(self, task, progress): ...
    def draft(self, task, progress): ...

class Screen:
    def assets(self): ...

@reelkit.hookimpl
def register_storage():
    return reelkit.Provides("memory", Memory)

@reelkit.hookimpl
def register_transcoder():
    return reelkit.Provides("copier", Copier)

@reelkit.hookimpl
def register_player():
    return reelkit.Provides("mediachrome", Screen)
"""
SETTINGS = '[use]\nstorage = "memory"\ntranscoder = "copier"\n'
OFF = "".join(
    f"[plugins.{name}]\nenabled = false\n" for name in ("local", "s3", "ffmpeg", "geoip", "mediachrome", "streamproxy")
)


class SiteFolder:
    """A site in the making. plugin(name, code): a single-file plugin; toml(text): its site.toml, beside what it needs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "plugins").mkdir()
        self.plugin("parts", PARTS)
        self.toml("")

    def plugin(self, name: str, code: str) -> None:
        (self.folder / "plugins" / f"{name}.py").write_text(dedent(code), "utf-8")

    def toml(self, text: str, use: str = SETTINGS) -> None:
        (self.folder / "site.toml").write_text(use + text + "\n" + OFF, "utf-8")

    def load(self, third_party: bool | None = None, environ: dict[str, str] | None = None) -> Plugins:
        return load_plugins(load_site(self.folder, environ or {}), third_party, environ or {})


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[SiteFolder]:
    before = set(sys.modules)
    yield SiteFolder(tmp_path)
    for name in set(sys.modules) - before:
        if name.startswith("reelkit_site_"):
            del sys.modules[name]


@pytest.fixture
def install(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Install a distribution as pip would: a module and a dist-info with its entry point."""

    def install(distribution: str, plugin: str, code: str, version: str = "1.0", target: str = "") -> None:
        place = tmp_path_factory.mktemp(distribution)
        module = distribution.replace("-", "_") + f"_{place.name.replace('-', '_')}"
        (place / f"{module}.py").write_text(dedent(code), "utf-8")
        info = place / f"{module}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n", "utf-8")
        (info / "entry_points.txt").write_text(f"[reelkit]\n{plugin} = {module}{target}\n", "utf-8")
        monkeypatch.syspath_prepend(str(place))

    return install
