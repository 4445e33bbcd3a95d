"""What the player tells of its viewer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.browser.host import PlayerHost
from tests.browser.viewer import Viewers

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

LOADED, PLAY, PAUSE, TICK, ERROR, ENDED, SEEKING, SOURCE = range(1, 9)


def told(host: PlayerHost) -> list[dict[str, Any]]:
    """Return the events that arrived, in the order they happened."""
    return sorted((event for beat in host.beats for event in beat["eve"]), key=lambda event: event["eat"])


async def arrived(host: PlayerHost, kind: int) -> None:
    for _ in range(600):
        if any(event["typ"] == kind for event in told(host)):
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"no event {kind}: {told(host)}")


async def test_a_player_tells_what_its_viewer_does(host: PlayerHost, viewers: Viewers) -> None:
    viewer = await viewers(host.add(id="viFilm"))
    await viewer.ready()
    await arrived(host, LOADED)
    assert [event["typ"] for event in told(host)] == [SOURCE, LOADED]

    await viewer.click(".rk-big")
    await viewer.playing_from(0.5)
    await viewer.run("document.querySelector('video').pause()")
    await arrived(host, PAUSE)
    await viewer.run("const film = document.querySelector('video'); film.play(); film.currentTime = film.duration - 0.5")
    await arrived(host, ENDED)

    kinds = [event["typ"] for event in told(host)]
    assert kinds.count(PLAY) == 1
    assert kinds.index(PLAY) < kinds.index(PAUSE) < kinds.index(SEEKING) < kinds.index(ENDED)
    assert all(event["pau"] for event in told(host) if event["typ"] == SEEKING)
    assert {beat["mid"] for beat in host.beats} == {"viFilm"}
    assert len({(beat["sid"], beat["pid"]) for beat in host.beats}) == 1
    assert viewer.errors == []
    assert await viewer.page.context.cookies() == []
    assert await viewer.run("localStorage.length + sessionStorage.length") == 0


async def test_who_leaves_while_watching_is_heard_of(host: PlayerHost, viewers: Viewers) -> None:
    viewer = await viewers(host.add(id="viFilm") + "?autoplay&muted")
    await viewer.playing_from(0.5)
    await viewer.page.goto("about:blank")
    await arrived(host, TICK)
    play, *_, last = [event for event in told(host) if event["typ"] in (PLAY, TICK)]
    assert last["eat"] - play["eat"] > 500
