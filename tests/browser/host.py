"""A small HTTP server for tests of players: real embed pages over a real stream, whose answers a test can spoil."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
from reelkit.delivery.assets import Asset
from reelkit.delivery.embed import EmbedPages, EmbedVideo, read_options
from reelkit.delivery.pages import Page

__all__ = ["PlayerHost", "run_host"]

TYPES = {
    ".m3u8": "application/vnd.apple.mpegurl",
    ".m4s": "video/iso.segment",
    ".mp4": "video/mp4",
    ".jpg": "image/jpeg",
    ".vtt": "text/vtt",
    ".html": "text/html",
}


class PlayerHost:
    """What is served. answers: (status, body, type) by path, instead of the real one; broken: paths that answer 404."""

    def __init__(self, embed: EmbedPages, media: Path) -> None:
        self.embed = embed
        self.media = media
        self.url = ""
        self.videos: dict[str, EmbedVideo] = {}
        self.pages: dict[str, Page | str] = {}
        self.requests: list[str] = []
        self.beats: list[dict[str, Any]] = []
        self.answers: dict[str, tuple[int, bytes, str]] = {}
        self.broken: Callable[[str], bool] = lambda path: False

    def add(self, title: str = "A film", id: str = "vi1", **changes: object) -> str:
        """Serve a video and return the address of its embed page."""
        video = EmbedVideo(
            video_id=id,
            title=title,
            state="playable",
            manifest=f"/vod/{id}/hls/manifest.m3u8",
            poster=f"/vod/{id}/thumbnail.jpg",
            storyboard=f"/vod/{id}/storyboard/storyboard.vtt",
            width=1280,
            height=720,
        )
        self.videos[id] = msgspec.structs.replace(video, **changes)
        return f"{self.url}/embed/vod/{id}"

    def page(self, path: str, query: dict[str, str], language: str) -> Page | str | None:
        """Return a page, if the path is one."""
        if path.startswith("/embed/vod/"):
            video = self.videos.get(path.rpartition("/")[2])
            return self.embed.missing(language) if video is None else self.embed.render(video, read_options(query), language)
        return self.pages.get(path)

    def asset(self, path: str) -> Asset | None:
        """Return a file of the player, if the path is one."""
        parts = path.split("/")
        return self.embed.asset(*parts[3:]) if path.startswith("/embed/assets/") and len(parts) == 6 else None

    def file(self, path: str) -> Path | None:
        """Return a file of the stream, if the path is one: every video id has the same."""
        parts = path.split("/", 3)
        found = self.media / parts[3] if path.startswith("/vod/") and len(parts) == 4 else None
        return found if found is not None and found.is_file() else None


@contextmanager
def run_host(host: PlayerHost) -> Iterator[PlayerHost]:
    """Serve on a free port of loopback."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            address = urlsplit(self.path)
            host.requests.append(self.path)
            query = dict(parse_qsl(address.query, keep_blank_values=True))
            if host.broken(address.path):
                return self.send(404, {"Content-Type": "text/plain"}, b"")
            if address.path in host.answers:
                status, body, type = host.answers[address.path]
                return self.send(status, {"Content-Type": type}, body)
            page = host.page(address.path, query, self.headers.get("Accept-Language", ""))
            if isinstance(page, str):
                return self.send(200, {"Content-Type": "text/html; charset=utf-8"}, page.encode())
            if page is not None:
                return self.send(
                    page.status, {**page.headers, "Content-Type": "text/html; charset=utf-8"}, page.html.encode()
                )
            asset = host.asset(address.path)
            if asset is not None:
                body, headers = asset.choose(self.headers.get("Accept-Encoding", ""))
                return self.send(200, headers, body)
            file = host.file(address.path)
            if file is not None:
                return self.send(
                    200, {"Content-Type": TYPES[file.suffix], "Access-Control-Allow-Origin": "*"}, file.read_bytes()
                )
            return self.send(404, {"Content-Type": "text/plain"}, b"")

        def do_POST(self) -> None:
            """Take the beats of the player."""
            body = self.rfile.read(int(self.headers["Content-Length"]))
            host.beats.append(json.loads(body))
            self.send(204, {}, b"")

        def send(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    host.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield host
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
