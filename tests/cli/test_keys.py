"""`reelkit keys` and `reelkit migrate` on a real database."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from reelkit.access.metering import month_of


def test_the_key_alone_is_on_stdout(run: Any, site: Path) -> None:
    made = run("keys", "create", "--site", site, "--name", "our website")
    assert made.returncode == 0, made.stderr
    assert re.fullmatch(r"rk_live_[A-Za-z0-9]{32}\n", made.stdout)
    assert "our website" in made.stderr


def test_a_key_as_json_has_everything(run: Any, site: Path) -> None:
    options = ("--tier", "partner", "--environment", "sandbox", "--scope", "videos:write", "--expires", "30d", "--json")
    made = json.loads(run("keys", "create", "--site", site, "--name", "ci", *options).stdout)
    assert made["key"].startswith("rk_test_")
    assert made["key"].startswith(made["prefix"])
    assert (made["tier"], made["environment"], made["scopes"]) == ("partner", "sandbox", ["videos:write"])
    assert made["expires_at"] > made["created_at"]


def test_a_scope_that_opens_nothing_is_told(run: Any, site: Path) -> None:
    odd = run("keys", "create", "--site", site, "--name", "x", "--scope", "video:read", "--scope", "players:*")
    assert odd.returncode == 0
    assert 'nothing of reelkit\'s own is about "video". Did you mean "videos"?' in odd.stderr
    refused = run("keys", "create", "--site", site, "--name", "x", "--scope", "videos")
    assert refused.returncode == 1
    assert refused.stderr.startswith("reelkit: 'videos' is no scope. Write OBJECT:read or OBJECT:write")


def test_keys_are_listed_without_themselves_and_revoked(run: Any, site: Path) -> None:
    key = run("keys", "create", "--site", site, "--name", "one").stdout.strip()
    other = json.loads(run("keys", "create", "--site", site, "--name", "two", "--environment", "sandbox", "--json").stdout)
    listed = run("keys", "list", "--site", site, "--json")
    assert [each["name"] for each in json.loads(listed.stdout)] == ["one", "two"]
    table = run("keys", "list", "--site", site).stdout
    for shown in (listed.stdout, table):
        assert key not in shown
        assert other["key"] not in shown
        assert other["id"] in shown
    assert "is revoked" in run("keys", "revoke", other["id"], "--site", site).stdout
    assert "is revoked" in run("keys", "revoke", key, "--site", site).stdout
    assert all(each["revoked_at"] for each in json.loads(run("keys", "list", "--site", site, "--json").stdout))


def test_a_key_moves_to_another_tier_and_shows_what_it_took(run: Any, site: Path) -> None:
    with (site / "site.toml").open("a") as file:
        file.write("\n[tiers.partner]\nmonthly_bytes = 5000000\n")
    key = run("keys", "create", "--site", site, "--name", "one").stdout.strip()
    moved = json.loads(run("keys", "tier", key, "partner", "--site", site, "--json").stdout)
    assert (moved["tier"], moved["name"]) == ("partner", "one")
    assert run("keys", "usage", "--site", site).stdout == "No key took any media yet.\n"

    month = month_of(time.time())
    with sqlite3.connect(site / "data" / "reelkit.sqlite") as database:
        for id in (moved["id"], "public"):
            values = (f"default/production/{id}/{month}", id, month)
            database.execute("INSERT INTO key_usage VALUES (?, ?, 'default', 'production', ?, 1234567)", values)
    (listed,) = json.loads(run("keys", "list", "--site", site, "--json").stdout)
    assert listed["bytes_this_month"] == 1234567
    assert "1.23 MB" in run("keys", "list", "--site", site).stdout
    both = json.loads(run("keys", "usage", "--site", site, "--month", month, "--json").stdout)
    assert {line["name"]: line.get("monthly_bytes") for line in both} == {"one": 5000000, "public_api_key": None}
    (row,) = run("keys", "usage", moved["id"], "--site", site).stdout.splitlines()[1:]
    assert row.split() == [moved["id"], "one", "production", month, "1.23", "MB", "5", "MB"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ("create", "--name", "x", "--tier", "standrd"),
            "There is no tier 'standrd'. This site has: public, ",
        ),
        (
            ("create", "--name", "x", "--expires", "soon"),
            '--expires "soon" is no duration. Write a number and ',
        ),
        (("create", "--name", "x", "--expires", "9999999d"), '--expires "9999999d" is no duration. '),
        (("create", "--name", "x", "--project", "nope"), 'there is no project "nope". This site has: default'),
        (("revoke", "ke1"), "project default has no key ke1. See: reelkit keys list"),
        (("revoke", "public"), "the public key is a setting: [access] public_api_key in site.toml. "),
        (
            ("tier", "ke1", "partnr"),
            "There is no tier 'partnr'. This site has: public, standard, partner. Did you mean 'partner'?",
        ),
        (("tier", "ke1", "partner"), "project default has no key ke1. See: reelkit keys list"),
        (("usage", "--month", "11/2026"), '--month "11/2026" is no month. Write a year and a month: 2026-11'),
    ],
)
def test_a_refusal_is_one_line(run: Any, site: Path, words: tuple[str, ...], told: str) -> None:
    ran = run("keys", *words, "--site", site)
    assert ran.returncode in (1, 2)
    assert ran.stderr.startswith(f"reelkit: {told}")
    assert len(ran.stderr.splitlines()) == 1


def test_a_key_that_is_unknown_is_not_repeated(run: Any, site: Path) -> None:
    key = "rk_live_" + "x" * 32
    assert key not in run("keys", "revoke", key, "--site", site).stderr


def test_migrate_runs_once(run: Any, site: Path) -> None:
    pending = run("migrate", "--site", site, "--check", "--json")
    assert pending.returncode == 1
    assert json.loads(pending.stdout)["pending"]
    assert json.loads(run("migrate", "--site", site, "--json").stdout)["ran"] == json.loads(pending.stdout)["pending"]
    assert run("migrate", "--site", site).stdout == "The database is up to date.\n"


def test_a_postgres_that_is_not_migrated_is_refused_with_the_command(run: Any, site: Path, postgres_url: str) -> None:
    url = {"REELKIT_DATABASE__URL": postgres_url}
    refused = run("keys", "create", "--site", site, "--name", "x", **url)
    assert refused.returncode == 1
    assert "reelkit migrate" in refused.stderr
    assert run("migrate", "--site", site, **url).returncode == 0
    assert run("keys", "create", "--site", site, "--name", "x", **url).stdout.startswith("rk_live_")


def test_a_database_that_is_down_is_one_line_without_the_password(run: Any, site: Path) -> None:
    refused = run("migrate", "--site", site, REELKIT_DATABASE__URL="postgresql://me:hunter2@127.0.0.1:9/x")
    assert refused.returncode == 1
    assert len(refused.stderr.splitlines()) == 1
    assert "hunter2" not in refused.stderr
    assert "unexpected" not in refused.stderr
