"""What is installed from a wheel: built as pip builds it, from a copy of the work tree."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def build(target: str, tree: Path, out: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(out)]
    run = subprocess.run(command, cwd=tree, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    return next(path for path in out.iterdir() if path.suffix in (".whl", ".gz"))


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The committed and built files, nothing else of the work tree."""
    folder = tmp_path_factory.mktemp("tree") / "reelkit"
    leave = shutil.ignore_patterns(
        ".venv", ".git", "node_modules", "data", "test-results", "__pycache__", "dist", ".*_cache"
    )
    shutil.copytree(ROOT, folder, ignore=leave)
    return folder


def test_a_wheel_carries_the_player_the_runtime_and_the_templates(tree: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(build("wheel", tree, tmp_path)) as wheel:
        names = set(wheel.namelist())
    for name in (
        "reelkit_mediachrome/static/player.js",
        "reelkit_mediachrome/static/player.js.br",
        "reelkit_mediachrome/static/LICENSES.txt",
        "reelkit/delivery/player_runtime/embed.js",
        "reelkit_streamproxy/routes.py",
        "reelkit/_templates/embed/page.html",
        "reelkit/testing/chromium/package-lock.json",
    ):
        assert name in names
    assert not [name for name in names if "node_modules" in name]


def test_an_sdist_with_the_built_player_needs_no_node(tree: Path, tmp_path: Path) -> None:
    sdist = build("sdist", tree, tmp_path / "sdist")
    shutil.unpack_archive(sdist, tmp_path / "unpacked", filter="data")
    [unpacked] = (tmp_path / "unpacked").iterdir()
    # Whoever tries to build anew would fail here.
    (unpacked / "plugins/mediachrome/build.mjs").touch()
    hook = subprocess.run(
        [sys.executable, "core/packaging/javascript.py"],
        cwd=unpacked,
        capture_output=True,
        text=True,
        env={"PATH": "/nonexistent"},
    )
    assert hook.returncode == 0
    assert hook.stdout == ""
    with zipfile.ZipFile(build("wheel", unpacked, tmp_path / "wheel")) as wheel:
        assert "reelkit_mediachrome/static/player.js" in wheel.namelist()


def test_changed_sources_are_built_again(tree: Path, tmp_path: Path) -> None:
    changed = tmp_path / "changed"
    shutil.copytree(tree, changed)
    with (changed / "plugins/mediachrome/src/player.css").open("a") as style:
        style.write("\n.rk-mark { color: tomato; }\n")
    with zipfile.ZipFile(build("wheel", changed, tmp_path / "wheel")) as wheel:
        assert b"rk-mark" in wheel.read("reelkit_mediachrome/static/player.css")
