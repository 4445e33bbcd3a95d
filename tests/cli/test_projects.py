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
