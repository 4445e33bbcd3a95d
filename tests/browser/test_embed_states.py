"""What viewers see when there is nothing to play yet, or ever, and what becomes of it."""

from __future__ import annotations

import json
import time

import pytest
from playwright.async_api import Browser
from reelkit.testing.browser import find_chromium

from tests.browser.host import PlayerHost
from tests.browser.viewer import Viewers

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

MANIFEST = "/vod/vi1/hls/manifest.m3u8"
MESSAGE = "document.querySelector('#message:not([hidden]) .text')?.textContent"


async def test_a_video_being_prepared_says_so_and_starts_by_itself(host: PlayerHost, viewers: Viewers) -> None:
    host.answers[MANIFEST] = (202, b"", "application/vnd.apple.mpegurl")
    viewer = await viewers(host.add(state="waiting") + "?autoplay&muted")
    await viewer.until(MESSAGE, "This video is being prepared. It will be here in a moment.")
    await viewer.screenshot("embed-waiting")
    await viewer.until(
        "performance.getEntriesByType('resource').filter((e) => e.name.endsWith('manifest.m3u8')).length >= 2"
    )
    del host.answers[MANIFEST]
    await viewer.playing_from(0.5)
    assert await viewer.run(MESSAGE) is None
    assert viewer.errors == []


async def test_a_restarting_server_is_waited_for(host: PlayerHost, viewers: Viewers) -> None:
    host.answers[MANIFEST] = (503, b"", "text/plain")
    viewer = await viewers(host.add(state="waiting") + "?autoplay&muted")
    await viewer.until(
        "performance.getEntriesByType('resource').filter((e) => e.name.endsWith('manifest.m3u8')).length >= 2"
    )
    del host.answers[MANIFEST]
    await viewer.playing_from(0.2)


async def test_a_video_that_fails_while_one_waits_says_why(host: PlayerHost, viewers: Viewers) -> None:
    host.answers[MANIFEST] = (202, b"", "text/plain")
    viewer = await viewers(host.add(state="waiting"))
    await viewer.until(MESSAGE)
    problem = {"title": "Not playable", "detail": "The file ends in the middle."}
    host.answers[MANIFEST] = (422, json.dumps(problem).encode(), "application/json")
    await viewer.until(MESSAGE, "This video could not be prepared.")
    assert await viewer.frame.locator("#message .detail").inner_text() == "The file ends in the middle."


async def test_a_manifest_that_vanishes_while_one_waits_brings_the_reason(host: PlayerHost, viewers: Viewers) -> None:
    host.answers[MANIFEST] = (202, b"", "text/plain")
    viewer = await viewers(host.add(state="waiting"))
    await viewer.until(MESSAGE)
    host.add(state="failed", reason="The file ends in the middle.")
    host.answers[MANIFEST] = (404, b"", "text/plain")
    await viewer.until("document.querySelector('#message .detail')?.textContent", "The file ends in the middle.")


async def test_a_failed_video_says_why(host: PlayerHost, viewers: Viewers, axe: str) -> None:
    viewer = await viewers(host.add(state="failed", reason="This is a <b>text</b>, not a video.", poster=None))
    await viewer.until(MESSAGE, "This video could not be prepared.")
    assert await viewer.frame.locator("#message .detail").inner_text() == "This is a <b>text</b>, not a video."
    assert await viewer.frame.locator("[role=status]").count() == 1
    await viewer.run(axe)
    assert [fault["id"] for fault in (await viewer.run("axe.run()"))["violations"]] == []
    await viewer.screenshot("embed-failed")
    assert not [url for url in viewer.requests if url.endswith(".m3u8")]


async def test_without_scripts_the_page_says_what_it_needs(host: PlayerHost, browser: Browser) -> None:
    found = find_chromium()
    # A context without JavaScript still parses what stands in <noscript> as if there was some.
    plain = await browser.browser_type.launch(
        executable_path=found.executable,
        args=[*found.arguments, "--blink-settings=scriptEnabled=false"],
        env=dict(found.environment),
    )
    try:
        page = await plain.new_page(viewport={"width": 320, "height": 180})
        await page.goto(host.add())
        # Nothing, as the poster, lies over it.
        await page.locator("noscript p").click()
    finally:
        await plain.close()


async def test_an_unknown_video_is_a_readable_page(host: PlayerHost, viewers: Viewers, axe: str) -> None:
    viewer = await viewers(f"{host.url}/embed/vod/vinone", width=320, height=180)
    assert await viewer.frame.locator("#message").inner_text() == "This video is not available."
    await viewer.run(axe)
    assert [fault["id"] for fault in (await viewer.run("axe.run()"))["violations"]] == []
    await viewer.screenshot("embed-unknown")


async def test_a_lost_stream_can_be_tried_again(host: PlayerHost, viewers: Viewers) -> None:
    host.broken = lambda path: path.endswith(".m4s")
    viewer = await viewers(host.add())
    await viewer.until(MESSAGE, "This video is not available.")
    await viewer.screenshot("embed-lost")
    host.broken = lambda path: False
    await viewer.frame.get_by_role("button", name="Try again").click()
    await viewer.ready()
    await viewer.click(".rk-big")
    await viewer.playing_from(0.5)
    assert await viewer.run(MESSAGE) is None


@pytest.mark.parametrize(
    "title",
    ["</title><script>window.hit=1</script>", "</script><img src=x onerror=hit=1>", "<!--<script>", "\"'&amp;\u2028"],
)
async def test_a_hostile_title_is_only_text(host: PlayerHost, viewers: Viewers, title: str) -> None:
    viewer = await viewers(host.add(title))
    await viewer.ready()
    assert await viewer.run("document.querySelector('.rk-title').textContent") == title
    assert await viewer.run("typeof hit") == "undefined"
    assert viewer.errors == []


async def test_a_draft_plays_from_its_start_while_it_grows(host: PlayerHost, viewers: Viewers) -> None:
    playlists = sorted((host.media / "hls").glob("stream_*.m3u8"))

    def grow(segments: int) -> None:
        for playlist in playlists:
            text = playlist.read_text().replace("PLAYLIST-TYPE:VOD", "PLAYLIST-TYPE:EVENT")
            pieces = text.split("#EXTINF")
            growing = "#EXTINF".join(pieces[: segments + 1]).replace("#EXT-X-ENDLIST", "")
            host.answers[f"/vod/vi1/hls/{playlist.name}"] = (200, growing.encode(), "application/vnd.apple.mpegurl")

    grow(6)
    began = time.monotonic()
    viewer = await viewers(host.add() + "?autoplay&muted")
    await viewer.ready()
    assert await viewer.playing_from(0.1) < time.monotonic() - began + 2
    assert await viewer.run("document.querySelector('video').duration") == pytest.approx(12, abs=0.1)
    grow(9)
    await viewer.until("document.querySelector('video').duration > 17")
    host.answers.clear()
    await viewer.until("document.querySelector('video').duration > 23.5")
    assert await viewer.time() < time.monotonic() - began + 2
    assert viewer.errors == []
