"""The house stands: imports go down only, the core knows no plugin, plugins know public names only."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

FLOORS = {
    "interfaces": 0,
    "site": 0,
    "site_check": 0,
    "site_file": 0,
    "site_secrets": 0,
    "playback_rules": 0,
    "shipped": 0,
    "problems": 0,
    "hookspecs": 0,
    "outbound": 1,
    "plugins": 1,
    "catalog": 1,
    "access": 2,
    "media": 2,
    "jobs": 3,
    "events": 3,
    "api": 4,
    "delivery": 4,
    "dashboard": 4,
    "operations": 5,
    "doctor": 5,
    "app": 6,
    "cli": 7,
    "__main__": 8,
}
"""Part of `reelkit` → floor. A part imports lower floors, itself, and on floor 0 its neighbours."""
ANYTHING_BELOW_5 = "testing"
VAGUE = {"utils", "util", "helpers", "helper", "common", "manager", "managers", "misc", "base"}


def imports(file: Path, package: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """Yield (line, dotted name) of everything a file imports, also inside functions; `from a import b` gives `a.b`."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield node.lineno, name.name
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            for name in node.names:
                yield node.lineno, ".".join([*base, *([node.module] if node.module else []), name.name])


def wrong_imports_of_the_core(core: Path) -> list[str]:
    """Return what breaks the floors in a tree like core/reelkit, a line each."""
    wrong: list[str] = []
    for file in sorted(core.rglob("*.py")):
        parts = file.relative_to(core).with_suffix("").parts
        if parts == ("__init__",):
            continue
        here = parts[0]
        for line, name in imports(file, ("reelkit", *parts[:-1])):
            first, *rest = name.split(".")
            if first.startswith("reelkit_"):
                wrong.append(f"{file.relative_to(core)}:{line} imports the plugin {first}")
            elif first == "reelkit" and rest and (fault := floor_fault(here, rest[0])):
                wrong.append(f"{file.relative_to(core)}:{line} {fault}")
    return wrong


def floor_fault(here: str, there: str) -> str | None:
    """Say why one part may not import another; None when it may."""
    if here == there:
        return None
    unknown = [part for part in (here, there) if part not in FLOORS and part != ANYTHING_BELOW_5]
    if unknown:
        return f"has to do with {unknown[0]}, which stands on no floor: give it one in tests/test_house.py"
    if there == ANYTHING_BELOW_5:
        return "imports reelkit.testing, which is for tests"
    floor, other = 5 if here == ANYTHING_BELOW_5 else FLOORS[here], FLOORS[there]
    if other > floor:
        return f"imports {there} (floor {other}) from {here} (floor {floor}): upward"
    if other == floor and floor > 0:
        return f"imports {there} from {here}: neighbours on floor {floor}"
    return None


def wrong_imports_of_plugins(plugins: Path) -> list[str]:
    """Return what plugins import of reelkit that is not public, and of each other, in a tree like plugins/."""
    wrong: list[str] = []
    for file in sorted(plugins.glob("*/reelkit_*/**/*.py")):
        place = file.relative_to(plugins)
        for line, name in imports(file, place.parts[1:-1]):
            first, *rest = name.split(".")
            if first.startswith("reelkit_") and first != place.parts[1]:
                wrong.append(f"{place}:{line} imports another plugin, {first}")
            if first != "reelkit" or not rest or (len(rest) == 1 and rest[0] in public_names()):
                continue
            if not name.startswith("reelkit.interfaces."):
                wrong.append(f"{place}:{line} imports {name}, which is not public")
    return wrong


def public_names() -> set[str]:
    """Return `reelkit.__all__` and the interfaces package."""
    import reelkit

    return {*reelkit.__all__, "interfaces"}


def test_the_core_imports_downward_only() -> None:
    assert wrong_imports_of_the_core(ROOT / "core" / "reelkit") == []


def test_plugins_import_public_names_only() -> None:
    assert wrong_imports_of_plugins(ROOT / "plugins") == []


@pytest.mark.parametrize(
    ("file", "text", "fault"),
    [
        ("catalog/videos.py", "from reelkit.api.videos import x", "imports api (floor 4) from catalog (floor 1): upward"),
        ("catalog/videos.py", "import reelkit.jobs", "imports jobs (floor 3) from catalog (floor 1): upward"),
        ("media/a/b.py", "def f():\n    from reelkit import jobs", "imports jobs (floor 3) from media (floor 2): upward"),
        ("media/ladder.py", "from ..delivery import hls", "imports delivery (floor 4) from media (floor 2): upward"),
        ("media/ladder.py", "from reelkit.access.keys import x", "imports access from media: neighbours on floor 2"),
        ("site.py", "from reelkit.catalog import x", "imports catalog (floor 1) from site (floor 0): upward"),
        ("testing/x.py", "from reelkit.cli import main", "imports cli (floor 7) from testing (floor 5): upward"),
        ("api/videos.py", "import reelkit_local", "imports the plugin reelkit_local"),
        ("api/videos.py", "from reelkit.testing import x", "imports reelkit.testing, which is for tests"),
        ("attic/x.py", "from reelkit.site import Site", "has to do with attic, which stands on no floor"),
    ],
)
def test_a_wrong_import_in_the_core_is_found(tmp_path: Path, file: str, text: str, fault: str) -> None:
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(text)
    (found,) = wrong_imports_of_the_core(tmp_path)
    assert fault in found


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("api/videos.py", "from reelkit.catalog import videos\nfrom reelkit.api.queries import x\nimport msgspec"),
        ("site.py", "from reelkit.site_file import Origins\nfrom reelkit.problems import Problem"),
        ("catalog/videos.py", "from . import ids\nfrom .scope import Scope\nfrom ..site import Site"),
        ("testing/x.py", "from reelkit.jobs import engine"),
    ],
)
def test_a_right_import_is_left_alone(tmp_path: Path, file: str, text: str) -> None:
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(text)
    assert wrong_imports_of_the_core(tmp_path) == []


@pytest.mark.parametrize(
    ("file", "text", "faults"),
    [
        (
            "plugins/a/reelkit_a/x.py",
            "import reelkit\nfrom reelkit import Site\nfrom reelkit.interfaces.storage import Part",
            0,
        ),
        ("plugins/a/reelkit_a/x.py", "from reelkit.catalog import videos", 1),
        ("plugins/a/reelkit_a/x.py", "import reelkit.site", 1),
        ("plugins/a/reelkit_a/x.py", "from reelkit.testing import storage", 1),
        ("plugins/a/reelkit_a/x.py", "import reelkit_b", 1),
        ("plugins/a/reelkit_a/x.py", "from . import y\nfrom reelkit_a import z\nimport msgspec", 0),
    ],
)
def test_a_plugin_that_reaches_inside_is_found(tmp_path: Path, file: str, text: str, faults: int) -> None:
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text(text)
    assert len(wrong_imports_of_plugins(tmp_path / "plugins")) == faults


def test_no_file_has_a_name_that_says_nothing() -> None:
    files = [file for folder in ("core", "plugins", "tests", "sites") for file in (ROOT / folder).rglob("*.py")]
    assert len(files) > 50
    vague = [str(file.relative_to(ROOT)) for file in files if VAGUE & {*file.stem.split("_"), *file.parent.parts[-2:]}]
    assert [name for name in vague if "node_modules" not in name] == []


def test_every_part_of_the_core_has_a_floor() -> None:
    parts = {
        path.stem
        for path in (ROOT / "core" / "reelkit").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert parts - {"__init__", ANYTHING_BELOW_5} <= FLOORS.keys()
