"""A site that plays to those only who bring a credential: what opens media, and what does not."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from reelkit.access.keys import create_key, digest_of
from reelkit.catalog import keys as catalog_keys
from reelkit.catalog import projects
from reelkit.catalog.database import open_database
from reelkit.catalog.scope import Scope
from reelkit.site import load_site
from reelkit.testing.served import ServedSite, served_site

from tests.delivery.crawling import WEB, everything_below, links

SETTINGS = """
[playback]
mode = "session"
[tiers.one]
limit = 1000
concurrent_streams = 1
[tiers.small]
limit = 1000
monthly_bytes = 20000
"""

PLUGIN = """
import reelkit
from reelkit.interfaces.access import Caller

@reelkit.hookimpl
def authenticate(request):
    print("STAFF", flush=True)
    name = request.headers.get("x-staff")
    if name == "broken":
        raise RuntimeError("the directory does not answer")
    if name:
        return Caller(id=name, tier="public" if name == "guest" else "standard", scopes=("videos:read",))
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedSite]:
    """A site that plays with a credential only, with a plugin that knows staff."""
    with served_site(tmp_path_factory.mktemp("site"), SETTINGS, plugins={"staff": PLUGIN}) as site:
        yield site


@pytest.fixture(scope="module")
def video(site: ServedSite, sample_h264: Path) -> str:
    """A public video with a poster."""
    return ready(site, sample_h264)


@pytest.fixture(scope="module")
def keys(site: ServedSite) -> dict[str, str]:
    """Keys that differ in one thing each, made by another process than the server."""

    async def make() -> dict[str, str]:
        where = load_site(site.folder)
        database = await open_database(where)
        await projects.create("elsewhere")
        (elsewhere,) = [each.id for each in await projects.all_projects() if each.name == "elsewhere"]
        own = Scope(projects.DEFAULT)
        made = {
            "public": await create_key(where, own, "p", tier="public"),
            "sandbox": await create_key(where, Scope(projects.DEFAULT, "sandbox"), "s"),
            "elsewhere": await create_key(where, Scope(elsewhere), "e"),
            "writes": await create_key(where, own, "w", scopes=("videos:write",)),
            "leaves": await create_key(where, own, "l"),
        }
        await database.close()
        return {name: secret for name, (_, secret) in made.items()}

    return asyncio.run(make())


def revoke(site: ServedSite, secret: str) -> None:
    """End a key, from another process than the server."""

    async def end() -> None:
        database = await open_database(load_site(site.folder))
        found = await catalog_keys.by_digest(digest_of(secret))
        assert found is not None
        await catalog_keys.revoke(Scope(found.project, found.environment), found.id)
        await database.close()

    asyncio.run(end())


def ready(site: ServedSite, file: Path, public: bool = True) -> str:
    id = site.new_film(file, public=public)
    deadline = time.monotonic() + 30
    base = f"{site.url}/vod/{id}"
    while WEB.get(f"{base}/thumbnail.jpg?token={session_token(site)}").status_code != 200 and public:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return id


def session_token(site: ServedSite, key: str = "") -> str:
    answer = WEB.post(f"{site.url}/api/auth", headers={"X-API-Key": key or site.key})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["token"])


def statuses_below(url: str, headers: dict[str, str] | None = None) -> dict[str, int]:
    """Fetch all that a manifest leads to; only the manifest is asked for with headers."""
    return {url: answer.status_code for url, answer in everything_below(url, first=headers).items()}


@pytest.fixture(scope="module")
def paths(site: ServedSite, video: str) -> list[str]:
    """Every sort of media of the video, without anything that opens it."""
    base = f"{site.url}/vod/{video}"
    found = statuses_below(f"{base}/hls/manifest.m3u8", {"X-Session-Token": session_token(site)})
    assert len(found) > 5 and set(found.values()) == {200}, found
    bare = [url.partition("?")[0] for url in found]
    sorts = {url.rpartition(".")[2]: url for url in bare}
    assert sorts.keys() >= {"m3u8", "mp4", "m4s"}
    return [f"{base}/hls/manifest.m3u8", *sorts.values(), f"{base}/mp4/source.mp4", f"{base}/thumbnail.jpg"]


def test_nobody_plays_without_a_credential(site: ServedSite, paths: list[str]) -> None:
    for path in paths:
        for method in ("GET", "HEAD"):
            answer = WEB.request(method, path)
            assert answer.status_code == 401, path
            assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.headers["cache-control"] == "no-store"
        assert WEB.get(path).json()["title"] == "Missing API key"


def test_each_sort_of_credential_opens_every_path_by_itself(site: ServedSite, paths: list[str]) -> None:
    token = session_token(site)
    access = site.client.post("/auth/api-key", json={"apiKey": site.key}).json()["access_token"]
    for path in paths:
        for headers in (
            {"X-Session-Token": token},
            {"X-API-Key": site.key},
            {"Authorization": f"Bearer {site.key}"},
            {"Authorization": f"Bearer {access}"},
        ):
            answer = WEB.get(path, headers=headers)
            assert answer.status_code == 200, (path, headers)
            assert answer.headers["cache-control"].startswith("private"), path
        sent_on = WEB.get(path, params={"token": token}, follow_redirects=True)
        assert sent_on.status_code == 200, path
        assert "source.mp4" not in path or "?avh=" in str(sent_on.url)


def test_a_token_in_the_address_of_the_manifest_plays_to_the_end(site: ServedSite, video: str) -> None:
    found = statuses_below(f"{site.url}/vod/{video}/hls/manifest.m3u8?token={session_token(site)}")
    assert len(found) > 5 and set(found.values()) == {200}
    assert all("avh=" in url for url in list(found)[1:])
    assert not any("token=" in url for url in list(found)[1:])


def test_a_session_can_be_asked_for_by_itself(site: ServedSite, video: str) -> None:
    url = f"{site.url}/vod/{video}/session"
    answer = WEB.get(url, headers={"X-Session-Token": session_token(site)})
    assert answer.headers["cache-control"] == "private, no-store"
    session = answer.json()["session_token"]
    assert WEB.get(f"{site.url}/vod/{video}/hls/manifest.m3u8?avh={session}").status_code == 200
    assert WEB.get(url).status_code == 401


def test_a_tier_that_may_not_stream_gets_403_whichever_way_it_comes(
    site: ServedSite, paths: list[str], keys: dict[str, str]
) -> None:
    key = keys["public"]
    token = session_token(site, key)
    access = WEB.post(f"{site.url}/auth/api-key", json={"apiKey": key}).json()["access_token"]
    for path in paths:
        for headers in (
            {"X-API-Key": key},
            {"Authorization": f"Bearer {key}"},
            {"Authorization": f"Bearer {access}"},
            {"X-Session-Token": token},
        ):
            for method in ("GET", "HEAD"):
                assert WEB.request(method, path, headers=headers).status_code == 403, (path, headers)
            assert WEB.get(path, headers=headers).json()["title"] == "Access denied"
        assert WEB.get(path, params={"token": token}).status_code == 403
        # A good one does not make up for it.
        both = {"X-API-Key": key, "X-Session-Token": session_token(site)}
        assert WEB.get(path, params={"token": session_token(site)}, headers={"X-API-Key": key}).status_code == 403
        assert WEB.get(path, headers=both).status_code == 403


@pytest.mark.parametrize(
    ("headers", "query", "status", "title"),
    [
        ({"X-Session-Token": "nonsense"}, "", 401, "Invalid or expired session token"),
        ({"X-Session-Token": "a" * 6000}, "", 401, "Invalid or expired session token"),
        ({"X-API-Key": "rk_live_" + "a" * 32}, "", 401, "The API key is invalid."),
        ({"X-API-Key": "{session}"}, "", 401, "The API key is invalid."),
        ({"X-Session-Token": "{key}"}, "", 401, "Invalid or expired session token"),
        ({"X-Session-Token": "{access}"}, "", 401, "Invalid or expired session token"),
        ({"Authorization": "Bearer {session}"}, "", 401, "The access token is invalid."),
        ({"Authorization": "Digest x"}, "", 401, "The authorization header is invalid."),
        ({}, "token={key}", 401, "Invalid or expired session token"),
        ({}, "token={session}x", 401, "Invalid or expired session token"),
        ({}, "token=%7Bsession%7D", 401, "Invalid or expired session token"),
        ({}, "avh={session}", 401, "Invalid or expired session token"),
        ({}, "avh=" + "A" * 48, 401, "Invalid or expired session token"),
        ({}, "avh=" + "A" * 7000, 401, "Invalid or expired session token"),
        ({}, "avh={other}", 401, "Invalid or expired session token"),
        ({"X-API-Key": "{sandbox}"}, "", 404, "The requested resource was not found."),
        ({"X-API-Key": "{elsewhere}"}, "", 404, "The requested resource was not found."),
        ({"X-API-Key": "{writes}"}, "", 403, "Access denied"),
        ({"X-API-Key": "{key}", "Cookie": "a=" + "b" * 4000}, "", 200, ""),
        ({f"X-Extra-{number}": "x" * 40 for number in range(60)}, "", 401, "Missing API key"),
    ],
)
def test_what_is_not_quite_a_credential_opens_nothing(
    site: ServedSite,
    video: str,
    keys: dict[str, str],
    sample_h264: Path,
    headers: dict[str, str],
    query: str,
    status: int,
    title: str,
) -> None:
    access = site.client.post("/auth/api-key", json={"apiKey": site.key}).json()["access_token"]
    other = site.new_video("Another one")
    session = site.client.get(f"/vod/{other}/session").json()["session_token"]
    known = {"session": session_token(site), "access": access, "key": site.key, "other": session, **keys}
    given = {name: value.format(**known) for name, value in headers.items()}
    url = f"{site.url}/vod/{video}/hls/manifest.m3u8"
    answer = WEB.get(url, headers=given, params=None if not query else httpx.QueryParams(query.format(**known)))
    assert answer.status_code == status, answer.text
    assert not title or answer.json()["title"] == title


def test_the_first_of_doubled_headers_counts(site: ServedSite, video: str) -> None:
    url = f"{site.url}/vod/{video}/hls/manifest.m3u8"
    assert WEB.get(url, headers=[("X-API-Key", site.key), ("X-API-Key", "x")]).status_code == 200
    assert WEB.get(url, headers=[("X-API-Key", "x"), ("X-API-Key", site.key)]).status_code == 401


def test_a_revoked_key_ends_what_it_opened_within_five_seconds(
    site: ServedSite, video: str, sample_h264: Path, keys: dict[str, str]
) -> None:
    key = keys["leaves"]
    secret = ready(site, sample_h264, public=False)
    assets = WEB.get(f"{site.url}/videos/{secret}", headers={"X-API-Key": key}).json()["assets"]
    opened = statuses_below(f"{site.url}/vod/{video}/hls/manifest.m3u8?token={session_token(site, key)}")
    assert set(opened.values()) == {200}
    private = statuses_below(assets["hls"])
    assert set(private.values()) == {200}
    unused = WEB.get(f"{site.url}/videos/{secret}", headers={"X-API-Key": key}).json()["assets"]["hls"]
    revoke(site, key)
    time.sleep(5)
    for url in list(opened)[1:]:
        assert WEB.get(url).status_code == 401, url
    for url in list(private)[1:]:
        assert WEB.get(url).status_code == 404, url
    assert WEB.get(unused).status_code == 404


def test_a_private_video_needs_its_own_token(site: ServedSite, sample_h264: Path, keys: dict[str, str]) -> None:
    id = ready(site, sample_h264, public=False)
    url = f"{site.url}/vod/{id}/hls/manifest.m3u8"
    for headers in ({}, {"X-Session-Token": session_token(site)}, {"X-API-Key": site.key}):
        assert WEB.get(url, headers=headers).status_code == 404
    # The owner's own credential is told why, nobody else's.
    assert WEB.get(url, headers={"X-API-Key": keys["public"]}).status_code == 403
    assert WEB.get(url, headers={"X-API-Key": keys["elsewhere"]}).status_code == 404
    assets = WEB.get(f"{site.url}/videos/{id}", headers={"X-API-Key": keys["public"]}).json()["assets"]
    assert WEB.get(assets["hls"]).status_code == 403
    found = statuses_below(site.client.get(f"/videos/{id}").json()["assets"]["hls"])
    assert len(found) > 5 and set(found.values()) == {200}


def test_the_embed_page_takes_a_session_token_and_plays(site: ServedSite, video: str, keys: dict[str, str]) -> None:
    page = f"{site.url}/embed/vod/{video}"
    assert (WEB.get(page).status_code, "manifest" in WEB.get(page).text) == (401, False)
    assert WEB.get(page, params={"token": "nonsense"}).status_code == 401
    assert WEB.get(page, params={"token": session_token(site, keys["public"])}).status_code == 403
    shown = WEB.get(page, params={"token": session_token(site)})
    assert shown.status_code == 200
    manifest = re.search(r'"manifest":"([^"]*)"', shown.text)
    poster = re.search(r'class="first-picture" src="([^"]*)"', shown.text)
    assert manifest is not None and poster is not None
    for address in (manifest[1], poster[1]):
        assert WEB.get(site.url + address).status_code == 200
    again = WEB.get(page, params={"avh": manifest[1].partition("avh=")[2]})
    assert again.status_code == 200


def test_as_many_watch_at_once_as_the_tier_says(site: ServedSite, video: str) -> None:
    key = site.new_key(tier="one")
    manifest = f"{site.url}/vod/{video}/hls/manifest.m3u8"
    first, second = ({"X-Session-Token": session_token(site, key)} for _ in range(2))
    for _ in range(2):
        watched = statuses_below(manifest, first)
        assert len(watched) > 5 and set(watched.values()) == {200}, "one viewer, also after loading the page again"
    (playlist, *_) = links(WEB.get(manifest, headers=second))
    refused = WEB.get(playlist)
    said = refused.json()
    assert (refused.status_code, said["title"], said["limit"]) == (429, "Too many streams at once.", 1)
    assert said["tier"] == "one" and 0 < said["retry_after"] <= int(refused.headers["retry-after"]) == 12
    assert set(statuses_below(manifest, first).values()) == {200}

    other = site.new_key(tier="one")
    assert set(statuses_below(manifest, {"X-API-Key": other}).values()) == {200}, "the key itself is one viewer too"


def test_a_key_takes_as_many_bytes_a_month_as_its_tier_says(site: ServedSite, video: str) -> None:
    key = site.new_key(tier="small")
    found = statuses_below(f"{site.url}/vod/{video}/hls/manifest.m3u8", {"X-Session-Token": session_token(site, key)})
    assert set(found.values()) == {200, 403}
    refused = WEB.get(f"{site.url}/vod/{video}/hls/manifest.m3u8", headers={"X-API-Key": key})
    said = refused.json()
    assert (refused.status_code, said["title"], said["limit"]) == (403, "The monthly volume is used up.", 20000)
    assert said["type"].endswith("/monthly-bytes-exceeded")
    assert WEB.get(f"{site.url}/videos/{video}", headers={"X-API-Key": key}).status_code == 200, "data costs nothing"
    deadline = time.monotonic() + 60
    while not (lines := json.loads(site.command("keys", "usage", key, "--json"))):
        assert time.monotonic() < deadline
    assert lines[0]["bytes"] >= 20000 == lines[0]["monthly_bytes"]
    assert said["used"] <= lines[0]["bytes"]


def test_pages_for_everybody_show_nothing(site: ServedSite, video: str) -> None:
    for page in (f"{site.url}/watch/{video}", f"{site.url}/"):
        answer = WEB.get(page)
        assert video not in answer.text, page


def test_the_picture_of_a_live_stream_is_no_exception(site: ServedSite, keys: dict[str, str]) -> None:
    id = site.client.post("/live-streams", json={"name": "Soon"}).json()["liveStreamId"]
    url = f"{site.url}/live/{id}/thumbnail.jpg"
    token = session_token(site)
    assert WEB.get(url).status_code == 401
    assert WEB.get(url, headers={"X-API-Key": keys["public"]}).status_code == 403
    assert WEB.get(url, headers={"X-Session-Token": token}).json()["detail"] == "There is no thumbnail here."
    private = site.client.post("/live-streams", json={"name": "Later", "public": False}).json()
    address = private["assets"]["thumbnail"].replace("thumbnail.jpg", "session")
    for _ in range(2):
        assert WEB.head(address).status_code == 200
    assert (WEB.get(address).status_code, WEB.get(address).status_code) == (200, 404)
    assert address.split("/")[-3] not in site.logged()


def test_whom_a_plugin_knows_plays_and_it_is_asked_once(site: ServedSite, video: str) -> None:
    manifest = f"{site.url}/vod/{video}/hls/manifest.m3u8"
    before = site.log.read_text().count("STAFF")
    found = statuses_below(manifest, {"X-Staff": "ada"})
    assert len(found) > 5 and set(found.values()) == {200}
    assert site.log.read_text().count("STAFF") == before + 1
    for name, expected in (("guest", 403), ("broken", 500), ("", 401)):
        assert WEB.get(manifest, headers={"X-Staff": name}).status_code == expected
    private = site.new_video("Hidden", public=False)
    assert WEB.get(f"{site.url}/vod/{private}/hls/manifest.m3u8", headers={"X-Staff": "ada"}).status_code == 404
