"""Chromium for browser tests: the system's, else one from npm, unpacked into a cache folder without root.

`python -m reelkit.testing.browser` gets one ready and prints where it is.
"""

from __future__ import annotations

import os
import shutil
import sys
import tarfile
from pathlib import Path

import msgspec

from reelkit.testing.npm import NpmFailed, installed, node_commands, run

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

FONTS = """<?xml version="1.0"?>
<fontconfig>
  <dir>{folder}/fonts</dir>
  <dir>/usr/share/fonts</dir>
  <cachedir>{folder}/font-cache</cachedir>
</fontconfig>
"""
"""The package's own names folders of a cloud machine, and a page without a font shows no text."""

UNPACK = """
const { createReadStream, createWriteStream } = require("node:fs");
const { pipeline } = require("node:stream/promises");
const { createBrotliDecompress } = require("node:zlib");
const [from, to, ...names] = process.argv.slice(1);
Promise.all(names.map((name) =>
  pipeline(createReadStream(`${from}/${name}.br`), createBrotliDecompress(), createWriteStream(`${to}/${name}`))))
"""
ARCHIVES = {"al2023.tar": "al2023", "fonts.tar": "fonts", "swiftshader.tar": "."}


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
    try:
        folder = installed(PACKAGE, unpack, recipe=FONTS)
    except NpmFailed as failed:
        raise ChromiumMissing(f"{failed}. Or: apt install chromium, or name a browser in REELKIT_CHROMIUM") from failed
    libraries = [str(folder / "al2023" / "lib"), *os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep)]
    return chromium(
        folder / "chromium",
        LD_LIBRARY_PATH=os.pathsep.join(filter(None, libraries)),
        FONTCONFIG_FILE=str(folder / "fonts.conf"),
    )


def chromium(executable: Path, **environment: str) -> Chromium:
    """Return a browser with the flags that fit this user. environment: what it needs beside the process's own."""
    # Chromium refuses to run its sandbox as root, and only then it is given up.
    flags = (*FLAGS, "--no-sandbox") if os.geteuid() == 0 else FLAGS
    return Chromium(executable, flags, {**os.environ, **environment})


def unpack(work: Path, made: Path, final: Path) -> None:
    """Unpack the npm package: the browser, the libraries it needs, a font."""
    node, _ = node_commands()
    packed = work / "node_modules" / "@sparticuz" / "chromium" / "bin"
    run([*node, "-e", UNPACK, str(packed), str(made), "chromium", *ARCHIVES], work)
    for archive, place in ARCHIVES.items():
        with tarfile.open(made / archive) as tar:
            tar.extractall(made / place, filter="data")
        (made / archive).unlink()
    (made / "chromium").chmod(0o755)
    (made / "fonts.conf").write_text(FONTS.format(folder=final), "utf-8")


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
