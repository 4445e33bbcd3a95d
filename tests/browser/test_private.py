"""Videos that are not for everybody in a browser: private ones, those of a site that wants a session, signed URLs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest

from tests.bench.instance import Instance, run_instance
from tests.browser.viewer import Viewers

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """A running site without videos that plays to those only who bring a credential."""
    with run_instance(tmp_path_factory.mktemp("private-site"), '[playback]\nmode = "session"\n') as running:
        yield running


@pytest.fixture(scope="module")
def client(instance: Instance) -> Iterator[httpx.Client]:
    """The owner."""
    with httpx.Client(base_url=instance.url, headers=instance.authorization, timeout=60) as client:
        yield client


@pytest.fixture
def host_page() -> Iterator[Callable[[str], int]]:
    """Serves a page that embeds an address; called with it, returns the port on which any path is that page."""
    page = b""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    def embed(address: str) -> int:
        nonlocal page
        page = f'<iframe src="{escape(address)}" width=640 height=360 allow=autoplay></iframe>'.encode()
        return server.server_port

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield embed
        server.shutdown()


def new_film(client: httpx.Client, file: Path, public: bool) -> str:
    """Upload a film and return the id of its video."""
    video = str(client.post("/videos", json={"title": "For you alone", "public": public}).json()["videoId"])
    with file.open("rb") as opened:
        assert client.post(f"/videos/{video}/source", files={"file": ("a.mp4", opened)}).status_code == 201
    return video


async def test_a_private_video_plays_and_may_be_loaded_again(
    client: httpx.Client, sample_h264: Path, viewers: Viewers
) -> None:
    video = new_film(client, sample_h264, public=False)
    player = client.get(f"/videos/{video}").json()["assets"]["player"]
    viewer = await viewers(f"{player}&autoplay&muted")
    await viewer.playing_from(0.5)
    address = await viewer.page.evaluate("location.href")
    assert "token=" not in address and "avh=" in address
    await viewer.page.reload()
    await viewer.playing_from(0.5)
    assert viewer.errors == []
    late = await viewers(player)
    assert "avh=" not in await late.page.content()


async def test_a_page_embeds_the_player_with_a_session_token(
    instance: Instance, client: httpx.Client, sample_h264: Path, viewers: Viewers, host_page: Callable[[str], int]
) -> None:
    video = new_film(client, sample_h264, public=True)
    token = client.post("/api/auth").json()["token"]
    port = host_page(f"{instance.url}/embed/vod/{video}?token={token}&autoplay&muted")
    viewer = await viewers(f"http://127.0.0.1:{port}/")
    viewer.frame = viewer.page.frames[1]
    await viewer.playing_from(0.5)
    assert viewer.errors == []
    media = [url for url in viewer.requests if "/vod/" in url and "/embed/" not in url]
    assert media and all("avh=" in url and token not in url for url in media)
    nobody = await viewers(f"{instance.url}/embed/vod/{video}")
    assert await nobody.frame.get_by_text("You may not watch this video here.").is_visible()
    await nobody.screenshot("site-session-denied")


async def test_a_signed_url_plays_where_it_may_be_embedded(
    client: httpx.Client, sample_h264: Path, viewers: Viewers, host_page: Callable[[str], int]
) -> None:
    video = new_film(client, sample_h264, public=False)
    port = host_page("about:blank")
    signed = client.post(f"/videos/{video}/signed-urls", json={"allowedDomains": [f"127.0.0.1:{port}"]}).json()
    host_page(f"{signed['assets']['player']}&autoplay&muted")
    viewer = await viewers(f"http://127.0.0.1:{port}/")
    viewer.frame = viewer.page.frames[1]
    await viewer.playing_from(0.5)
    assert viewer.errors == []
    # The browser itself keeps the frame from a page of another name.
    elsewhere = await viewers(f"http://localhost:{port}/")
    assert await elsewhere.page.frames[1].locator("video").count() == 0
