"""Player themes over HTTP: the contract's defaults, the logo, and who may have which theme."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import pytest
from reelkit.testing.served import ServedSite

from tests.api.pictures import jpeg, png
from tests.api.test_videos import ATOM, problem

WHITE = "rgba(255, 255, 255, 1)"
DEFAULTS = {
    "text": WHITE,
    "link": WHITE,
    "linkHover": WHITE,
    "linkActive": WHITE,
    "backgroundText": WHITE,
    "trackPlayed": "rgba(88, 131, 255, .95)",
    "trackUnplayed": "rgba(255, 255, 255, .35)",
    "trackBackground": "rgba(255, 255, 255, .2)",
    "backgroundTop": "rgba(0, 0, 0, .7)",
    "backgroundBottom": "rgba(0, 0, 0, .7)",
    "enableApi": True,
    "enableControls": True,
    "forceAutoplay": False,
    "hideTitle": False,
    "forceLoop": False,
}


@pytest.fixture
def theme(site: ServedSite) -> dict[str, Any]:
    answer = site.client.post("/players", json={"name": "Ours"})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def test_a_theme_has_the_defaults_of_the_contract(site: ServedSite, theme: dict[str, Any]) -> None:
    assert re.fullmatch(r"pl[0-9A-Za-z]{22}", theme["playerId"])
    assert {name: theme[name] for name in DEFAULTS} == DEFAULTS
    assert (theme["name"], theme["assets"]) == ("Ours", {})
    assert ATOM.fullmatch(theme["createdAt"]) and ATOM.fullmatch(theme["updatedAt"])
    assert set(theme) == {*DEFAULTS, "playerId", "name", "createdAt", "updatedAt", "assets"}
    assert site.client.get(f"/players/{theme['playerId']}").json() == theme


def test_what_is_named_changes_and_the_rest_stays(site: ServedSite, theme: dict[str, Any]) -> None:
    changes = {"name": "Néw", "text": "#fff", "trackPlayed": "rgb(1 2 3 / 50%)", "forceLoop": True}
    nothing = site.client.patch(f"/players/{theme['playerId']}", json={**changes, "hideTitle": None})
    assert problem(nothing, 400, "invalid-attribute")["name"] == "hideTitle"
    answer = site.client.patch(f"/players/{theme['playerId']}", json=changes)
    assert answer.status_code == 200
    assert {**answer.json(), "updatedAt": ""} == {**theme, **changes, "updatedAt": ""}
    problem(site.client.patch("/players/plUnknown", json=changes), 404, "resource-not-found")


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"name": "x" * 101}, "name"),
        ({"text": "red; background: url(https://evil.example)"}, "text"),
        ({"linkHover": "url(javascript:alert(1))"}, "linkHover"),
        ({"backgroundTop": "</style><script>"}, "backgroundTop"),
        ({"enableApi": "yes"}, "enableApi"),
        ({"trackPlayed": 5}, "trackPlayed"),
    ],
)
def test_what_is_no_colour_or_switch_is_refused(
    site: ServedSite, theme: dict[str, Any], body: dict[str, Any], name: str
) -> None:
    for answer in (site.client.post("/players", json=body), site.client.patch(f"/players/{theme['playerId']}", json=body)):
        assert problem(answer, 400, "invalid-attribute")["name"] == name


def test_themes_are_listed_in_every_order(site: ServedSite) -> None:
    with httpx.Client(base_url=site.url, headers={"X-API-Key": site.new_key(environment="sandbox")}) as client:
        for name in ("b", "Á", "c"):
            client.post("/players", json={"name": name})
        for query, names in (
            ("sortBy=name&sortOrder=asc", ["Á", "b", "c"]),
            ("sortBy=createdAt&sortOrder=asc", ["b", "Á", "c"]),
            ("sortBy=updatedAt&sortOrder=desc", ["c", "Á", "b"]),
            ("pageSize=2&currentPage=2", ["b"]),
        ):
            assert [one["name"] for one in client.get(f"/players?{query}").json()["data"]] == names
        problem(client.get("/players?sortBy=text"), 400, "invalid-query-parameter")


@pytest.mark.parametrize("link_first", [True, False])
@pytest.mark.parametrize(("data", "kind"), [(png(200, 100), "image/png"), (jpeg(64, 64), "image/jpeg")])
def test_a_logo_is_shown_wherever_its_link_stands_in_the_form(
    site: ServedSite, theme: dict[str, Any], link_first: bool, data: bytes, kind: str
) -> None:
    file, link = ("logo", ("my logo.png", data, kind)), ("link", (None, "https://example.com/?a=1"))
    parts: Any = [link, file] if link_first else [file, link]
    answer = site.client.post(f"/players/{theme['playerId']}/logo", files=parts)

    assert answer.status_code == 201, answer.text
    logo = f"{site.url}/player/{theme['playerId']}/logo.png"
    assert answer.json()["assets"] == {"logo": logo, "link": "https://example.com/?a=1"}
    shown = httpx.get(logo)
    assert (shown.status_code, shown.content, shown.headers["content-type"]) == (200, data, kind)
    assert shown.headers["x-content-type-options"] == "nosniff"
    assert httpx.get(logo, headers={"If-None-Match": shown.headers["etag"]}).status_code == 304
    assert site.client.delete(f"/players/{theme['playerId']}/logo").status_code == 204
    assert httpx.get(logo).status_code == 404
    assert site.client.get(f"/players/{theme['playerId']}").json()["assets"] == {}


@pytest.mark.parametrize(
    ("data", "link", "name"),
    [
        (png(201, 100), "https://example.com", "file"),
        (png(200, 101), "https://example.com", "file"),
        (b"\x89PNG" + b"x" * (101 << 10), "https://example.com", "file"),
        (b"<svg/>", "https://example.com", "file"),
        (png(20, 10), "javascript:alert(1)", "link"),
        (png(20, 10), "https://", "link"),
    ],
)
def test_a_bad_logo_or_link_is_refused(site: ServedSite, theme: dict[str, Any], data: bytes, link: str, name: str) -> None:
    answer = site.client.post(f"/players/{theme['playerId']}/logo", files={"file": ("l.png", data)}, data={"link": link})
    assert (answer.status_code, answer.json()["name"]) == (400, name)
    assert site.client.get(f"/players/{theme['playerId']}").json()["assets"] == {}


def test_only_themes_of_the_same_scope_can_be_had(site: ServedSite, theme: dict[str, Any]) -> None:
    id = theme["playerId"]
    with httpx.Client(base_url=site.url, headers={"X-API-Key": site.new_key(environment="sandbox")}) as stranger:
        for path, body in (("/videos", {"title": "t"}), ("/live-streams", {"name": "n"})):
            answer = stranger.post(path, json={**body, "playerId": id})
            assert problem(answer, 400, "invalid-attribute")["name"] == "playerId"
        problem(stranger.get(f"/players/{id}"), 404, "resource-not-found")
        problem(stranger.delete(f"/players/{id}"), 404, "resource-not-found")
    video = site.new_video(playerId=id)
    problem(site.client.patch(f"/videos/{video}", json={"playerId": "plNobody"}), 400, "invalid-attribute")
    assert "playerId" not in site.client.patch(f"/videos/{video}", json={"playerId": None}).json()


def test_a_deleted_theme_is_taken_off_videos_and_live_streams(site: ServedSite, theme: dict[str, Any]) -> None:
    id = theme["playerId"]
    video = site.new_video(playerId=id)
    stream = site.client.post("/live-streams", json={"name": "n", "playerId": id}).json()
    assert stream["playerId"] == id

    assert site.client.delete(f"/players/{id}").status_code == 204

    problem(site.client.get(f"/players/{id}"), 404, "resource-not-found")
    assert "playerId" not in site.client.get(f"/videos/{video}").json()
    assert "playerId" not in site.client.get(f"/live-streams/{stream['liveStreamId']}").json()


def test_the_embed_page_does_what_the_theme_says(site: ServedSite) -> None:
    look = {"forceAutoplay": True, "forceLoop": True, "hideTitle": True, "enableControls": False, "text": "#ABCDEF"}
    theme = site.client.post("/players", json=look).json()["playerId"]
    site.client.post(f"/players/{theme}/logo", files={"file": ("l.png", png(8, 8))})

    def config(query: str = "", **fields: Any) -> dict[str, Any]:
        page = httpx.get(f"{site.url}/embed/vod/{site.new_video(**fields)}{query}").text
        found: dict[str, Any] = json.loads(re.findall(r'id="reelkit-config">(.*?)</script>', page)[0])
        return found

    dressed, plain = config(playerId=theme), config()
    switches = ("autoplay", "loop", "hideTitle", "hideControls")
    assert [dressed[name] for name in switches] == [True] * 4
    assert [plain[name] for name in switches] == [False] * 4
    assert plain["theme"] is None and [config("?loop")[name] for name in switches] == [False, True, False, False]
    assert dressed["theme"]["colours"]["text"] == "#ABCDEF" and len(dressed["theme"]["colours"]) == 10
    assert httpx.get(site.url + dressed["theme"]["logo"]).content == png(8, 8)
