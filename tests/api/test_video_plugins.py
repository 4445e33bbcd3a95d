"""A plugin of a site refuses, edits and follows what is done to videos, and nothing gets past it when it fails."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from reelkit.testing.served import ServedSite, served_site

GUARD = """
import json
from pathlib import Path

import reelkit

LOG = Path(__file__).with_name("seen.jsonl")


class Rude(reelkit.Problem):
    slug, status, title = "rude", 422, "That is rude."


@reelkit.hookimpl
def before_change(change):
    if change.resource != "video":
        return None
    title = (change.after or {}).get("title", "")
    if "damn" in title or (change.action == "delete" and change.before["title"] == "precious"):
        raise Rude(name="title")
    if change.action == "create":
        return {"tags": [*change.after["tags"], "seen"], "public": False}


@reelkit.hookimpl
def after_change(change):
    with LOG.open("a") as log:
        before, after = (each and each.get("title") for each in (change.before, change.after))
        log.write(json.dumps([change.resource, change.action, change.id, change.environment, before, after]) + "\\n")
"""

BRITTLE = """
import reelkit


@reelkit.hookimpl
def before_change(change):
    if change.resource == "video" and (change.after or {}).get("title") == "crash":
        raise RuntimeError("out of order")
"""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedSite]:
    with served_site(
        tmp_path_factory.mktemp("guarded"), "[videos]\nrestore = true\n", plugins={"guard": GUARD, "brittle": BRITTLE}
    ) as site:
        yield site


def followed(site: ServedSite, video: str) -> list[list[Any]]:
    lines = (site.folder / "plugins" / "seen.jsonl").read_text().splitlines()
    return [each for each in map(json.loads, lines) if each[2] == video]


def test_a_plugin_edits_and_follows_the_life_of_a_video(guarded: ServedSite) -> None:
    client = guarded.client
    video = client.post("/videos", json={"title": "one", "tags": ["mine"]}).json()
    id = video["videoId"]
    assert (video["tags"], video["public"]) == (["mine", "seen"], False)
    client.patch(f"/videos/{id}", json={"title": "two"})
    client.patch(f"/videos/{id}/thumbnail", json={"timecode": "1"})
    client.delete(f"/videos/{id}")
    client.patch(f"/discarded/videos/{id}", json={"discarded": False})

    assert followed(guarded, id) == [
        ["video", "create", id, "production", None, "one"],
        ["video", "update", id, "production", "one", "two"],
        ["video", "update", id, "production", "two", "two"],
        ["video", "delete", id, "production", "two", None],
        ["video", "update", id, "production", "two", "two"],
    ]


def test_what_a_plugin_refuses_does_not_happen(guarded: ServedSite) -> None:
    client = guarded.client
    total = client.get("/videos").json()["pagination"]["itemsTotal"]
    refused = client.post("/videos", json={"title": "damn"})
    assert (refused.status_code, refused.json()["title"], refused.json()["name"]) == (422, "That is rude.", "title")
    assert client.get("/videos").json()["pagination"]["itemsTotal"] == total

    id = guarded.new_video("precious")
    assert client.patch(f"/videos/{id}", json={"title": "damn", "description": "new"}).status_code == 422
    assert client.delete(f"/videos/{id}").status_code == 422
    after = client.get(f"/videos/{id}").json()
    assert (after["title"], after["description"]) == ("precious", "")
    assert [each[1] for each in followed(guarded, id)] == ["create"]


def test_nothing_gets_past_a_plugin_that_fails(guarded: ServedSite) -> None:
    for _ in range(7):  # also when it is quarantined, after the fifth
        answer = guarded.client.post("/videos", json={"title": "crash"})
        assert answer.status_code == 500
        assert answer.json()["detail"] == 'The plugin "brittle" failed, so nothing was done.'
        assert "out of order" not in answer.text
    assert guarded.client.get("/videos?title=crash").json()["data"] == []
    assert '"plugin brittle is quarantined after' in guarded.log.read_text()
    deadline = time.monotonic() + 30  # a report is repeated for a second
    while not (ready := httpx.get(f"{guarded.url}/readyz").json())["quarantined"] and time.monotonic() < deadline:
        time.sleep(0.1)
    assert (ready["status"], ready["quarantined"]) == ("ready", ["brittle"])
    assert guarded.log.read_text().count("RuntimeError: out of order") >= 1
