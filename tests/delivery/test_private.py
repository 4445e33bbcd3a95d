"""Private videos over HTTP: tokens that work once, sessions that go on to every byte, and nothing without them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
from reelkit.testing.served import ServedSite, served_site

from tests.delivery.crawling import everything_below

PLUGIN = '''
from reelkit import Problem, hookimpl

class Refused(Problem):
    """Not for robots."""

    slug, status, title = "robots", 403, "No robots."

@hookimpl
def authorize_playback(playback):
    print("ASKED", playback.what, playback.video_id, playback.public, flush=True)
    if playback.user_agent == "robot":
        raise Refused
    if playback.user_agent == "broken":
        1 / 0
    if playback.user_agent == "false":
        return False
'''


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedSite]:
    """A site of two workers, with a plugin that looks at viewers."""
    with served_site(tmp_path_factory.mktemp("site"), workers=2, plugins={"doorman": PLUGIN}) as site:
        yield site


@pytest.fixture(scope="module")
def video(site: ServedSite, sample: Callable[..., Path]) -> str:
    """A private video with renditions, images and captions."""
    id = site.new_video("Secret", public=False)
    assert site.upload(id, sample(width=640, height=360, duration=9)).status_code == 201
    site.wait_encoded(id)
    text = b"WEBVTT\n\n00:00.000 --> 00:01.000\nHi\n"
    assert site.client.post(f"/videos/{id}/captions/en", files={"file": ("en.vtt", text)}).status_code == 200
    deadline = time.monotonic() + 30
    while httpx.get(f"{site.url}/vod/{id}/thumbnail.jpg", params={"avh": session_of(site, id)}).status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return id


def assets(site: ServedSite, video: str) -> dict[str, str]:
    """Read a video, which mints a token."""
    found: dict[str, str] = site.client.get(f"/videos/{video}").json()["assets"]
    return found


def token_in(asset: str) -> str:
    match = re.search(r"[0-9a-f]{8}-[0-9a-f-]{27}", asset)
    assert match is not None, asset
    return match[0]


def session_of(site: ServedSite, video: str) -> str:
    """Open a session as the official clients do."""
    answer = httpx.get(f"{site.url}/vod/{video}/token/{token_in(assets(site, video)['hls'])}/session")
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "private, no-store"
    return str(answer.json()["session_token"])


def test_every_read_mints_a_new_token_for_every_asset(site: ServedSite, video: str) -> None:
    seen = set()
    for _ in range(3):
        found = assets(site, video)
        token = token_in(found["hls"])
        base = f"{site.url}/vod/{video}/token/{token}"
        player = f"{site.url}/embed/vod/{video}?token={token}"
        assert found["hls"] == f"{base}/hls/manifest.m3u8"
        assert found["mp4"] == f"{base}/mp4/source.mp4"
        assert found["thumbnail"] == f"{base}/thumbnail.jpg"
        assert found["player"] == player and f'src="{player}"' in found["iframe"]
        seen.add(token)
    listed = site.client.get("/videos").json()["data"][0]
    seen.add(token_in(listed["assets"]["hls"]))
    assert len(seen) == 4


def test_without_a_token_or_session_there_is_no_such_video(site: ServedSite, video: str) -> None:
    good = everything_below(f"{site.url}/vod/{video}/hls/manifest.m3u8?avh={session_of(site, video)}")
    assert len(good) > 8 and {answer.status_code for answer in good.values()} == {200}
    other = site.new_video("Other", public=False)
    wrong = session_of(site, other)
    for url in good:
        bare = url.partition("?")[0]
        assert httpx.get(bare).status_code == 404, bare
        for avh in (wrong, "A" * 40, "", "%00"):
            assert httpx.get(f"{bare}?avh={avh}").status_code == 404, bare
    for path in ("mp4/source.mp4", "thumbnail.jpg", "storyboard/storyboard.vtt", "captions/en.vtt"):
        absent, nothing = httpx.get(f"{site.url}/vod/{video}/{path}"), httpx.get(f"{site.url}/vod/viNONE/{path}")
        assert (absent.status_code, absent.json()) == (nothing.status_code, nothing.json())
    page = httpx.get(f"{site.url}/embed/vod/{video}")
    assert (page.status_code, video in page.text) == (404, False)


def test_the_first_use_of_a_token_plays_to_the_end_and_the_second_is_404(site: ServedSite, video: str) -> None:
    manifest = assets(site, video)["hls"]
    assert httpx.head(manifest).status_code == 200  # asked, not used
    found = everything_below(manifest)
    assert len(found) > 8 and {answer.status_code for answer in found.values()} == {200}
    sorts = {urlsplit(url).path.rpartition(".")[2] for url in found}
    assert sorts == {"m3u8", "mp4", "m4s", "vtt"}
    for url, answer in found.items():
        assert answer.headers["cache-control"].startswith("private"), url
        assert url == manifest or "?avh=" in url
    for _ in range(3):
        again = httpx.get(manifest)
        assert (again.status_code, again.json()["name"]) == (404, "videoId")
    assert httpx.head(manifest).status_code == 404
    assert httpx.get(manifest.replace("hls/manifest.m3u8", "session")).status_code == 404


def test_of_fifty_that_come_with_one_token_one_gets_in(site: ServedSite, video: str) -> None:
    url = assets(site, video)["hls"].replace("hls/manifest.m3u8", "session")
    with ThreadPoolExecutor(25) as pool:
        answers = list(pool.map(lambda _: httpx.get(url, timeout=30).status_code, range(50)))
    assert sorted(answers) == [200, *[404] * 49]


def test_a_session_opens_every_asset(site: ServedSite, video: str) -> None:
    session = session_of(site, video)
    base = f"{site.url}/vod/{video}"
    for path in ("hls/manifest.m3u8", "mp4/source.mp4", "thumbnail.jpg", "captions/en.vtt"):
        for _ in range(2):
            answer = httpx.get(f"{base}/{path}", params={"avh": session})
            assert answer.status_code == 200, path
            assert answer.headers["cache-control"].startswith("private, max-age=")
    part = httpx.get(f"{base}/mp4/source.mp4", params={"avh": session}, headers={"Range": "bytes=10-19"})
    assert (part.status_code, len(part.content)) == (206, 10)
    cues = httpx.get(f"{base}/storyboard/storyboard.vtt", params={"avh": session})
    sheet = re.search(r"^(\S+)#xywh", cues.text, re.MULTILINE)
    assert sheet is not None, cues.text
    assert httpx.get(urljoin(str(cues.url), sheet[1])).headers["content-type"] == "image/jpeg"
    answer = httpx.get(f"{base}/hls/manifest.m3u8", params={"avh": session})
    known = {"If-None-Match": answer.headers["etag"]}
    assert httpx.get(f"{base}/hls/manifest.m3u8", params={"avh": session}, headers=known).status_code == 304
    assert httpx.get(f"{base}/hls/manifest.m3u8", params={"avh": session_of(site, video)}, headers=known).status_code == 200


def test_a_token_opens_files_too(site: ServedSite, video: str) -> None:
    found = assets(site, video)
    picture = httpx.get(found["thumbnail"])
    assert (picture.status_code, picture.headers["content-type"]) == (200, "image/jpeg")
    assert httpx.get(found["mp4"]).status_code == 404
    unused = assets(site, video)["mp4"]
    for _ in range(2):
        looked = httpx.head(unused)
        assert (looked.status_code, "location" in looked.headers) == (200, False)
    assert httpx.get(unused).status_code == 302
    file = assets(site, video)["mp4"] + "?dl=1"
    sent_on = httpx.get(file)
    assert (sent_on.status_code, sent_on.headers["cache-control"]) == (302, "private, no-store")
    saved = httpx.get(urljoin(file, sent_on.headers["location"]), headers={"Range": "bytes=0-99"})
    assert (saved.status_code, len(saved.content)) == (206, 100)
    assert saved.headers["content-disposition"].startswith("attachment")


def test_an_uploader_may_wait_with_its_token_until_there_is_something(site: ServedSite, sample_h264: Path) -> None:
    id = site.new_video("Soon", public=False)
    manifest = assets(site, id)["hls"]
    for _ in range(3):
        answer = httpx.get(manifest)
        assert (answer.status_code, answer.content) == (202, b"")
    assert site.upload(id, sample_h264).status_code == 201
    site.wait(id, lambda status: bool(status["encoding"]["playable"]))
    time.sleep(0.2)
    assert "#EXTM3U" in httpx.get(manifest).text
    assert httpx.get(manifest).status_code == 404


def test_the_embed_page_plays_a_private_video(site: ServedSite, video: str) -> None:
    player = assets(site, video)["player"]
    assert httpx.head(player).status_code == 200
    page = httpx.get(player)
    assert (page.status_code, page.headers["cache-control"]) == (200, "no-store")
    match = re.search(r'"manifest":"([^"]*)"', page.text)
    assert match is not None
    session = match[1].partition("?avh=")[2]
    assert httpx.get(site.url + match[1]).status_code == 200
    poster = re.search(r'class="first-picture" src="([^"]*)"', page.text)
    assert poster is not None and httpx.get(site.url + poster[1]).status_code == 200
    assert httpx.get(player).status_code == 404
    assert httpx.get(f"{site.url}/embed/vod/{video}?avh={session}").status_code == 200
    assert httpx.get(f"{site.url}/embed/vod/{video}?avh={session[:-1]}").status_code == 404
    assert httpx.get(f"{site.url}/watch/{video}").status_code == 404


def test_players_that_are_told_a_host_alone_are_sent_on_to_the_page(site: ServedSite) -> None:
    # The player SDK of api.video, given a `customDomain`.
    moved = httpx.get(f"{site.url}/vod/viX%0D%0A?token=T&iframeUrl=http://h/${{type}}")
    assert (moved.status_code, moved.headers["location"]) == (307, "/embed/vod/viX%0D%0A?token=T&iframeUrl=http://h/${type}")


def test_tokens_and_sessions_are_not_in_the_log(site: ServedSite, video: str) -> None:
    found = assets(site, video)
    token = token_in(found["hls"])
    httpx.get(found["player"])
    httpx.get(found["hls"])
    session = session_of(site, video)
    httpx.get(f"{site.url}/vod/{video}/hls/manifest.m3u8", params={"avh": session})
    log = site.logged()
    assert token not in log and session not in log
    assert f"/vod/{video}/token/***/hls/manifest.m3u8" in log


def test_public_and_private_take_effect_within_two_seconds(site: ServedSite, sample_h264: Path) -> None:
    id = site.new_film(sample_h264)
    url = f"{site.url}/vod/{id}/hls/manifest.m3u8"
    assert "/token/" not in assets(site, id)["hls"]
    assert httpx.get(url).status_code == 200
    for headers in ({}, {"X-API-Key": site.key}):
        for playlist in (url, urljoin(url, re.findall(r"^[^#\s].*", httpx.get(url).text, re.MULTILINE)[0])):
            told = httpx.get(playlist, headers=headers).headers["cache-control"]
            assert told.startswith("private"), "the plugin would not be asked about the next viewer"

    def within_two_seconds(url: str, status: int) -> None:
        changed = time.monotonic()
        while time.monotonic() - changed < 2:
            time.sleep(0.05)
        assert {httpx.get(url).status_code for _ in range(8)} == {status}

    def change(public: bool) -> None:
        assert site.client.patch(f"/videos/{id}", json={"public": public}).status_code == 200

    change(False)
    within_two_seconds(url, 404)
    token = assets(site, id)["hls"]
    with_session = f"{url}?avh={session_of(site, id)}"
    assert httpx.get(with_session).status_code == 200
    change(True)
    within_two_seconds(url, 200)
    assert httpx.get(with_session).status_code == 200
    assert {answer.status_code for answer in everything_below(token).values()} == {200}
    change(False)
    within_two_seconds(url, 404)
    assert site.client.delete(f"/videos/{id}").status_code == 204
    within_two_seconds(with_session, 404)
    assert httpx.get(token).status_code == 404


def test_a_plugin_refuses_viewers_before_their_token_is_used(site: ServedSite, video: str) -> None:
    manifest = assets(site, video)["hls"]
    for agent, status in (("robot", 403), ("broken", 500), ("false", 500)):
        refused = httpx.get(manifest, headers={"User-Agent": agent})
        assert (refused.status_code, refused.json()["status"]) == (status, status)
        assert httpx.get(assets(site, video)["player"], headers={"User-Agent": agent}).status_code == status
    assert httpx.get(manifest).status_code == 200
    session = session_of(site, video)
    for path in ("hls/manifest.m3u8", "mp4/source.mp4"):
        url = f"{site.url}/vod/{video}/{path}?avh={session}"
        assert httpx.get(url, headers={"User-Agent": "robot"}).status_code == 403


def test_plugins_are_not_asked_about_segments(site: ServedSite, video: str) -> None:
    found = everything_below(f"{site.url}/vod/{video}/hls/manifest.m3u8?avh={session_of(site, video)}")
    (playlist,) = [url for url in found if "/v0/playlist.m3u8" in url][:1]
    before = site.log.read_text().count("ASKED")
    for url in found:
        if ".m4s" in url or "init.mp4" in url:
            assert httpx.get(url).status_code == 200
    assert site.log.read_text().count("ASKED") == before
    httpx.get(playlist)
    assert site.log.read_text().count(f"ASKED playlist {video} False") > 0
    assert site.log.read_text().count("ASKED") == before + 1
