"""Sources come from addresses on the web and from other videos, and from nowhere that they should not."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from reelkit.testing.served import ServedSite, served_site

LIMIT = 3_000_000


class Web:
    """A web server of somebody else's. asked: the paths that were asked for."""

    def __init__(self, film: bytes) -> None:
        self.asked: list[str] = []
        self.failures = 0
        self.going_on = threading.Event()
        self.hung_up = threading.Event()
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                web.asked.append(self.path)
                if self.path == "/flaky.mp4" and web.failures:
                    web.failures -= 1
                    self.answer(503, b"")
                elif self.path == "/slow.mp4":
                    self.slowly(film)
                elif self.path.endswith(".mp4"):
                    self.answer(200, film)
                elif self.path == "/empty":
                    self.answer(200, b"")
                elif self.path == "/page":
                    self.answer(200, b"<html>no film</html>")
                elif self.path == "/endless":
                    self.send_response(200)
                    self.end_headers()
                    for _ in range(1000):
                        self.wfile.write(bytes(100_000))
                elif self.path == "/huge":
                    self.send_response(200)
                    self.send_header("Content-Length", str(10**12))
                    self.end_headers()
                elif self.path.startswith("/to?"):
                    self.send_response(302)
                    self.send_header("Location", self.path.partition("?")[2])
                    self.end_headers()
                else:
                    self.answer(404, b"")

            def answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def slowly(self, body: bytes) -> None:
                """Send a half, and the other a little at a time until told to go on."""
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: len(body) // 2])
                rest = body[len(body) // 2 :]
                try:
                    while len(rest) > 1 and not web.going_on.wait(0.1):
                        self.wfile.write(rest[:1])
                        rest = rest[1:]
                    self.wfile.write(rest)
                except OSError:
                    web.hung_up.set()

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def web_server(film: Path) -> Iterator[Web]:
    web = Web(film.read_bytes())
    yield web
    web.close()


@pytest.fixture(scope="module")
def web(sample_h264: Path) -> Iterator[Web]:
    with web_server(sample_h264) as web:
        yield web


@pytest.fixture(scope="module")
def forbidden(sample_h264: Path) -> Iterator[Web]:
    """A second one, which the site may not call."""
    with web_server(sample_h264) as web:
        yield web


@pytest.fixture(scope="module")
def fetching(tmp_path_factory: pytest.TempPathFactory, web: Web) -> Iterator[ServedSite]:
    """A site that may call one private address, and takes files of 3 MB."""
    allowed = web.url.removeprefix("http://")
    settings = f'[network]\nallow_private = ["{allowed}"]\n[limits]\nsource_bytes = {LIMIT}\n'
    with served_site(tmp_path_factory.mktemp("fetching"), settings) as site:
        yield site


def create(site: ServedSite, source: str, **fields: Any) -> str:
    answer = site.client.post("/videos", json={"title": "fetched", "source": source, **fields})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["videoId"])


def ended(status: dict[str, Any]) -> bool:
    ingest = status.get("ingest", {})
    # A status is put together of two reads, so it may be playable a moment before its source is told as ingested.
    return (bool(status["encoding"]["playable"]) and ingest.get("status") == "ingested") or "error" in ingest


def test_a_film_on_the_web_becomes_a_video(fetching: ServedSite, web: Web, sample_h264: Path) -> None:
    video = create(fetching, f"{web.url}/to?/a%20film.mp4")
    first = fetching.status(video)
    assert first["ingest"]["status"] in ("ingesting", "ingested")

    status = fetching.wait(video, ended)

    assert status["encoding"]["playable"], status
    assert status["ingest"] == status["ingest"] | {"status": "ingested", "filesize": sample_h264.stat().st_size}
    stored = fetching.client.get(f"/vod/{video}/mp4/source.mp4").content
    assert hashlib.sha256(stored).digest() == hashlib.sha256(sample_h264.read_bytes()).digest()
    assert fetching.client.get(f"/videos/{video}").json()["source"]["uri"] == f"/videos/{video}/source"
    again = fetching.upload(video, sample_h264)
    assert (again.status_code, again.json()["type"].rpartition("/")[2]) == (400, "video-source-already-downloaded")


def test_a_video_is_made_of_another_one(fetching: ServedSite, sample_h264: Path) -> None:
    original = fetching.new_video("original")
    empty = fetching.client.post("/videos", json={"title": "t", "source": original})
    assert (empty.status_code, empty.json()["name"]) == (400, "source")
    fetching.upload(original, sample_h264)

    copy = create(fetching, original)

    assert fetching.wait(copy, ended)["encoding"]["playable"]
    assert fetching.client.delete(f"/videos/{original}").status_code == 204
    assert fetching.client.get(f"/vod/{copy}/mp4/source.mp4").content == sample_h264.read_bytes()
    again = fetching.upload(copy, sample_h264)
    assert (again.status_code, again.json()["type"].rpartition("/")[2]) == (400, "video-source-already-copied")


def test_a_host_that_fails_now_and_then_is_asked_again(fetching: ServedSite, web: Web) -> None:
    web.failures = 1
    assert fetching.wait(create(fetching, f"{web.url}/flaky.mp4"), ended)["encoding"]["playable"]
    assert web.asked.count("/flaky.mp4") == 2


def test_hosts_that_drip_hold_nobody_up(fetching: ServedSite, web: Web) -> None:
    web.going_on.clear()
    before = web.asked.count("/slow.mp4")
    slow = [create(fetching, f"{web.url}/slow.mp4") for _ in range(6)]
    try:
        wait_for(lambda: web.asked.count("/slow.mp4") == before + len(slow))
        assert fetching.wait(create(fetching, f"{web.url}/quick.mp4"), ended)["encoding"]["playable"]
    finally:
        for video in slow:
            fetching.client.delete(f"/videos/{video}")
        web.going_on.set()


def test_a_fetch_outlives_a_kill(fetching: ServedSite, web: Web, sample_h264: Path) -> None:
    web.going_on.clear()
    before = web.asked.count("/slow.mp4")
    video = create(fetching, f"{web.url}/slow.mp4")
    wait_for(lambda: web.asked.count("/slow.mp4") == before + 1)
    time.sleep(0.3)

    fetching.kill()
    web.going_on.set()
    fetching.start()

    assert fetching.wait(video, ended)["encoding"]["playable"]
    assert web.asked.count("/slow.mp4") == before + 2
    assert fetching.client.get(f"/vod/{video}/mp4/source.mp4").content == sample_h264.read_bytes()


def test_a_deleted_video_is_fetched_no_further(fetching: ServedSite, web: Web) -> None:
    web.going_on.clear()
    web.hung_up.clear()
    before = web.asked.count("/slow.mp4")
    video = create(fetching, f"{web.url}/slow.mp4")
    wait_for(lambda: web.asked.count("/slow.mp4") == before + 1)

    assert fetching.client.delete(f"/videos/{video}").status_code == 204

    assert web.hung_up.wait(60)
    time.sleep(3)
    assert web.asked.count("/slow.mp4") == before + 1
    folder = fetching.folder / "data" / "media"
    assert [file for file in folder.rglob("*") if file.is_file() and video in str(file)] == []


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/missing", "answered 404"),
        ("/empty", "the file is empty"),
        ("/page", ""),
        ("/endless", f"larger than {LIMIT} bytes"),
        ("/huge", f"larger than {LIMIT} bytes"),
        ("/to?http://127.0.0.1:1/", "private network"),
        ("/to?file:///etc/passwd", "http"),
        ("/to?http://169.254.169.254/latest/meta-data", "private network"),
    ],
)
def test_what_cannot_be_brought_says_why_and_leaves_nothing(fetching: ServedSite, web: Web, path: str, reason: str) -> None:
    video = create(fetching, web.url + path)

    status = fetching.wait(video, ended)

    assert reason in status["ingest"]["error"]["detail"], status
    assert status["ingest"]["status"] == ("uploaded" if path == "/page" else "ingesting"), "nobody uploads it"
    assert not status["encoding"]["playable"]
    if path != "/page":  # that one was stored, and is swept up like any bad upload
        folder = fetching.folder / "data" / "media"
        assert [file for file in folder.rglob("*") if file.is_file() and video in str(file)] == []


def test_what_is_private_is_not_called(fetching: ServedSite, forbidden: Web) -> None:
    for url in (forbidden.url, forbidden.url.replace("127.0.0.1", "localhost")):
        video = create(fetching, f"{url}/a.mp4")
        status = fetching.wait(video, ended)
        assert "private network" in status["ingest"]["error"]["detail"]
        assert "private network" not in fetching.client.get(f"/embed/vod/{video}").text
    assert forbidden.asked == []


@pytest.mark.parametrize(
    "source", ["ftp://example.com/a.mp4", "file:///etc/passwd", "a.mp4", "viNOSUCHVIDEO", "http://user:pw@example.com/", ""]
)
def test_what_is_neither_a_url_nor_a_video_is_refused(source: str, fetching: ServedSite) -> None:
    answer = fetching.client.post("/videos", json={"title": "t", "source": source})
    assert (answer.status_code, answer.json()["name"]) == (400, "source"), answer.text
    assert answer.json()["detail"].startswith(("Give a URL or the id of a video.", "There is no video of this id."))


def test_a_video_of_another_environment_cannot_be_copied(fetching: ServedSite, sample_h264: Path) -> None:
    video = fetching.new_video("mine")
    fetching.upload(video, sample_h264)
    stranger = {"X-API-Key": fetching.new_key(environment="sandbox")}
    answer = httpx.post(f"{fetching.url}/videos", json={"title": "t", "source": video}, headers=stranger)
    assert (answer.status_code, answer.json()["name"]) == (400, "source")
