"""Plugins say who asks, whether they may and how often; one that fails lets nobody through."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from reelkit.testing.served import ServedSite, served_site

PLUGIN = """
import reelkit
from reelkit.interfaces.access import Caller, Operation, RateDecision, SignIn
import msgspec


class NotToday(reelkit.Problem):
    slug, status, title = "not-today", 403, "Not today."


@reelkit.hookimpl
async def authenticate(request: SignIn):
    match request.headers.get("x-staff"):
        case "ada":
            return Caller(id="ada", environment="sandbox", tier="tiny", scopes=("videos:*",))
        case "tenant":
            return Caller(id="tenant", project=request.headers["x-project"])
        case "odd":
            return Caller(id="odd", tier="no such tier")
        case "wrong":
            return True
        case "broken":
            raise RuntimeError("the directory does not answer")
        case "banned":
            raise NotToday


@reelkit.hookimpl
def authorize(operation: Operation):
    if operation.needs == "videos:write" and operation.path.endswith("forbidden"):
        raise NotToday(detail=f"{operation.caller.id} {operation.method}")
    if operation.path.endswith("false"):
        return False


@reelkit.hookimpl
def rate_limit(decision: RateDecision):
    if decision.caller.tier == "free":
        return msgspec.structs.replace(decision, allowed=True, limit=77, remaining=7)
    if decision.caller.tier == "stopped":
        return msgspec.structs.replace(decision, allowed=False, reset=5)
    if decision.caller.tier == "confused":
        return {"allowed": True}
"""
TIERS = """
[tiers.tiny]
limit = 2
[tiers.free]
limit = 1
[tiers.stopped]
[tiers.confused]
[plugins.staff]
token = "s3cret"
"""
PAGE = Path(__file__).parents[2] / "docs" / "plugins.md"
[SHOWN] = re.findall(r'title="plugins/staff.py"\n(.*?)```', PAGE.read_text("utf-8"), re.DOTALL)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedSite]:
    """A site whose plugin decides."""
    plugins = {"guard": PLUGIN, "staff": SHOWN}
    with served_site(tmp_path_factory.mktemp("guarded"), TIERS, plugins=plugins) as site:
        yield site


def staff(site: ServedSite, name: str, method: str = "GET", path: str = "/videos") -> httpx.Response:
    return httpx.request(method, f"{site.url}{path}", headers={"X-Staff": name})


def test_a_plugin_says_who_asks_and_the_rest_is_as_for_a_key(guarded: ServedSite) -> None:
    answers = [staff(guarded, "ada", path=path) for path in ("/videos", "/webhooks", "/videos")]
    assert [answer.status_code for answer in answers] == [200, 403, 429], "its scopes and its tier hold"
    assert answers[0].headers["x-ratelimit-limit"] == "2"


def test_staff_are_let_in_and_held_back_as_the_docs_show(guarded: ServedSite) -> None:
    assert [staff(guarded, "s3cret", path=path).status_code for path in ("/videos", "/webhooks")] == [200, 403]
    refused = staff(guarded, "s3cret", "DELETE", "/videos/viNobody")
    assert (refused.status_code, refused.json()["detail"]) == (403, "Ask an editor to delete it.")
    assert guarded.client.delete("/videos/viNobody").status_code == 404


def test_a_caller_whom_nobody_knows_is_refused_as_ever(guarded: ServedSite) -> None:
    refused = staff(guarded, "nobody")
    assert (refused.status_code, refused.json()["title"]) == (401, "Missing API key")
    assert guarded.client.get("/videos").status_code == 200, "keys go on working"


@pytest.mark.parametrize("name", ["odd", "wrong", "broken"])
def test_a_plugin_that_fails_to_say_who_asks_lets_nobody_in(guarded: ServedSite, name: str) -> None:
    refused = staff(guarded, name)
    assert refused.status_code == 500 and "guard" in refused.json()["detail"]


def test_a_plugin_refuses_in_its_own_words(guarded: ServedSite) -> None:
    assert (staff(guarded, "banned").status_code, staff(guarded, "banned").json()["title"]) == (403, "Not today.")
    refused = guarded.client.delete("/videos/forbidden")
    assert (refused.status_code, refused.json()["title"]) == (403, "Not today.")
    assert refused.json()["detail"].startswith("ke") and refused.json()["detail"].endswith(" DELETE")
    assert guarded.client.get("/videos/forbidden").status_code == 404
    assert "x-ratelimit-limit" in refused.headers


def test_a_caller_of_a_suspended_project_is_refused_whoever_knows_them(guarded: ServedSite) -> None:
    def asked() -> httpx.Response:
        return httpx.get(f"{guarded.url}/videos", headers={"X-Staff": "tenant", "X-Project": project})

    project = guarded.command("project", "create", "tenant").strip()
    assert asked().status_code == 200
    guarded.command("project", "suspend", "tenant")
    end = time.monotonic() + 30
    while (answer := asked()).status_code == 200:
        assert time.monotonic() < end
        time.sleep(0.2)
    assert (answer.status_code, answer.json()["title"]) == (403, "The account is suspended.")


def test_a_false_is_no_yes(guarded: ServedSite) -> None:
    assert guarded.client.get("/videos/false").status_code == 500


def test_a_plugin_replaces_what_the_tier_says(guarded: ServedSite) -> None:
    def ask(tier: str, times: int) -> list[httpx.Response]:
        headers = {"X-API-Key": guarded.new_key(tier=tier)}
        return [httpx.get(f"{guarded.url}/videos", headers=headers) for _ in range(times)]

    assert [(a.status_code, a.headers["x-ratelimit-limit"], a.headers["x-ratelimit-remaining"]) for a in ask("free", 3)] == [
        (200, "77", "7")
    ] * 3
    (stopped,) = ask("stopped", 1)
    assert (stopped.status_code, stopped.json()["retry_after"]) == (429, 5)
    assert ask("confused", 1)[0].status_code == 500
