"""The whole way in a browser: a running site, a file uploaded through its API, the embed page and the watch pages."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.bench.instance import Instance, run_instance
from tests.browser.viewer import Viewers

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """A running site without videos."""
    with run_instance(tmp_path_factory.mktemp("real-site")) as running:
        yield running


@pytest.fixture(scope="module")
def film(sample: Callable[..., Path]) -> Path:
    """16 s of 720p H.264 and AAC, which is packaged as it is."""
    return sample(duration=16, width=1280, height=720)


@pytest.fixture(scope="module")
def small_film(sample: Callable[..., Path]) -> Path:
    """8 s of 360p H.264 and AAC, of which little is left to encode."""
    return sample(duration=8, width=640, height=360)


def upload(instance: Instance, title: str, file: Path) -> str:
    video = instance.new_video(title)
    with file.open("rb") as opened:
        source = {"file": (file.name, opened)}
        answer = httpx.post(
            f"{instance.url}/videos/{video}/source", files=source, headers=instance.authorization, timeout=60
        )
    assert answer.status_code == 201, answer.text
    return video


async def rendered(instance: Instance, video: str, *qualities: str) -> None:
    """Wait until renditions are in the master playlist."""
    manifest = ""
    deadline = time.monotonic() + 300
    while not all(f'NAME="{quality}"' in manifest for quality in qualities):
        assert time.monotonic() < deadline, manifest
        await asyncio.sleep(0.1)
        manifest = (await asyncio.to_thread(httpx.get, f"{instance.url}/vod/{video}/hls/manifest.m3u8")).text


async def test_an_uploaded_film_plays_and_switches_quality(instance: Instance, film: Path, viewers: Viewers) -> None:
    video = upload(instance, "Sunrise over the harbour", film)
    embed = f"{instance.url}/embed/vod/{video}"
    early = await viewers(f"{embed}?autoplay&muted", width=1280, height=720)
    await early.playing_from(0.5)
    await early.run("document.querySelector('video').pause()")
    await rendered(instance, video, "720p", "360p")
    viewer = await viewers(embed, width=1280, height=720)
    await viewer.ready()
    await viewer.click(".rk-big")
    await viewer.playing_from(0.5)
    await viewer.open_menu("media-rendition-menu")
    await viewer.screenshot("site-quality-menu")
    for height in (720, 360):
        await viewer.watch_at(height)
    await viewer.screenshot("site-embed")
    for seen in (early, viewer):
        assert seen.errors == []
        assert [url for url in seen.requests if not url.startswith((instance.url, "blob:", "data:"))] == []
        assert await seen.page.context.cookies() == []


async def test_a_page_opened_before_the_upload_starts_by_itself(
    instance: Instance, small_film: Path, viewers: Viewers
) -> None:
    video = instance.new_video("Not there yet")
    viewer = await viewers(f"{instance.url}/embed/vod/{video}?autoplay&muted")
    await viewer.until("document.querySelector('#message .text')?.textContent.startsWith('This video is being prepared')")
    with small_film.open("rb") as opened:
        source = {"file": (small_film.name, opened)}
        await asyncio.to_thread(
            httpx.post, f"{instance.url}/videos/{video}/source", files=source, headers=instance.authorization, timeout=60
        )
    await viewer.playing_from(0.3)
    assert viewer.errors == []


async def test_a_film_that_must_be_encoded_plays(instance: Instance, sample: Callable[..., Path], viewers: Viewers) -> None:
    file = sample(duration=8, width=640, height=360, video="libvpx", audio="libvorbis", container="webm")
    viewer = await viewers(f"{instance.url}/embed/vod/{upload(instance, 'An old film', file)}?autoplay&muted")
    await viewer.playing_from(0.3)
    assert viewer.errors == []


async def test_a_film_with_three_sounds_that_must_be_encoded_is_heard_at_once(
    instance: Instance, sample: Callable[..., Path], viewers: Viewers
) -> None:
    tagged = ("-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=ger")
    file = sample(duration=12, audio_tracks=3, audio="pcm_s16le", container="mov", output_options=tagged)
    viewer = await viewers(f"{instance.url}/embed/vod/{upload(instance, 'In tongues', file)}?autoplay&muted")
    await viewer.playing_from(0.3)
    await viewer.until("document.querySelector('video').webkitAudioDecodedByteCount > 0")
    # The others join the master playlist when they can be heard.
    await rendered(instance, viewer.page.url.split("/")[-1].split("?")[0], "English", "Deutsch", "Audio 3")
    later = await viewers(viewer.page.url)
    await later.playing_from(0.3)
    labels = "[...document.querySelector('video').audioTracks].map((track) => track.label)"
    assert await later.run(labels) == ["English", "Deutsch", "Audio 3"]
    assert viewer.errors == later.errors == []


async def test_the_list_leads_to_the_film_and_its_snippet(
    instance: Instance, small_film: Path, viewers: Viewers, axe: str
) -> None:
    video = upload(instance, "A film with <i>marks</i> & a name that is long enough for two lines", small_film)
    httpx.post(f"{instance.url}/videos", json={"title": "Hidden", "public": False}, headers=instance.authorization)
    await rendered(instance, video, "360p")
    viewer = await viewers(f"{instance.url}/", width=1280, height=720)
    await viewer.screenshot("site-list")
    assert await viewer.frame.get_by_text("Hidden").count() == 0
    await viewer.run(axe)
    assert [fault["id"] for fault in (await viewer.run("axe.run()"))["violations"]] == []
    await viewer.frame.get_by_role("link", name="A film with <i>marks</i>").click()
    await viewer.page.wait_for_url(f"**/watch/{video}")
    [embedded] = [frame for frame in viewer.page.frames if "/embed/" in frame.url]
    await embedded.locator(".rk-big").click()
    snippet = await viewer.frame.get_by_role("textbox", name="Embed").input_value()
    assert f'src="{instance.url}/embed/vod/{video}"' in snippet
    await viewer.screenshot("site-watch")
    await viewer.run(axe)
    found = (await viewer.run("axe.run({ iframes: false })"))["violations"]
    assert [fault["id"] for fault in found] == []
    assert viewer.errors == []
    small = await viewers(f"{instance.url}/watch/{video}", width=320, height=640)
    assert await small.run("document.documentElement.scrollWidth") == 320
    await small.screenshot("site-watch-320")
    narrow = await viewers(f"{instance.url}/", width=320, height=640)
    assert await narrow.run("document.documentElement.scrollWidth") == 320


async def test_private_and_unknown_videos_look_the_same(instance: Instance) -> None:
    made = httpx.post(f"{instance.url}/videos", json={"title": "Hidden", "public": False}, headers=instance.authorization)
    for id in (made.json()["videoId"], "viNobodyKnowsThisOne123456"):
        for page in ("embed/vod", "watch"):
            answer = httpx.get(f"{instance.url}/{page}/{id}")
            assert answer.status_code == 404
            assert "Hidden" not in answer.text
            assert answer.headers["content-type"] == "text/html; charset=utf-8"


async def test_pages_answer_head_and_survive_odd_queries(instance: Instance) -> None:
    for page in ("", "0", "-1", "99999999999999999999", "٣", "x"):
        assert httpx.get(f"{instance.url}/", params={"page": page}).status_code == 200
    head = httpx.head(f"{instance.url}/")
    assert head.status_code == 200
    assert head.content == b""
    assert "set-cookie" not in head.headers


async def test_the_reference_is_found_through_by_keyboard(instance: Instance, viewers: Viewers, axe: str) -> None:
    viewer = await viewers(f"{instance.url}/reference#PATCH-video", width=320, height=640)
    shown = "[...document.querySelectorAll('details:not([hidden])')].map((row) => row.id)"
    assert await viewer.run("[...document.querySelectorAll('details[open]')].map((row) => row.id)") == ["PATCH-video"]
    await viewer.run(axe)
    assert [fault["id"] for fault in (await viewer.run("axe.run()"))["violations"]] == []
    await viewer.run("document.querySelectorAll('details').forEach((row) => row.open = true)")
    assert await viewer.run("document.documentElement.scrollWidth") == 320
    await viewer.frame.get_by_label("Filter").press_sequentially("caption patch")
    assert await viewer.run(shown) == ["PATCH_videos-videoId-captions-language"]
    assert viewer.errors == []
