"""What people see of the command itself: help, mistakes, speed."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def test_help_names_every_command_and_the_first_steps(run: Any) -> None:
    told = run("--help")
    assert told.returncode == 0
    for word in ("serve", "worker", "upload", "migrate", "doctor", "site", "keys", "plugins", "reelkit site new mysite"):
        assert word in told.stdout


@pytest.mark.parametrize(
    "words",
    [
        ("serve",),
        ("worker",),
        ("upload",),
        ("migrate",),
        ("doctor",),
        ("site", "new"),
        ("keys", "create"),
        ("keys", "list"),
        ("keys", "revoke"),
        ("plugins", "list"),
        ("plugins", "check"),
        ("plugins", "trace"),
    ],
)
def test_every_command_teaches_by_an_example(run: Any, words: tuple[str, ...]) -> None:
    told = run(*words, "--help")
    assert told.returncode == 0, told.stderr
    assert f"    reelkit {' '.join(words)}" in told.stdout or f"$(reelkit {' '.join(words)}" in told.stdout


def test_help_is_quick_and_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom reelkit.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "heavy = ('litestar', 'piccolo', 'granian', 'httpx', 'numpy', 'av', 'asyncpg', 'dbos', 'sqlalchemy', 'jinja2')\n"
        "sys.exit(' '.join(name for name in heavy if name in sys.modules) or 0)\n"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (ran.returncode, ran.stderr) == (0, "")
    # CPU seconds: what else the machine is doing is not the command's fault.
    assert after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime < 0.7


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("srve",), 'unknown command "srve". Did you mean "serve"?'),
        (("keys", "crete"), 'Unknown command "crete". Did you mean "create"?'),
        (("serve", "--prot", "1"), 'Unknown option: "--prot". Did you mean "--port"?'),
        (("serve", "--port", "x"), "See: reelkit serve --help"),
        (("serve", "--port", "70000"), "See: reelkit serve --help"),
        (("keys", "create"), "See: reelkit keys create --help"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_was_meant(run: Any, words: tuple[str, ...], told: str) -> None:
    ran = run(*words)
    assert ran.returncode == 2
    assert ran.stdout == ""
    assert ran.stderr.startswith("reelkit: ")
    assert told.replace('"', "") in ran.stderr.replace('"', "")
    assert len(ran.stderr.splitlines()) == 1


def test_without_a_site_it_says_how_to_name_or_make_one(run: Any) -> None:
    ran = run("keys", "list")
    assert ran.returncode == 1
    assert ran.stderr == "reelkit: which site? Not this folder. Name one: --site DIR. Or make one: reelkit site new DIR\n"


def test_the_site_is_the_folder_you_are_in_or_the_environments(run: Any, site: Path) -> None:
    assert run("keys", "list", cwd=site).returncode == 0
    assert run("keys", "list", REELKIT_SITE=str(site)).returncode == 0


def test_a_wrong_site_is_told_line_by_line_without_a_traceback(run: Any, site: Path) -> None:
    (site / "site.toml").write_text("[databse]\nurl = 'x'\n[jobs]\ntranscodes = 0\n")
    ran = run("plugins", "list", "--site", site)
    assert ran.returncode == 1
    assert ran.stderr.splitlines() == [
        'reelkit: site.toml line 2: unknown setting "databse.url". Did you mean "database.url"?',
        'reelkit: site.toml line 4: "jobs.transcodes" must be a whole number of at least 1',
    ]


def test_debug_shows_where_an_error_came_from(run: Any, tmp_path: Path) -> None:
    assert "Traceback" not in run("plugins", "list", "--site", tmp_path).stderr
    assert "Traceback" in run("plugins", "list", "--site", tmp_path, "--debug").stderr


def test_a_reader_that_leaves_is_no_error(site: Path, environ: dict[str, str]) -> None:
    ran = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {sys.executable} -m reelkit plugins list --site {site} | true"],
        capture_output=True,
        text=True,
        env=environ,
        check=False,
    )
    assert "Traceback" not in ran.stderr
    assert "BrokenPipe" not in ran.stderr
