"""`reelkit project` on a real database."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def test_a_new_project_has_keys_of_its_own(run: Any, site: Path) -> None:
    made = run("project", "create", "our shop", "--site", site)
    assert made.returncode == 0, made.stderr
    run("keys", "create", "--site", site, "--project", "our shop", "--name", "shop key")

    assert [each["name"] for each in json.loads(run("project", "list", "--site", site, "--json").stdout)] == [
        "our shop",
        "default",
    ]
    keys = json.loads(run("keys", "list", "--site", site, "--project", "our shop", "--json").stdout)
    assert [(key["name"], key["project"]) for key in keys] == [("shop key", made.stdout.strip())]
    assert json.loads(run("keys", "list", "--site", site, "--json").stdout) == []


def test_a_name_is_taken_once(run: Any, site: Path) -> None:
    run("project", "create", "our shop", "--site", site)
    again = run("project", "create", "our shop", "--site", site)
    assert again.returncode == 1
    assert again.stderr.count("\n") == 1 and 'a project "our shop" already' in again.stderr


def test_a_project_is_suspended_and_resumed(run: Any, site: Path) -> None:
    run("project", "create", "our shop", "--site", site)
    suspended = run("project", "suspend", "our shop", "--site", site)
    assert suspended.returncode == 0 and '"our shop": suspended since 20' in suspended.stdout, suspended.stderr
    listed = json.loads(run("project", "list", "--site", site, "--json").stdout)
    assert {each["name"]: each["suspended_at"] is not None for each in listed} == {"our shop": True, "default": False}
    assert "works" in run("project", "resume", "our shop", "--site", site).stdout
    unknown = run("project", "suspend", "no shop", "--site", site)
    assert (unknown.returncode, unknown.stderr.count("\n")) == (1, 1)
    assert "This site has: our shop, default" in unknown.stderr
