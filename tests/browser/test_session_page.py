"""A page of others that holds a session token by /embed/session.js: what docs/embedding.md shows, and renewal in time."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
from playwright.async_api import Request

from tests.bench.instance import Instance, run_instance
from tests.browser.viewer import Viewer, Viewers

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

HERE = Path(__file__).resolve().parents[2]
HLS = HERE / "plugins/mediachrome/node_modules/hls.js/dist/hls.mjs"
[SHOWN] = [
    block
    for block in re.findall(r"```html\n(.*?)```", (HERE / "docs/embedding.md").read_text("utf-8"), re.DOTALL)
    if "/embed/session.js" in block
]
"""The module of a page, as the documentation has it."""
BARE = """<iframe allow=autoplay></iframe>
<script type="module">
  import { Session } from "https://video.example.org/embed/session.js";
  const session = new Session("/video-session");
</script>"""
KEPT = 'import Hls from "/hls.mjs"; window.Hls = class extends Hls { constructor(o) { super(o); window.player = this; } };'


@dataclass
class Theirs:
    """Somebody's web site: a page, and the tokens it gives to the page. Called with a module for the page: its address."""

    instance: Instance
    port: int = 0
    page: str = ""
    away: bool = False
    bad: int = 0
    """So many tokens are none that the site knows."""
    given: list[str] = field(default_factory=list)

    def __call__(self, module: str) -> str:
        module = module.replace("https://video.example.org", self.instance.url)
        module = module.replace("const session =", "const session = window.session =")
        kept = '<script type="module" src="/kept.mjs"></script>'
        self.page = f"<!doctype html><video muted></video>{kept}{module}"
        # Of another name than the site, so that browsers take it for another one.
        return f"http://localhost:{self.port}/"

    def token(self) -> dict[str, Any]:
        """What `POST /api/auth` answers to their key."""
        answer: dict[str, Any] = httpx.post(f"{self.instance.url}/api/auth", headers=self.instance.authorization).json()
        if self.bad:
            self.bad -= 1
            answer["token"] = "ended"
        self.given.append(answer["token"])
        return answer

    async def gives(self, number: int) -> None:
        """Wait until so many tokens were given."""
        deadline = time.monotonic() + 60
        while len(self.given) < number:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """A running site that plays to those only who bring a credential."""
    with run_instance(tmp_path_factory.mktemp("session-site"), '[playback]\nmode = "session"\n') as running:
        yield running


@pytest.fixture
def theirs(instance: Instance) -> Iterator[Theirs]:
    """Another web site."""
    site = Theirs(instance)

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            files = {"/hls.mjs": HLS.read_bytes, "/kept.mjs": KEPT.encode, "/": site.page.encode}
            body = files.get(self.path, lambda: b"")()
            self.answer(200, "text/javascript" if self.path.endswith(".mjs") else "text/html", body)

        def do_POST(self) -> None:
            if site.away:
                self.answer(503, "text/plain", b"")
            else:
                self.answer(200, "application/json", json.dumps(site.token()).encode())

        def answer(self, status: int, type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        site.port = server.server_port
        Thread(target=server.serve_forever, daemon=True).start()
        yield site
        server.shutdown()


async def listed(page: Viewer) -> int:
    """Ask the site as the page does; returns the status."""
    status: int = await page.run("window.session.fetch('/videos').then((answer) => answer.status)")
    return status


async def holding_a_token(theirs: Theirs, viewers: Viewers) -> Viewer:
    """Open a page whose clock a test may move."""
    page = await viewers("about:blank")
    await page.page.clock.install()
    await page.page.goto(theirs(BARE))
    assert await listed(page) == 200
    return page


async def test_a_page_of_others_lists_embeds_and_plays_as_documented(
    instance: Instance, theirs: Theirs, sample_h264: Path, viewers: Viewers
) -> None:
    video = instance.new_video("For those who pay")
    with sample_h264.open("rb") as opened:
        httpx.post(f"{instance.url}/videos/{video}/source", files={"file": opened}, headers=instance.authorization)
    page = await viewers("about:blank")
    asked: list[Request] = []
    page.page.on("request", lambda request: asked.append(request))
    await page.page.goto(theirs(SHOWN))
    await page.until("document.querySelector('iframe').src")
    [frame] = page.page.frames[1:]
    # The address is there before the page behind it.
    await frame.wait_for_url(lambda url: url.startswith(f"{instance.url}/embed/vod/{video}?"))
    await frame.locator(".rk-big").click()
    embedded = Viewer(page.page)
    embedded.frame = frame
    await embedded.playing_from(0.5)
    await page.until("window.player")
    await page.run(
        """(address) => {
            const video = document.querySelector("video");
            window.errors = [];
            window.player.on(window.Hls.Events.ERROR, (_, data) => window.errors.push(data.details));
            window.player.loadSource(address);
            window.player.attachMedia(video);
            video.addEventListener("canplay", () => video.play());
        }""",
        f"{instance.url}/vod/{video}/hls/manifest.m3u8",
    )
    await page.playing_from(0.5)
    assert await page.run("window.errors") == page.errors == []
    [manifest] = [
        one for one in asked if one.frame == page.page.main_frame and one.url.endswith(f"/vod/{video}/hls/manifest.m3u8")
    ]
    [token] = theirs.given
    assert (await manifest.all_headers())["x-session-token"] == token
    media = [one.url for one in asked if f"/vod/{video}/" in one.url and "/embed/" not in one.url]
    assert len(media) > 5 and not any(token in url for url in media)


async def test_a_token_is_renewed_two_minutes_before_its_end_also_in_a_tab_that_slept(
    theirs: Theirs, viewers: Viewers
) -> None:
    page = await holding_a_token(theirs, viewers)
    clock = page.page.clock
    await clock.fast_forward(1600_000)
    assert (await listed(page), len(theirs.given)) == (200, 1)
    await clock.fast_forward(81_000)
    await theirs.gives(2)

    # Timers do not run in a tab that sleeps.
    await clock.set_system_time(await page.run("Date.now() + 1690_000"))
    assert len(theirs.given) == 2
    await page.run("document.dispatchEvent(new Event('visibilitychange'))")
    await clock.run_for(1)
    await theirs.gives(3)
    assert (await listed(page), len(theirs.given)) == (200, 3)
    assert page.errors == []


async def test_a_page_whose_server_is_away_goes_on_until_its_token_ends_and_asks_again(
    theirs: Theirs, viewers: Viewers
) -> None:
    page = await holding_a_token(theirs, viewers)
    clock = page.page.clock
    theirs.away = True
    await clock.fast_forward(1700_000)
    assert await listed(page) == 200
    await clock.fast_forward(101_000)
    failed = await page.run("window.session.fetch('/videos').catch((error) => error.message)")
    assert failed == "/video-session answered 503"
    theirs.away = False
    await clock.fast_forward(30_000)
    await theirs.gives(2)
    assert (await listed(page), len(theirs.given)) == (200, 2)


async def test_a_token_that_the_site_refuses_is_asked_for_once_more(theirs: Theirs, viewers: Viewers) -> None:
    theirs.bad = 1
    page = await viewers(theirs(BARE))
    assert (await listed(page), len(theirs.given)) == (200, 2)
    theirs.bad = 2
    again = await viewers(theirs(BARE))
    assert (await listed(again), len(theirs.given)) == (401, 4)
