"""Signed URLs and policies over HTTP: where, when, in which country and from which address a video plays."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from reelkit.testing.served import ServedSite, served_site

from tests.delivery.crawling import WEB, everything_below

PLUGIN = """
from reelkit import hookimpl

class World:
    def country(self, address):
        if address == "192.0.2.66":
            raise RuntimeError("the map is torn")
        return {"198.51.100.1": "DE", "198.51.100.2": "FR", "2001:db8::1": "DE"}.get(address)

@hookimpl
def register_geolocator():
    return World()

@hookimpl
def authorize_playback(playback):
    print("ASKED", playback.what, playback.viewer, playback.country, flush=True)
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedSite]:
    """An open site, with a plugin that knows where a few addresses are."""
    with served_site(tmp_path_factory.mktemp("site"), plugins={"world": PLUGIN}) as site:
        yield site


@pytest.fixture(scope="module")
def private(site: ServedSite, sample_h264: Path) -> str:
    return site.new_film(sample_h264, public=False)


@pytest.fixture(scope="module")
def public(site: ServedSite, sample_h264: Path) -> str:
    return site.new_film(sample_h264, public=True)


def sign(site: ServedSite, video: str, **limits: Any) -> dict[str, Any]:
    answer = site.client.post(f"/videos/{video}/signed-urls", json=limits)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def set_policy(site: ServedSite, video: str, **policy: Any) -> dict[str, Any]:
    """Limit a video, and wait until it holds."""
    answer = site.client.put(f"/videos/{video}/playback-policy", json=policy)
    assert answer.status_code == 200, answer.text
    time.sleep(1.7)
    found: dict[str, Any] = answer.json()
    return found


def statuses_below(url: str, headers: dict[str, str] | None = None) -> dict[str, int]:
    return {url: answer.status_code for url, answer in everything_below(url, headers).items()}


def status(url: str, **headers: str) -> int:
    names = {"origin": "Origin", "referer": "Referer", "ip": "X-Forwarded-For", "dest": "Sec-Fetch-Dest"}
    return WEB.get(url, headers={names[name]: value for name, value in headers.items()}).status_code


def test_a_signed_url_plays_a_private_video_as_often_as_it_is_asked_for(site: ServedSite, private: str) -> None:
    signed = sign(site, private)
    for _ in range(2):
        found = statuses_below(signed["assets"]["hls"])
        assert len(found) > 5 and set(found.values()) == {200}
    for name in ("mp4", "player"):
        assert status(signed["assets"][name]) == 200
    assert signed["session"] in signed["assets"]["iframe"]
    assert statuses_below(sign(site, private, expiresIn=60)["assets"]["hls"]).keys() != found.keys()


def test_a_signed_url_ends_with_its_time_segments_too(site: ServedSite, private: str) -> None:
    for seconds in (3, 10, 60):  # a busy machine may not look at everything within the first ones
        began = time.monotonic()
        signed = sign(site, private, expiresIn=seconds)
        found = statuses_below(signed["assets"]["hls"])
        if time.monotonic() - began < seconds:
            break
    assert set(found.values()) == {200}
    time.sleep(max(began + seconds + 1 - time.monotonic(), 0))
    assert {WEB.get(url).status_code for url in [*found, signed["assets"]["player"]]} == {404}


def test_expired_forged_and_other_videos_signatures_look_the_same(site: ServedSite, private: str, public: str) -> None:
    session = sign(site, private)["session"]
    other = sign(site, site.new_video("Other", public=False))["session"]
    url = f"{site.url}/vod/{private}/hls/manifest.m3u8"
    absent = WEB.get(f"{site.url}/vod/viNONE/hls/manifest.m3u8")
    changed = [session[:-1], session + "A", session[:20] + ("A" if session[20] != "A" else "B") + session[21:], session[4:]]
    for avh in [*changed, other, "", session.upper(), "A" * 1536, "%00" * 20]:
        answer = WEB.get(f"{url}?avh={avh}")
        assert (answer.status_code, answer.json()) == (404, absent.json()), avh
    assert WEB.get(f"{url}?avh={session}").status_code == 200


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"origin": "https://shop.example"}, 200),
        ({"origin": "https://shop.example:443"}, 200),
        ({"origin": "https://SHOP.example"}, 200),
        ({"referer": "https://shop.example/a/page?x"}, 200),
        ({"origin": "https://a.b.example.org"}, 200),
        ({"origin": "http://localhost:3000"}, 200),
        ({"origin": "null", "referer": "https://shop.example/"}, 200),
        ({"referer": "{own}/embed/vod/x"}, 200),
        ({"origin": "https://shop.example:8443"}, 403),
        ({"origin": "https://shop.example.evil.example"}, 403),
        ({"origin": "https://evilshop.example"}, 403),
        ({"origin": "https://example.org"}, 403),
        ({"origin": "https://evil.example", "referer": "https://shop.example/"}, 403),
        ({"referer": "https://evil.example/?https://shop.example"}, 403),
        ({"referer": "https://shop.example@evil.example/"}, 403),
        ({"referer": "https://[evil"}, 403),
        ({"referer": "data:text/html,x"}, 403),
        ({"origin": "null"}, 403),
        ({}, 403),
    ],
)
def test_media_play_on_the_pages_of_allowed_domains(
    site: ServedSite, limited: str, headers: dict[str, str], expected: int
) -> None:
    given = {name: value.format(own=site.url) for name, value in headers.items()}
    assert status(f"{site.url}/vod/{limited}/hls/manifest.m3u8", **given) == expected
    assert status(f"{site.url}/vod/{limited}/mp4/source.mp4", **given) == expected


def test_what_is_limited_is_in_no_shared_cache(site: ServedSite, limited: str, public: str) -> None:
    for path in ("hls/manifest.m3u8", "mp4/source.mp4"):
        headers = {"Origin": "https://shop.example"}
        assert WEB.get(f"{site.url}/vod/{limited}/{path}", headers=headers).headers["cache-control"].startswith("private")
    # Plugins are asked about playlists here, so they are no cache's either; what those lead to is.
    init = next(url for url in statuses_below(f"{site.url}/vod/{public}/hls/manifest.m3u8") if "init.mp4" in url)
    assert WEB.get(init).headers["cache-control"].startswith("public")


@pytest.fixture(scope="module")
def limited(site: ServedSite, sample_h264: Path) -> str:
    """A public video that plays on some pages only."""
    id = site.new_film(sample_h264, public=True)
    shown = set_policy(site, id, allowedDomains=["Shop.example", "*.example.org", "localhost:3000"])
    assert shown["inEffect"]["allowedDomains"] == ["shop.example", "*.example.org", "localhost:3000"]
    return id


def test_the_embed_page_tells_browsers_who_may_embed_it(site: ServedSite, limited: str, public: str) -> None:
    page = f"{site.url}/embed/vod/{limited}"
    shown = WEB.get(page, headers={"Referer": "https://shop.example/"})
    assert "frame-ancestors 'self' shop.example *.example.org localhost:3000" in shown.headers["content-security-policy"]
    assert "frame-ancestors" not in WEB.get(f"{site.url}/embed/vod/{public}").headers["content-security-policy"]
    assert status(page, dest="iframe") == 200  # the browser keeps to frame-ancestors
    assert status(page, dest="document") == 403
    assert status(page, referer="https://evil.example/", dest="iframe") == 403
    # What the page loads needs no referrer any more, and still may not be taken elsewhere.
    manifest = re.search(r'"manifest":"([^"]*)"', shown.text)
    assert manifest is not None
    assert set(statuses_below(site.url + manifest[1]).values()) == {200}
    assert status(site.url + manifest[1], origin="https://evil.example") == 403


def test_a_signed_url_limits_beside_the_video(site: ServedSite, limited: str, private: str) -> None:
    url = sign(site, limited, allowedDomains=["shop.example", "other.example"])["assets"]
    assert status(url["hls"], origin="https://shop.example") == 200
    assert status(url["hls"], origin="https://other.example") == 403
    policy = WEB.get(url["player"], headers={"Referer": "https://shop.example"}).headers["content-security-policy"]
    assert "frame-ancestors 'self' shop.example" in policy and "other.example" not in policy
    alone = sign(site, private, allowedDomains=["shop.example"], allowNoReferrer=True)["assets"]["hls"]
    assert (status(alone), status(alone, origin="https://evil.example")) == (200, 403)


def test_countries_are_those_of_the_address_and_unknown_ones_are_out(site: ServedSite, private: str, public: str) -> None:
    url = sign(site, private, allowedCountries=["de"])["assets"]["hls"]
    found = statuses_below(url, {"X-Forwarded-For": "198.51.100.1"})
    assert len(found) > 5 and set(found.values()) == {200}
    for each in found:
        assert status(each, ip="198.51.100.2") == 403
    assert status(url, ip="2001:db8::1") == 200
    for unknown in ("203.0.113.1", "192.0.2.66", "nonsense"):
        assert status(url, ip=unknown) == 403, unknown
    assert status(f"{site.url}/vod/{public}/hls/manifest.m3u8", ip="192.0.2.66") == 200


def test_addresses_can_be_bound(site: ServedSite, private: str) -> None:
    url = sign(site, private, allowedIps=["198.51.100.0/24", "2001:db8::/64"])["assets"]["hls"]
    for ip, expected in (
        ("198.51.100.7", 200),
        ("::ffff:198.51.100.7", 200),
        ("2001:db8::7", 200),
        ("198.51.101.7", 403),
        ("2001:db8:1::7", 403),
        ("203.0.113.9, 198.51.101.7", 403),
        ("198.51.100.7, 198.51.101.7", 403),
    ):
        assert status(url, ip=ip) == expected, ip


def test_plugins_learn_who_the_viewer_is(site: ServedSite, private: str) -> None:
    url = sign(site, private, viewerId="customer 7")["assets"]["hls"]
    assert status(url, ip="198.51.100.2") == 200
    assert "ASKED playlist customer 7 FR" in site.log.read_text()


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"expiresIn": 0}, "expiresIn"),
        ({"expiresIn": 10**9}, "expiresIn"),
        ({"expiresAt": "2001-01-01T00:00:00Z"}, "expiresAt"),
        ({"expiresAt": "2099-01-01T00:00:00Z"}, "expiresAt"),
        ({"expiresAt": "2026-12-01T00:00:00"}, "expiresAt"),
        ({"expiresAt": "soon"}, "expiresAt"),
        ({"expiresIn": 5, "expiresAt": "2026-12-01T00:00:00Z"}, "expiresAt"),
        ({"allowedDomains": ["https://shop.example"]}, "allowedDomains"),
        ({"allowedDomains": ["shop.example; script-src *"]}, "allowedDomains"),
        ({"allowedDomains": ["*"]}, "allowedDomains"),
        ({"allowedDomains": [f"a{n}.example" for n in range(11)]}, "allowedDomains"),
        ({"allowedDomains": [f"{'a' * 60}.{'b' * 60}.{'c' * 60}.{n}.example" for n in range(10)]}, "allowedDomains"),
        ({"allowedDomains": "shop.example"}, "allowedDomains"),
        ({"allowedCountries": ["Germany"]}, "allowedCountries"),
        ({"allowedIps": ["localhost"]}, "allowedIps"),
        ({"viewerId": "v" * 101}, "viewerId"),
    ],
)
def test_a_wrong_limit_is_named(site: ServedSite, private: str, body: dict[str, Any], name: str) -> None:
    answer = site.client.post(f"/videos/{private}/signed-urls", json=body)
    assert (answer.status_code, answer.json()["name"]) == (400, name)


def test_only_the_owner_signs_and_limits(site: ServedSite, private: str) -> None:
    token = site.client.post("/api/auth").json()["token"]
    by = {"session": {"X-Session-Token": token}, "sandbox": {"X-API-Key": site.new_key(environment="sandbox")}, "none": {}}
    for who, expected in (("session", 403), ("sandbox", 404), ("none", 401)):
        for method, path in (("POST", "signed-urls"), ("PUT", "playback-policy"), ("DELETE", "playback-policy")):
            answer = WEB.request(method, f"{site.url}/videos/{private}/{path}", headers=by[who], content=b"{}")
            assert answer.status_code == expected, (who, path)
    public = site.new_key(tier="public")
    answer = WEB.post(f"{site.url}/videos/{private}/signed-urls", headers={"X-API-Key": public}, content=b"{}")
    assert (answer.status_code, answer.json()["title"]) == (403, "Access denied")


def test_in_an_open_site_a_tier_that_may_not_stream_gets_403_all_the_same(site: ServedSite, public: str) -> None:
    key = site.new_key(tier="public")
    token = WEB.post(f"{site.url}/api/auth", headers={"X-API-Key": key}).json()["token"]
    found = statuses_below(f"{site.url}/vod/{public}/hls/manifest.m3u8")
    assert len(found) > 5 and set(found.values()) == {200}
    for url in [*found, f"{site.url}/vod/{public}/mp4/source.mp4", f"{site.url}/embed/vod/{public}"]:
        for headers in ({"X-API-Key": key}, {"X-Session-Token": token}, {"Authorization": f"Bearer {key}"}):
            assert WEB.get(url, headers=headers).status_code == 403, url
            assert WEB.head(url, headers=headers).status_code == 403, url
        assert WEB.get(url, params={"token": token}).status_code == 403, url
        # Whom nobody knows is a visitor, e.g. behind a web server that asks for a password of its own.
        assert WEB.get(url, headers={"Authorization": "Basic dXNlcjpwYXNzd29yZA=="}).status_code == 200


def test_a_policy_is_set_shown_and_taken_away(site: ServedSite, sample_h264: Path) -> None:
    id = site.new_video("Limited")
    path = f"/videos/{id}/playback-policy"
    nothing = {"allowedDomains": [], "allowNoReferrer": False, "allowedCountries": [], "allowedIps": []}
    assert site.client.get(path).json() == {"videoId": id, **dict.fromkeys(nothing), "inEffect": nothing}
    assert site.client.put(path, json={"allowNoReferrer": True}).json()["inEffect"] == nothing | {"allowNoReferrer": True}
    given = {"allowedCountries": ["fr"], "allowedIps": ["2001:DB8::1"], "allowedDomains": ["bücher.example"]}
    kept = {"allowedCountries": ["FR"], "allowedIps": ["2001:db8::1/128"], "allowedDomains": ["xn--bcher-kva.example"]}
    answer = site.client.put(path, json=given)
    assert answer.json()["inEffect"] == nothing | kept
    assert site.client.get(path).json() == answer.json()
    assert site.client.get(f"/videos/{id}").json().keys() == site.client.get("/videos").json()["data"][0].keys()
    assert "playback" not in str(site.client.get(f"/videos/{id}").json())
    assert site.client.delete(path).status_code == 204
    assert site.client.get(path).json()["inEffect"] == nothing
    wrong = site.client.put(path, json={"allowedIps": ["x"], "allowedCountries": ["y"]})
    assert [fault["name"] for fault in wrong.json()["problems"]] == ["allowedCountries", "allowedIps"]


def test_reports_tell_from_where_a_video_was_watched(site: ServedSite, public: str) -> None:
    now = time.time_ns() // 1_000_000
    for number, ip in enumerate(["198.51.100.1", "198.51.100.1", "198.51.100.2", "203.0.113.1"]):
        played = [{"eat": now, "typ": kind, "vti": 0} for kind in (8, 1, 2)]
        body = {"sat": now, "sid": f"s{number}", "pid": f"p{number}", "mid": public, "eve": played}
        assert WEB.post(f"{site.url}/watch", json=body, headers={"X-Forwarded-For": ip}).status_code == 204
    wanted = {"filterBy[mediaId][]": public}
    deadline = time.monotonic() + 60
    while site.client.get("/data/metrics/play/count", params=wanted).json()["data"] < 4:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    for dimension, expected in (("country", {"DE": 2, "FR": 1}), ("continent", {"EU": 3})):
        data = site.client.get(f"/data/buckets/play/{dimension}", params=wanted).json()["data"]
        assert {pair["dimensionValue"]: pair["metricValue"] for pair in data} == expected
