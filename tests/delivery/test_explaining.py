"""`GET /videos/{videoId}/explain-access`: what it says is what happens, and saying it uses nothing up."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from reelkit.testing.served import ServedSite, served_site

from tests.delivery.crawling import WEB

PLUGIN = '''
from reelkit import Problem, hookimpl

class Refused(Problem):
    """Not now."""

    slug, status, title = "later", 403, "Come back later."

class World:
    def country(self, address):
        return {"198.51.100.1": "DE"}.get(address)

@hookimpl
def register_geolocator():
    return World()

@hookimpl
def authorize_playback(playback):
    if playback.referrer == "https://late.example/":
        raise Refused
'''


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedSite]:
    """An open site with a plugin that has a say."""
    with served_site(tmp_path_factory.mktemp("site"), plugins={"world": PLUGIN}) as site:
        yield site


@pytest.fixture(scope="module")
def private(site: ServedSite, sample_h264: Path) -> str:
    return site.new_film(sample_h264, public=False)


def explain(site: ServedSite, video: str, **query: str) -> dict[str, Any]:
    answer = site.client.get(f"/videos/{video}/explain-access", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def refused(found: dict[str, Any]) -> list[str]:
    return [check["name"] for check in found["checks"] if not check["ok"]]


def said(found: dict[str, Any], name: str) -> str:
    (check,) = [check for check in found["checks"] if check["name"] == name]
    return str(check["said"])


def test_a_token_is_explained_and_stays_good(site: ServedSite, private: str) -> None:
    manifest = site.client.get(f"/videos/{private}").json()["assets"]["hls"]
    token = re.findall(r"token/([^/]+)/", manifest)[0]
    for path in ("hls/manifest.m3u8", "page", "mp4/source.mp4"):
        found = explain(site, private, token=token, path=path)
        assert (found["allowed"], found["playable"], refused(found)) == (True, True, []), path
        assert found["status"] == (302 if path.startswith("mp4") else 200)
    assert WEB.get(manifest).status_code == 200
    used = explain(site, private, token=token)
    assert (used["status"], used["allowed"], refused(used)) == (404, False, ["token", "admission"])
    assert "It was used" in said(used, "token")
    assert WEB.get(manifest).status_code == used["status"]
    late = explain(
        site,
        private,
        token=site.client.get(f"/videos/{private}").json()["assets"]["hls"].split("/")[-3],
        at="2099-01-01T00:00:00Z",
    )
    assert (late["status"], refused(late)) == (404, ["token", "admission"])


def test_every_limit_of_a_signed_url_is_told_and_is_what_happens(site: ServedSite, private: str) -> None:
    limits = {"allowedDomains": ["shop.example"], "allowedCountries": ["DE"], "allowedIps": ["198.51.100.0/24"]}
    session = site.client.post(f"/videos/{private}/signed-urls", json=limits).json()["session"]
    good = {"referer": "https://shop.example/page", "ip": "198.51.100.1"}
    cases: list[tuple[dict[str, str], list[str]]] = [
        (good, []),
        (good | {"ip": "203.0.113.1"}, ["countries", "ips"]),
        (good | {"ip": "198.51.100.2"}, ["countries"]),
        (good | {"referer": "https://evil.example/"}, ["domains"]),
        (good | {"origin": "https://evil.example"}, ["domains"]),
        ({"ip": "198.51.100.1"}, ["domains"]),
    ]
    for query, wrong in cases:
        found = explain(site, private, session=session, **query)
        assert refused(found) == wrong
        assert found["status"] == (403 if wrong else 200)
        headers = {"X-Forwarded-For": query["ip"]} | {name: query[name] for name in ("referer", "origin") if name in query}
        url = f"{site.url}/vod/{private}/hls/manifest.m3u8?avh={session}"
        assert WEB.get(url, headers=headers).status_code == found["status"]
    assert refused(explain(site, private, session=session, country="FR", **good)) == ["countries"]
    assert "in FR; allowed are DE" in said(explain(site, private, session=session, country="FR", **good), "countries")
    names = [check["name"] for check in explain(site, private, session=session, **good)["checks"]]
    assert names[:2] == ["video", "playable"] and names[-4:] == ["countries", "ips", "plugins", "bytes"]
    expired = explain(site, private, session=session, at="2099-01-01T00:00:00+00:00", **good)
    assert (expired["status"], refused(expired)) == (404, ["session", "admission"])


def test_a_plugin_that_refuses_is_named(site: ServedSite, private: str) -> None:
    session = site.client.post(f"/videos/{private}/signed-urls").json()["session"]
    found = explain(site, private, session=session, referer="https://late.example/")
    assert (found["status"], refused(found)) == (403, ["plugins"])
    assert "Come back later" in said(found, "plugins")


def test_a_tier_that_may_not_stream_is_told(site: ServedSite, private: str) -> None:
    token = WEB.post(f"{site.url}/api/auth", headers={"X-API-Key": site.new_key(tier="public")}).json()["token"]
    found = explain(site, private, token=token)
    assert (found["status"], refused(found)) == (403, ["tier", "admission"])
    assert "public" in said(found, "tier")


def test_why_a_video_does_not_play_yet(site: ServedSite, tmp_path: Path) -> None:
    empty = site.new_video("Nothing there")
    found = explain(site, empty)
    assert (found["status"], found["allowed"], found["playable"]) == (202, True, False)
    assert "no source" in said(found, "playable")
    (tmp_path / "a.mp4").write_bytes(b"this is no film")
    site.upload(empty, tmp_path / "a.mp4")
    site.wait(empty, lambda status: "error" in status["encoding"])
    found = explain(site, empty)
    assert (found["status"], found["playable"]) == (404, False)
    assert said(found, "playable").startswith("Its source cannot be used: ")


def test_only_the_owner_is_told(site: ServedSite, private: str) -> None:
    path = f"{site.url}/videos/{private}/explain-access"
    assert WEB.get(path).status_code == 401
    sandbox = {"X-API-Key": site.new_key(environment="sandbox")}
    assert WEB.get(path, headers=sandbox).status_code == 404
    assert site.client.get("/videos/viNobody/explain-access").status_code == 404


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ({"path": "../../etc/passwd?x"}, "path"),
        ({"path": "a" * 201}, "path"),
        ({"ip": "here"}, "ip"),
        ({"country": "Germany"}, "country"),
        ({"at": "tomorrow"}, "at"),
        ({"at": "0001-01-01T00:00:00+23:00"}, "at"),
        ({"token": "x" * 5000}, "token"),
        ({"referer": "a\r\nb"}, "referer"),
    ],
)
def test_a_question_that_makes_no_sense_is_named(site: ServedSite, private: str, query: dict[str, str], name: str) -> None:
    answer = site.client.get(f"/videos/{private}/explain-access", params=query)
    assert (answer.status_code, answer.json()["name"]) == (400, name)


def test_secrets_of_a_question_are_not_in_the_log(site: ServedSite, private: str) -> None:
    session = site.client.post(f"/videos/{private}/signed-urls").json()["session"]
    explain(site, private, session=session)
    assert session not in site.logged()
