"""The default player in a real browser, over a real stream."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.host import PlayerHost
from tests.browser.media import DURATION
from tests.browser.viewer import Viewers

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_the_big_button_starts_playback_and_time_advances(host: PlayerHost, viewers: Viewers) -> None:
    viewer = await viewers(host.add())
    await viewer.ready()
    assert await viewer.time() == 0
    await viewer.click(".rk-big")
    await viewer.playing_from(1)
    await viewer.screenshot("player-960")
    assert viewer.errors == []


async def test_nothing_is_stored_and_nothing_comes_from_elsewhere(host: PlayerHost, viewers: Viewers) -> None:
    viewer = await viewers(host.add(), width=960)
    await viewer.ready()
    await viewer.click(".rk-big")
    await viewer.playing_from(0.5)
    for key in ("m", "c", "ArrowUp", "c"):
        await viewer.press(key)
    await viewer.open_menu("media-playback-rate-menu")
    assert await viewer.page.context.cookies() == []
    assert await viewer.run("[localStorage.length, sessionStorage.length]") == [0, 0]
    assert [url for url in viewer.requests if not url.startswith((host.url, "blob:", "data:"))] == []
    # A violation of the content security policy is logged as an error.
    assert viewer.errors == []


async def test_the_quality_menu_switches_the_picture(host: PlayerHost, viewers: Viewers) -> None:
    viewer = await viewers(host.add(), width=1280, height=720)
    await viewer.ready()
    await viewer.click(".rk-big")
    await viewer.playing_from(0)
    await viewer.open_menu("media-rendition-menu")
    labels = await viewer.run(
        "[...document.querySelector('media-rendition-menu').items].map((item) => item.innerText.trim())"
    )
    assert [label.split(" ")[0] for label in labels] == ["720p", "360p", "Auto"]
    for height in (720, 360):
        await viewer.watch_at(height)
    assert viewer.errors == []


async def test_the_speed_menu_changes_the_rate(host: PlayerHost, viewers: Viewers) -> None:
    viewer = await viewers(host.add())
    await viewer.ready()
    await viewer.choose("media-playback-rate-menu", "1.5x")
    await viewer.until("document.querySelector('video').playbackRate", 1.5)


async def test_keys_work_without_clicking_anything_first(host: PlayerHost, viewers: Viewers) -> None:
    viewer = await viewers(host.add())
    await viewer.ready()
    await viewer.press("k")
    # Before it plays, the player still takes itself for paused, and a second key would only ask to play again.
    await viewer.until("document.querySelector('video').currentTime > 0.2")
    await viewer.press(" ")
    await viewer.until("document.querySelector('video').paused")
    before = await viewer.time()
    await viewer.press("ArrowRight")
    await viewer.until(f"Math.abs(document.querySelector('video').currentTime - {before + 10}) < 0.5")
    await viewer.press("5")
    await viewer.until(f"Math.abs(document.querySelector('video').currentTime - {DURATION / 2}) < 0.5")
    await viewer.press("Home")
    await viewer.until("document.querySelector('video').currentTime === 0")
    await viewer.press("m")
    await viewer.until("document.querySelector('video').muted")


async def test_the_captions_button_shows_the_captions_of_the_stream(host: PlayerHost, viewers: Viewers) -> None:
    viewer = await viewers(host.add())
    await viewer.ready()
    button = viewer.frame.get_by_role("switch", name="closed captions")
    await button.wait_for()
    assert await button.get_attribute("aria-checked") == "false"
    await button.click()
    await viewer.click("media-play-button")
    showing = "[...document.querySelector('video').textTracks].find((track) => track.mode === 'showing')"
    await viewer.until(f"{showing}?.activeCues?.[0]?.text", "A caption over the picture")
    await viewer.screenshot("player-captions")
    assert viewer.errors == []


async def test_a_video_without_captions_has_no_captions_button(host: PlayerHost, viewers: Viewers) -> None:
    address = host.add()
    manifest = (host.media / "hls" / "manifest.m3u8").read_text()
    bare = "\n".join(line for line in manifest.split("\n") if "TYPE=SUBTITLES" not in line).replace('SUBTITLES="words",', "")
    host.answers["/vod/vi1/hls/manifest.m3u8"] = (200, bare.encode(), "application/vnd.apple.mpegurl")
    viewer = await viewers(address)
    await viewer.ready()
    await viewer.frame.get_by_role("button", name="settings").wait_for()
    assert not await viewer.frame.locator("media-captions-button").is_visible()


async def test_every_control_has_a_name_and_axe_finds_nothing(host: PlayerHost, viewers: Viewers, axe: str) -> None:
    viewer = await viewers(host.add())
    await viewer.ready()
    names = (
        "play",
        "seek back",
        "seek forward",
        "mute",
        "settings",
        "enter picture in picture mode",
        "enter fullscreen mode",
    )
    for name in names:
        assert await viewer.frame.locator(".rk-bar").get_by_role("button", name=name).first.count() == 1, name
    await viewer.run(axe)
    assert violations(await viewer.run("axe.run()")) == []
    ring = "getComputedStyle(document.querySelector('.rk-big')).boxShadow"
    assert "inset" not in await viewer.run(ring)
    for _ in range(2):  # the player itself comes first
        await viewer.page.keyboard.press("Tab")
    assert "inset" in await viewer.run(ring)
    await viewer.click("media-settings-menu-button")
    await viewer.until("!document.querySelector('media-settings-menu').hidden")
    assert violations(await viewer.run("axe.run()")) == []


def violations(result: dict[str, Any]) -> list[tuple[str, list[str]]]:
    return [
        (fault["id"], [node["html"] + node["failureSummary"] for node in fault["nodes"]]) for fault in result["violations"]
    ]


@pytest.mark.parametrize(("width", "height"), [(320, 180), (320, 568), (240, 135)])
async def test_small_frames_show_every_needed_control_and_never_scroll(
    host: PlayerHost, viewers: Viewers, width: int, height: int
) -> None:
    title = "A long title that cannot fit into a frame as narrow as this one is"
    viewer = await viewers(host.add(title), width=width, height=height, has_touch=True, is_mobile=True)
    await viewer.ready()
    await viewer.screenshot(f"player-{width}x{height}")
    size = await viewer.run("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
    assert size == [width, height]
    for control in ("media-play-button", "media-mute-button", "media-settings-menu-button", "media-fullscreen-button"):
        box = await viewer.frame.locator(f".rk-bar {control}").bounding_box()
        assert box is not None, control
        assert box["x"] >= 0, control
        assert box["x"] + box["width"] <= width, control
        assert box["y"] + box["height"] <= height, control


@pytest.mark.parametrize("address", ["?t=10", "?t=0:10", "#t=10s", "?t=3#t=10"])
async def test_playback_starts_at_the_time_that_the_address_names(host: PlayerHost, viewers: Viewers, address: str) -> None:
    viewer = await viewers(host.add() + address)
    await viewer.until("Math.abs((document.querySelector('video')?.currentTime ?? 0) - 10) < 0.2")
    await viewer.click(".rk-big")
    assert await viewer.playing_from(10) < 18


@pytest.mark.parametrize("address", ["?t=9999", "#t=9999"])
async def test_a_start_behind_the_end_is_the_beginning(host: PlayerHost, viewers: Viewers, address: str) -> None:
    viewer = await viewers(host.add(duration=DURATION) + address)
    await viewer.ready()
    await viewer.click(".rk-big")
    assert await viewer.playing_from(0.2) < 12
    assert viewer.errors == []


async def test_query_options_reach_the_player(host: PlayerHost, viewers: Viewers) -> None:
    viewer = await viewers(host.add() + "?autoplay&muted=1&loop=true&hideTitle=1&hideControls")
    await viewer.playing_from(0.2)
    assert await viewer.run("[document.querySelector('video').muted, document.querySelector('video').loop]") == [True, True]
    assert not await viewer.frame.locator(".rk-title").is_visible()
    assert not await viewer.frame.locator(".rk-bar").is_visible()


async def test_the_storyboard_shows_where_the_pointer_is(host: PlayerHost, viewers: Viewers) -> None:
    viewer = await viewers(host.add())
    await viewer.ready()
    box = await viewer.frame.locator("media-time-range").bounding_box()
    assert box is not None
    await viewer.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    await viewer.until("document.querySelector('media-time-range').getAttribute('mediapreviewimage')?.includes('sheet.jpg')")
    await viewer.page.wait_for_timeout(500)
    await viewer.screenshot("player-storyboard")
    assert viewer.errors == []


async def test_controls_speak_the_language_of_the_viewer(host: PlayerHost, viewers: Viewers) -> None:
    viewer = await viewers(host.add(), locale="de-AT")
    await viewer.ready()
    assert await viewer.run("document.documentElement.lang") == "de"
    assert await viewer.frame.locator("media-settings-menu").get_by_text("Qualität").first.count() == 1
    assert viewer.errors == []


async def test_it_plays_inside_a_sandboxed_frame_of_another_page(host: PlayerHost, viewers: Viewers) -> None:
    host.pages["/host.html"] = (
        f'<!doctype html><title>Host</title><iframe src="{host.add()}?autoplay&muted" width="640" height="360" '
        'sandbox="allow-scripts" allow="autoplay; fullscreen"></iframe>'
    )
    viewer = await viewers(f"{host.url}/host.html")
    [frame] = [frame for frame in viewer.page.frames if "/embed/" in frame.url]
    viewer.frame = frame
    await viewer.playing_from(0.5)
    assert viewer.errors == []


async def test_two_players_of_one_page_do_not_disturb_each_other(host: PlayerHost, viewers: Viewers) -> None:
    frames = "".join(f'<iframe src="{host.add(id=id)}?autoplay&muted" allow="autoplay"></iframe>' for id in ("vi1", "vi2"))
    host.pages["/two.html"] = f"<!doctype html><title>Two</title>{frames}"
    viewer = await viewers(f"{host.url}/two.html")
    frames_of_players = [frame for frame in viewer.page.frames if "/embed/" in frame.url]
    assert len(frames_of_players) == 2
    for viewer.frame in frames_of_players:
        await viewer.playing_from(0.5)
