"""Media over HTTP: conditions, ranges, caching, refusals, clients that leave."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from reelkit.testing.served import ServedSite, served_site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedSite]:
    """A served site."""
    with served_site(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture(scope="module")
def source(sample: Callable[..., Path]) -> Path:
    """A source of about 5 MB."""
    return sample(width=1280, height=720, duration=6)


@pytest.fixture(scope="module")
def video(site: ServedSite, source: Path) -> str:
    """A video that is playable and has all its renditions and images."""
    id = site.new_video('A "quoted" näme / with\nlines')
    assert site.upload(id, source).status_code == 201
    site.wait_encoded(id)
    deadline = time.monotonic() + 60
    while httpx.get(f"{site.url}/vod/{id}/thumbnail.jpg").status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return id


@pytest.fixture(scope="module")
def urls(site: ServedSite, video: str) -> dict[str, str]:
    """One address of each sort."""
    manifest = httpx.get(f"{site.url}/vod/{video}/hls/manifest.m3u8")
    found = {"manifest": str(manifest.url)}
    for name, pattern in {"video": r"^(re\w+/v0)/playlist", "audio": r'URI="(re\w+/a0)/playlist'}.items():
        track = re.search(pattern, manifest.text, re.MULTILINE)
        assert track is not None, manifest.text
        base = manifest.url.join(track[1] + "/")
        found[f"{name} playlist"] = str(base.join("playlist.m3u8"))
        found[f"{name} init"] = str(base.join("init.mp4"))
        found[f"{name} segment"] = str(base.join("0.m4s"))
    base = manifest.url.join("../")
    vtt = {"file": ("en.vtt", b"WEBVTT\n\n00:00.000 --> 00:02.000\nHello\n", "text/vtt")}
    for kind in ("captions", "chapters"):
        assert site.client.post(f"/videos/{video}/{kind}/en", files=vtt).is_success
    storyboard = base.join("storyboard/storyboard.vtt")
    sheet = re.search(r"^(\S+)#xywh", httpx.get(storyboard).text, re.MULTILINE)
    assert sheet is not None
    deadline = time.monotonic() + 30  # what is known of a video is looked up again after 1.5 s
    while httpx.head(str(base.join("chapters/en.vtt"))).status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found | {
        "source": str(base.join("mp4/source.mp4")),
        "poster": str(base.join("thumbnail.jpg")),
        "storyboard": str(storyboard),
        "storyboard sheet": str(storyboard.join(sheet[1])),
        "captions": str(base.join("captions/en.vtt")),
        "captions playlist": str(base.join("hls/captions/en.m3u8")),
        "chapters": str(base.join("chapters/en.vtt")),
    }


TYPES = {
    "manifest": "application/vnd.apple.mpegurl",
    "video playlist": "application/vnd.apple.mpegurl",
    "audio playlist": "application/vnd.apple.mpegurl",
    "video init": "video/mp4",
    "audio init": "audio/mp4",
    "video segment": "video/mp4",
    "audio segment": "audio/mp4",
    "source": "video/mp4",
    "poster": "image/jpeg",
    "storyboard": "text/vtt; charset=utf-8",
    "storyboard sheet": "image/jpeg",
    "captions": "text/vtt; charset=utf-8",
    "captions playlist": "application/vnd.apple.mpegurl",
    "chapters": "text/vtt; charset=utf-8",
}


@pytest.mark.parametrize("name", TYPES)
def test_get_and_head_agree(name: str, urls: dict[str, str]) -> None:
    got, head = httpx.get(urls[name]), httpx.head(urls[name])
    assert (got.status_code, head.status_code) == (200, 200)
    assert got.headers["content-type"] == TYPES[name]
    assert int(got.headers["content-length"]) == len(got.content) > 0
    assert head.content == b""
    differing = {"date", "x-request-id"}
    assert {k: v for k, v in got.headers.items() if k not in differing} == {
        k: v for k, v in head.headers.items() if k not in differing
    }
    assert got.headers["access-control-allow-origin"] == "*"
    assert got.headers["accept-ranges"] == "bytes"
    assert got.headers["x-content-type-options"] == "nosniff"
    immutable = "immutable" in got.headers["cache-control"]
    assert immutable == ("/re" in urls[name])


@pytest.mark.parametrize("name", TYPES)
def test_a_client_that_has_the_bytes_gets_none(name: str, urls: dict[str, str]) -> None:
    tag = httpx.get(urls[name]).headers["etag"]
    again = httpx.get(urls[name], headers={"If-None-Match": tag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert httpx.get(urls[name], headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize("name", TYPES)
def test_ranges_are_exactly_the_bytes(name: str, urls: dict[str, str]) -> None:
    got = httpx.get(urls[name])
    whole, tag, size = got.content, got.headers["etag"], len(got.content)
    for start, stop in ((0, 1), (size // 3, size * 2 // 3), (size - 1, size)):
        part = httpx.get(urls[name], headers={"Range": f"bytes={start}-{stop - 1}", "If-Range": tag})
        assert (part.status_code, part.content) == (206, whole[start:stop])
        assert part.headers["content-range"] == f"bytes {start}-{stop - 1}/{size}"
    tail = httpx.get(urls[name], headers={"Range": "bytes=-10"})
    assert (tail.status_code, tail.content) == (206, whole[-10:])
    beyond = httpx.get(urls[name], headers={"Range": f"bytes={size}-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{size}")
    changed = httpx.get(urls[name], headers={"Range": "bytes=0-9", "If-Range": '"other"'})
    assert (changed.status_code, len(changed.content)) == (200, size)
    several = httpx.get(urls[name], headers={"Range": "bytes=0-1,4-5"})
    assert (several.status_code, len(several.content)) == (200, size)


def test_a_strangers_bytes_run_nothing_and_keep_their_name(urls: dict[str, str], source: Path) -> None:
    shown = httpx.get(urls["source"])
    assert shown.content == source.read_bytes()
    assert shown.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert "content-disposition" not in shown.headers
    saved = httpx.get(urls["source"] + "?dl=1")
    assert saved.headers["content-disposition"] == (
        'attachment; filename="A _quoted_ n_me _ with_lines.mp4"; '
        "filename*=UTF-8''A%20_quoted_%20n%C3%A4me%20_%20with_lines.mp4"
    )


@pytest.mark.parametrize(
    "path",
    ["/vod/{id}/hls/reNONE/v0/playlist.m3u8", "/vod/{id}/hls/{re}/v9/playlist.m3u8", "/vod/{id}/hls/{re}/v0/9999.m4s",
     "/vod/{id}/storyboard/none.jpg", "/vod/viNONE/hls/manifest.m3u8", "/vod/{id}/hls/other.m3u8", "/vod/{id}/",
     "/vod/{id}/hls/{re}/v0/../../../../etc/passwd", "/vod/{id}/storyboard/..%2f..%2ffile", "/vod/..%2f..%2fetc/passwd",
     "/vod/{id}/hls/{re}/v0/-1.m4s", "/vod/{id}/hls/{re}/v0/99999999999999999999.m4s"],
)  # fmt: skip
def test_what_is_not_there_is_a_problem(path: str, site: ServedSite, video: str, urls: dict[str, str]) -> None:
    rendition = urls["video segment"].split("/")[-3]
    raw = path.format(id=video, re=rendition)
    with socket.create_connection(("127.0.0.1", site.port), timeout=60) as connection:
        # As it is: httpx would resolve the dots.
        connection.sendall(f"GET {raw} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 404"), answer[:200]
    assert b'"status":404' in answer and b"Traceback" not in answer


def test_media_is_only_read(urls: dict[str, str]) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        answer = httpx.request(method, urls["manifest"])
        assert (answer.status_code, answer.json()["status"]) == (405, 405)
        assert answer.headers["allow"] == "GET, HEAD, OPTIONS"
    asked = httpx.options(urls["manifest"])
    assert (asked.status_code, asked.headers["allow"], asked.content) == (204, "GET, HEAD, OPTIONS", b"")


def test_a_private_video_is_as_if_it_were_not_there(site: ServedSite, source: Path) -> None:
    id = site.new_video("secret", public=False)
    assert site.upload(id, source).status_code == 201
    for path in ("hls/manifest.m3u8", "mp4/source.mp4", "thumbnail.jpg"):
        assert httpx.get(f"{site.url}/vod/{id}/{path}").status_code == 404
        # Its owner's key opens the API, not the player's addresses: these get rights of their own.
        assert httpx.get(f"{site.url}/vod/{id}/{path}", headers=site.client.headers).status_code == 404


def test_a_download_may_be_off(site: ServedSite, sample_h264: Path) -> None:
    id = site.new_film(sample_h264, mp4Support=False)
    assert httpx.get(f"{site.url}/vod/{id}/mp4/source.mp4").status_code == 404
    assert {quality["type"] for quality in site.status(id)["encoding"]["qualities"]} == {"hls"}


def test_clients_that_leave_leave_nothing_open(site: ServedSite, urls: dict[str, str]) -> None:
    assert site.process is not None
    worker = max(psutil.Process(site.process.pid).children(recursive=True), key=lambda process: process.memory_info().rss)
    httpx.get(urls["source"])
    before = worker.num_fds()
    path = urls["source"].removeprefix(site.url)
    for _ in range(20):
        connection = socket.create_connection(("127.0.0.1", site.port))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nRange: bytes=1-\r\n\r\n".encode())
        connection.recv(100)
        connection.close()
    deadline = time.monotonic() + 60
    while worker.num_fds() > before + 2:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert httpx.get(urls["manifest"]).status_code == 200


def test_a_client_that_reads_slowly_costs_little_memory(site: ServedSite, tmp_path: Path, sample_h264: Path) -> None:
    """A file of 60 MB, asked for from its second byte on, so that it cannot leave as a file."""
    large = tmp_path / "large.mp4"
    # A box that every reader skips makes it large.
    size = 60_000_000
    large.write_bytes(sample_h264.read_bytes() + (8 + size).to_bytes(4, "big") + b"free" + bytes(size))
    id = site.new_film(large)
    assert site.process is not None
    (worker,) = psutil.Process(site.process.pid).children()
    before = worker.memory_info().rss
    with socket.create_connection(("127.0.0.1", site.port), timeout=60) as connection:
        connection.sendall(f"GET /vod/{id}/mp4/source.mp4 HTTP/1.1\r\nHost: x\r\nRange: bytes=1-\r\n\r\n".encode())
        head = connection.recv(4096)
        assert b"206" in head
        time.sleep(1)
        assert worker.memory_info().rss - before < 20_000_000
        # And once it reads, it gets all of it.
        whole, body = large.stat().st_size - 1, head.partition(b"\r\n\r\n")[2]
        received = len(body)
        while received < whole:
            piece = connection.recv(1 << 20)
            assert piece
            received += len(piece)
    assert received == whole
