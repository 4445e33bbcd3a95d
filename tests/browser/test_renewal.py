"""Renditions that join while somebody watches."""

from __future__ import annotations

import re

import pytest
from reelkit.media.playlists import GROWING

from tests.browser.host import TYPES, PlayerHost
from tests.browser.viewer import Viewer, Viewers

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

MANIFEST = "/vod/vi1/hls/manifest.m3u8"
VARIANT = re.compile(r"^#EXT-X-STREAM-INF:.*\n.*\n", re.MULTILINE)
QUALITIES = "[...document.querySelector('video').videoRenditions].map((one) => one.height).sort().join()"


def growing(host: PlayerHost, master: str) -> None:
    """Serve a master playlist that more will join."""
    marked = master.replace("#EXTM3U\n", f'#EXTM3U\n#EXT-X-SESSION-DATA:DATA-ID="{GROWING}",VALUE="yes"\n')
    host.answers[MANIFEST] = (200, marked.encode(), TYPES[".m3u8"])


async def interrupted(viewer: Viewer) -> None:
    """Count from now on what viewers notice. A busy machine waits for its decoder with the next seconds in the buffer."""
    await viewer.run(
        """() => {
            window.noticed = [];
            const video = document.querySelector("video");
            const ahead = () => {
                const {buffered, currentTime} = video;
                for (let i = 0; i < buffered.length; i++)
                    if (buffered.start(i) <= currentTime && currentTime + 1 < buffered.end(i)) return true;
                return false;
            };
            for (const type of ["emptied", "waiting", "seeking", "pause"])
                video.addEventListener(type, () => type === "waiting" && ahead() || window.noticed.push(type));
        }"""
    )


async def test_renditions_join_without_an_interruption(host: PlayerHost, viewers: Viewers) -> None:
    whole = (host.media / "hls" / "manifest.m3u8").read_text()
    small = next(found for found in VARIANT.findall(whole) if "640x360" in found)
    # The one that is there is moved by one that comes before it, and another stands behind it.
    lower = small.replace("640x360", "320x180").replace("stream_1", "stream_1.m3u8?", 1).replace("?.m3u8", "?low")
    growing(host, VARIANT.sub("", whole) + small)
    viewer = await viewers(f"{host.add()}?autoplay&muted")
    await viewer.playing_from(1)
    assert await viewer.run(QUALITIES) == "360"
    await interrupted(viewer)
    host.answers[MANIFEST] = (200, (whole + lower).encode(), TYPES[".m3u8"])
    await viewer.until(QUALITIES, "180,360,720")
    await viewer.playing_from(await viewer.time() + 1)
    assert await viewer.run("window.noticed") == []
    await viewer.watch_at(720)
    asked = [url for url in host.requests if url.startswith(MANIFEST)]
    # Nothing more is to come: nobody asks again.
    assert len(asked) == 2
    assert viewer.errors == []


async def test_what_takes_the_place_of_a_draft_waits_for_a_pause(host: PlayerHost, viewers: Viewers) -> None:
    whole = (host.media / "hls" / "manifest.m3u8").read_text()
    small = next(found for found in VARIANT.findall(whole) if "640x360" in found)
    # Without sound apart, as a draft is.
    draft = re.sub(r',?AUDIO="[^"]*"', "", small).replace("stream_1.m3u8", "stream_1.m3u8?draft")
    growing(host, "#EXTM3U\n#EXT-X-VERSION:7\n" + re.sub(r',?SUBTITLES="[^"]*"', "", draft))
    viewer = await viewers(f"{host.add()}?autoplay&muted")
    await viewer.playing_from(1)
    await interrupted(viewer)
    host.answers.clear()
    await viewer.run("document.querySelector('video').playbackRate = 1.5")
    while len([url for url in host.requests if url.startswith(MANIFEST)]) < 2:
        await viewer.playing_from(await viewer.time())
    await viewer.playing_from(await viewer.time() + 0.5)
    assert await viewer.run("window.noticed") == []
    at = await viewer.run("(video => (video.pause(), video.currentTime))(document.querySelector('video'))")
    await viewer.until(QUALITIES, "360,720")
    await viewer.until("document.querySelector('video').readyState >= 2")
    assert await viewer.time() == pytest.approx(at, abs=0.1)
    assert await viewer.run("document.querySelector('video').paused")
    await viewer.run("document.querySelector('video').play()")
    await viewer.playing_from(at)
    assert await viewer.run("document.querySelector('video').playbackRate") == 1.5
    assert viewer.errors == []


async def test_the_end_stays_the_end_until_it_is_played_again(host: PlayerHost, viewers: Viewers) -> None:
    whole = (host.media / "hls" / "manifest.m3u8").read_text()
    small = next(found for found in VARIANT.findall(whole) if "640x360" in found)
    draft = re.sub(r',?(AUDIO|SUBTITLES)="[^"]*"', "", small).replace("stream_1.m3u8", "stream_1.m3u8?draft")
    growing(host, "#EXTM3U\n#EXT-X-VERSION:7\n" + draft)
    viewer = await viewers(f"{host.add()}?autoplay&muted&t=22")
    await viewer.until("document.querySelector('video')?.ended")
    host.answers.clear()
    while len([url for url in host.requests if url.startswith(MANIFEST)]) < 2:
        await viewer.until("document.querySelector('video').ended")
    assert await viewer.time() > 23
    await viewer.press("k")
    await viewer.until(QUALITIES, "360,720")
    await viewer.playing_from(0.3)
    assert await viewer.time() < 15
    assert viewer.errors == []
