"""What of an origin's answers reaches a viewer, and what becomes of origins that fail."""

from __future__ import annotations

import asyncio
import gzip
import random
import socket
import threading
import time
from typing import Any

import httpx
import psutil
import pytest

BIG = random.Random(1).randbytes(3_000_000)
NO_STORE = "Cache-Control: no-store"
TAG = 'ETag: "one"'


def partial(body: bytes, start: int, stop: int, *headers: str) -> bytes:
    """Return an answer of a range."""
    lines = [
        "HTTP/1.1 206 Partial Content",
        f"Content-Range: bytes {start}-{stop - 1}/{len(body)}",
        f"Content-Length: {stop - start}",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body[start:stop]


def test_a_file_is_passed_on_with_what_players_need(proxied: Any) -> None:
    url = proxied.origin.serves(
        "/a.mp4", BIG, "Content-Type: video/mp4", TAG, "Cache-Control: public, max-age=600", "Set-Cookie: a=b", "X-Own: 1"
    )
    answer = proxied.get(url)
    assert answer.status_code == 200 and answer.content == BIG
    told = answer.headers
    assert told["content-type"] == "video/mp4" and told["etag"] == '"one"' and told["content-length"] == str(len(BIG))
    assert told["cache-control"] == "private, max-age=600"
    assert told["x-content-type-options"] == "nosniff" and "sandbox" in told["content-security-policy"]
    assert "set-cookie" not in told and "x-own" not in told
    assert told["access-control-allow-origin"] == "*" and "x-ratelimit-remaining" in told


def test_only_the_operators_headers_and_conditions_are_sent(proxied: Any) -> None:
    url = proxied.origin.serves("/headers.ts", b"x" * 100, "Content-Type: video/mp2t")
    given = {"Cookie": "a=b", "User-Agent": "me", "Referer": "http://a", "X-Forwarded-For": "1.2.3.4", "Range": "bytes=0-1"}
    proxied.get(url, headers=given)
    sent = proxied.origin.last("/headers.ts").headers
    assert sent.pop("x-origin-secret") == "first" and sent.pop("x-policy") == "key" and sent.pop("range") == "bytes=0-1"
    assert sent == {
        "host": f"127.0.0.1:{proxied.origin.port}",
        "accept": "*/*",
        "accept-encoding": "identity",
        "user-agent": "reelkit",
    }


def test_ranges_and_conditions_are_the_origins_to_answer(proxied: Any) -> None:
    async def answer(asked: Any, writer: asyncio.StreamWriter) -> None:
        if asked.headers.get("if-none-match") == '"one"':
            writer.write(b'HTTP/1.1 304 Not Modified\r\nETag: "one"\r\n\r\n')
        elif asked.headers["range"] == "bytes=10-19":
            writer.write(partial(BIG, 10, 20, TAG, NO_STORE))
        else:
            writer.write(b"HTTP/1.1 416 No\r\nContent-Range: bytes */3000000\r\nContent-Length: 0\r\n\r\n")

    url = proxied.origin.acts("/ranges.mp4", answer)
    part = proxied.get(url, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content, part.headers["content-range"]) == (206, BIG[10:20], "bytes 10-19/3000000")
    beyond = proxied.get(url, headers={"Range": "bytes=9999999-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, "bytes */3000000")
    same = proxied.get(url, headers={"If-None-Match": '"one"'})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", '"one"')


def test_head_tells_what_get_would_without_the_bytes(proxied: Any) -> None:
    url = proxied.origin.serves("/head.mp4", BIG, "Content-Type: video/mp4", NO_STORE)
    answer = proxied.get(url, "HEAD")
    assert (answer.status_code, answer.headers["content-length"], answer.content) == (200, str(len(BIG)), b"")
    assert proxied.origin.last("/head.mp4").method == "HEAD"
    playlist = proxied.origin.serves("/head.m3u8", b"#EXTM3U\n#EXTINF:1,\na.ts\n", "Content-Type: application/x-mpegurl")
    whole, head = proxied.get(playlist), proxied.get(playlist, "HEAD")
    assert head.headers["content-length"] == whole.headers["content-length"] == str(len(whole.content))


def test_no_manifest_is_a_page_of_this_site(proxied: Any) -> None:
    page = b'<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><x:script xmlns:x="http://www.w3.org/1999/xhtml">alert(1)</x:script></MPD>'
    answer = proxied.get(proxied.origin.serves("/page.mpd", page, "Content-Type: application/dash+xml"))
    assert answer.status_code == 200
    assert "sandbox" in answer.headers["content-security-policy"] and answer.headers["x-content-type-options"] == "nosniff"


def test_other_methods_and_preflights_are_answered_here(proxied: Any) -> None:
    url = proxied.origin.serves("/methods.ts", b"x")
    assert proxied.get(url, "POST").status_code == 405
    preflight = httpx.options(
        proxied.site.url + proxied.path(url),
        headers={"Origin": "https://a", "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "range"},
    )
    assert preflight.status_code == 204 and preflight.headers["access-control-allow-origin"] == "*"
    assert httpx.options(proxied.site.url + proxied.path(url)).headers["allow"] == "GET, HEAD, OPTIONS"
    assert proxied.origin.count("/methods.ts") == 0


@pytest.mark.parametrize(
    ("status", "told", "slug"),
    [(404, 404, "not-found"), (410, 404, "not-found"), (403, 502, "failed"), (500, 502, "failed"), (503, 502, "failed")],
)
def test_a_failure_of_the_origin_is_told_with_its_status(proxied: Any, status: int, told: int, slug: str) -> None:
    url = proxied.origin.serves(f"/status{status}.ts", b"<h1>secret</h1>", status=status)
    answer = proxied.get(url)
    body = answer.json()
    assert (answer.status_code, body["upstream_status"]) == (told, status)
    assert body["type"].endswith(f"proxy-upstream-{slug}") and "secret" not in answer.text


def test_a_body_that_breaks_is_gone_on_with_unseen(proxied: Any) -> None:
    cuts = [100_000, 1_000_000, 1_000_001, 2_500_000]

    async def answer(asked: Any, writer: asyncio.StreamWriter) -> None:
        start = int(asked.headers.get("range", "bytes=0-")[6:].partition("-")[0])
        stop = next((cut for cut in cuts if cut > start), len(BIG))
        if start:
            assert asked.headers["if-range"] == '"one"' and asked.headers["x-origin-secret"] == "first"
            head = f"HTTP/1.1 206 P\r\nContent-Range: bytes {start}-{len(BIG) - 1}/{len(BIG)}\r\n"
        else:
            head = "HTTP/1.1 200 OK\r\n"
        writer.write(f"{head}{TAG}\r\n{NO_STORE}\r\nContent-Length: {len(BIG) - start}\r\n\r\n".encode() + BIG[start:stop])
        await writer.drain()
        if stop < len(BIG):
            writer.close()

    url = proxied.origin.acts("/breaks.mp4", answer)
    answer_ = proxied.get(url)
    assert answer_.content == BIG
    assert proxied.origin.count("/breaks.mp4") == len(cuts) + 1


def test_another_body_is_not_glued_to_a_broken_one(proxied: Any) -> None:
    async def answer(asked: Any, writer: asyncio.StreamWriter) -> None:
        if "range" in asked.headers:
            writer.write(partial(BIG, 5000, len(BIG), 'ETag: "two"'))
        else:
            writer.write(f"HTTP/1.1 200 OK\r\n{TAG}\r\nContent-Length: {len(BIG)}\r\n\r\n".encode() + BIG[:5000])
            await writer.drain()
            writer.close()

    url = proxied.origin.acts("/changes.mp4", answer)
    with pytest.raises(httpx.RemoteProtocolError):
        proxied.get(url)


def test_an_unfinished_body_of_unknown_length_does_not_look_finished(proxied: Any) -> None:
    async def answer(asked: Any, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9000\r\n" + b"x" * 0x9000 + b"\r\n")
        await writer.drain()
        writer.close()

    with pytest.raises(httpx.RemoteProtocolError):
        proxied.get(proxied.origin.acts("/chunked-broken.ts", answer))


def test_a_chunked_body_arrives_whole(proxied: Any) -> None:
    async def answer(asked: Any, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nCache-Control: no-store\r\n\r\n")
        random_ = random.Random(2)
        at = 0
        while at < len(BIG):
            piece = BIG[at : at + random_.choice((1, 17, 5000, 300_000))]
            writer.write(b"%x;a=b\r\n%s\r\n" % (len(piece), piece))
            at += len(piece)
        writer.write(b"0\r\nX-Trailer: 1\r\n\r\n")

    url = proxied.origin.acts("/chunked.ts", answer)
    assert proxied.get(url).content == BIG


def test_a_silent_origin_is_given_up_in_time(proxied: Any) -> None:
    async def never(asked: Any, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    async def a_byte_at_a_time(asked: Any, writer: asyncio.StreamWriter) -> None:
        for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n":
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.1)

    for does in (never, a_byte_at_a_time):
        started = time.monotonic()
        answer = proxied.get(proxied.origin.acts("/silent.ts", does))
        assert answer.status_code == 504 and answer.json()["title"] == "The origin does not answer in time."
        assert time.monotonic() - started < 20


def test_a_body_that_trickles_is_given_up(proxied: Any) -> None:
    async def trickles(asked: Any, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 2000)
        for _ in range(600):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.1)

    started = time.monotonic()
    with pytest.raises(httpx.RemoteProtocolError):
        proxied.get(proxied.origin.acts("/trickles.ts", trickles))
    assert time.monotonic() - started < 30


def test_an_origin_that_is_not_there_is_told(proxied: Any) -> None:
    nobody = next(
        line for line in proxied.site.folder.joinpath("site.toml").read_text().split("[plugins") if ".nobody]" in line
    )
    port = nobody.split("port = ")[1].split()[0]
    answer = proxied.get(f"http://127.0.0.1:{port}/a.ts")
    assert answer.status_code == 502 and "could not be reached" in answer.json()["detail"]


def test_what_is_no_media_is_not_passed_on(proxied: Any) -> None:
    for content_type in ("text/html", "image/svg+xml", "application/javascript", "text/css", "nonsense", "video/"):
        url = proxied.origin.serves("/page", b"<script>alert(1)</script>", f"Content-Type: {content_type}")
        answer = proxied.get(url)
        if content_type != "video/":
            assert answer.status_code == 502 and answer.json()["type"].endswith("proxy-answer-refused"), content_type


def test_what_is_compressed_all_the_same_is_unpacked_within_limits(proxied: Any) -> None:
    words = b"WEBVTT\n\n" + b"00:01.000 --> 00:02.000\nHello\n\n" * 1000
    url = proxied.origin.serves("/words.vtt", gzip.compress(words), "Content-Type: text/vtt", "Content-Encoding: gzip")
    answer = proxied.get(url)
    assert answer.content == words and "content-encoding" not in answer.headers
    bomb = proxied.origin.serves("/bomb.m3u8", gzip.compress(b"#EXTM3U\n" + b"a\n" * 5_000_000, 9), "Content-Encoding: gzip")
    answer = proxied.get(bomb)
    assert answer.status_code == 502 and "once it is unpacked" in answer.json()["detail"]
    odd = proxied.origin.serves("/odd.m3u8", b"#EXTM3U\n", "Content-Encoding: br")
    assert proxied.get(odd).status_code == 502


def test_a_viewer_who_goes_lets_the_origin_go(proxied: Any) -> None:
    let_go = threading.Event()

    async def endless(asked: Any, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\n\r\n")
        try:
            while True:
                writer.write(b"x" * 65536)
                await writer.drain()
        finally:
            let_go.set()

    url = proxied.origin.acts("/endless.mp4", endless)
    with proxied.site.client.stream("GET", proxied.path(url)) as answer:
        pieces = answer.iter_bytes(100_000)
        next(pieces)
        assert not let_go.is_set()
    assert let_go.wait(60)


def test_a_slow_viewer_holds_the_origin_back_and_no_memory(proxied: Any) -> None:
    sent = 0

    async def plenty(asked: Any, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nContent-Length: 150000000\r\n\r\n")
        for _ in range(150):
            writer.write(b"x" * 1_000_000)
            await writer.drain()
            sent += 1_000_000

    process = psutil.Process(proxied.site.process.pid)
    everybody = [process, *process.children(recursive=True)]
    before = sum(each.memory_info().rss for each in everybody)
    request = (
        f"GET {proxied.path(proxied.origin.acts('/plenty.mp4', plenty))} HTTP/1.1\r\nHost: a\r\n"
        f"X-API-Key: {proxied.site.key}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", proxied.site.port)) as viewer:
        viewer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        viewer.sendall(request.encode())
        viewer.recv(1000)
        time.sleep(1.5)
        grown = sum(each.memory_info().rss for each in everybody) - before
        assert sent < 60_000_000 and grown < 60_000_000, (sent, grown)


def test_no_url_and_too_many_urls_are_told(proxied: Any) -> None:
    client = proxied.site.client
    assert client.get("/api").json()["detail"] == "The URL is missing."
    assert client.get("/api?url=http://a/&url=http://b/").status_code == 400
    assert client.get("/api/refused/origin").status_code == 403
    assert client.get("/api/refused/else").status_code == 404


def test_descriptors_are_given_back(proxied: Any) -> None:
    url = proxied.origin.serves("/many.ts", b"x" * 10_000, NO_STORE)
    process = psutil.Process(proxied.site.process.pid)
    everybody = [process, *process.children(recursive=True)]
    proxied.get(url)
    before = sum(each.num_fds() for each in everybody)
    connections = proxied.origin.connections
    for _ in range(30):
        assert proxied.get(url).status_code == 200
    assert sum(each.num_fds() for each in everybody) <= before + 2
    assert proxied.origin.connections <= connections + 1, "connections are kept for the next request"
