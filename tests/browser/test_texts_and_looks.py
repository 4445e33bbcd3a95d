"""Captions, chapters and themes in a browser: what the API was given is what a viewer gets."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from reelkit.testing.served import ServedSite, served_site

from tests.api.pictures import png
from tests.browser.viewer import Viewers

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

CAPTIONS = "WEBVTT\n\n00:00.000 --> 00:30.000\nBonjour à tous\n"
CHAPTERS = "WEBVTT\n\n00:00.000 --> 00:04.000\nOne\n\n00:04.000 --> 00:10.000\nTwo\n"


@pytest.fixture(scope="module")
def dressed(tmp_path_factory: pytest.TempPathFactory, sample: Callable[..., Path]) -> Iterator[tuple[ServedSite, str]]:
    """A site, and a video of it with captions in two languages, chapters, a theme and its logo."""
    with served_site(tmp_path_factory.mktemp("dressed")) as site:
        theme = site.client.post(
            "/players", json={"trackPlayed": "rgb(200, 30, 40)", "text": "rgb(250, 240, 10)", "hideTitle": True}
        ).json()["playerId"]
        logo = {"file": ("logo.png", png(60, 30))}
        site.client.post(f"/players/{theme}/logo", files=logo, data={"link": "https://example.com/"})
        video = site.new_video("Dressed", playerId=theme)
        for path, text in (
            ("captions/en", CAPTIONS.replace("Bonjour à tous", "Hello all")),
            ("captions/fr", CAPTIONS),
            ("chapters/fr", CHAPTERS.replace("One", "Un")),
            ("chapters/en", CHAPTERS),
        ):
            assert site.client.post(f"/videos/{video}/{path}", files={"file": ("t.vtt", text)}).status_code == 200
        site.client.patch(f"/videos/{video}/captions/fr", json={"default": True})
        assert site.upload(video, sample(duration=10)).status_code == 201
        site.wait(video, lambda status: bool(status["encoding"]["playable"]))
        yield site, video


async def test_the_default_captions_are_shown_and_others_can_be_chosen(
    dressed: tuple[ServedSite, str], viewers: Viewers
) -> None:
    site, video = dressed
    viewer = await viewers(f"{site.url}/embed/vod/{video}?muted", locale="en-GB")
    await viewer.ready()
    await viewer.click(".rk-big")
    await viewer.playing_from(0.5)
    showing = (
        "[...document.querySelector('video').textTracks].filter((t) => t.mode === 'showing' && t.kind === 'subtitles')"
        ".map((t) => [t.language, t.activeCues?.[0]?.text].join(' '))[0]"
    )
    await viewer.until(showing, "fr Bonjour à tous")
    await viewer.screenshot("texts-and-looks")
    await viewer.choose("media-captions-menu", "English")
    await viewer.until(showing, "en Hello all")
    assert viewer.errors == []


async def test_chapters_of_the_viewers_language_divide_the_bar(dressed: tuple[ServedSite, str], viewers: Viewers) -> None:
    site, video = dressed
    for locale, first in (("fr-CA", "Un"), ("en-GB", "One"), ("de", "One")):
        viewer = await viewers(f"{site.url}/embed/vod/{video}", locale=locale)
        await viewer.ready()
        cues = "[...document.querySelector('video').textTracks].find((t) => t.kind === 'chapters')?.cues?.[0]?.text"
        await viewer.until(cues, first)
        bar = "document.querySelector('media-time-range').shadowRoot.querySelectorAll('#segments-clipping rect').length"
        await viewer.until(f"{bar} >= 2")
        assert viewer.errors == []


async def test_chapters_turn_no_captions_on(dressed: tuple[ServedSite, str], viewers: Viewers) -> None:
    site, video = dressed
    change = f"/videos/{video}/captions/fr"
    site.client.patch(change, json={"default": False})
    deadline = time.monotonic() + 60
    # What a process remembers of a video is up to 2 s old.
    default = re.compile("TYPE=SUBTITLES.*DEFAULT=YES")
    while default.search(httpx.get(f"{site.url}/vod/{video}/hls/manifest.m3u8").text):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)
    try:
        viewer = await viewers(f"{site.url}/embed/vod/{video}?muted", locale="en-GB")
        await viewer.ready()
        await viewer.until("document.querySelector('media-time-range').mediaChaptersCues?.length", 2)
        await viewer.until("document.querySelector('media-captions-button').mediaSubtitlesList?.length", 2)
        assert await viewer.run("[...document.querySelector('video').textTracks].every((t) => t.mode !== 'showing')")
    finally:
        site.client.patch(change, json={"default": True})


async def test_a_theme_colours_the_player_and_shows_its_logo(dressed: tuple[ServedSite, str], viewers: Viewers) -> None:
    site, video = dressed
    viewer = await viewers(f"{site.url}/embed/vod/{video}")
    await viewer.ready()
    style = "getComputedStyle(document.querySelector('media-controller.rk')).getPropertyValue('%s').trim()"
    assert await viewer.run(style % "--media-range-bar-color") == "rgb(200, 30, 40)"
    assert await viewer.run(style % "--media-text-color") == "rgb(250, 240, 10)"
    assert await viewer.run("document.querySelector('media-controller.rk').hasAttribute('data-hide-title')")
    await viewer.until("document.querySelector('.logo img').naturalWidth", 60)
    link = "(({href, target, rel}) => [href, target, rel])(document.querySelector('a.logo'))"
    assert await viewer.run(link) == ["https://example.com/", "_blank", "noopener"]
    assert viewer.errors == []


async def test_without_a_theme_nothing_changes(dressed: tuple[ServedSite, str], viewers: Viewers) -> None:
    site, _ = dressed
    plain = site.new_video("Plain")
    page = await asyncio.to_thread(httpx.get, f"{site.url}/embed/vod/{plain}")
    assert '"theme":null' in page.text and '"chapters":null' in page.text
