"""Tricks over HTTP, one a row: none of them reaches what is inside, or takes more than it may."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from typing import Any

import httpx
import psutil
import pytest

# What is asked for → the status of the refusal. IN: the port of a server inside, which is on the list of origins and not
# in allow_private; UP: that of an origin.
URLS = {
    "": 400,
    "relative.ts": 400,
    "//127.0.0.1:IN/": 400,
    "file:///etc/passwd": 400,
    "ftp://127.0.0.1:IN/": 400,
    "gopher://127.0.0.1:IN/": 400,
    "data:text/plain,x": 400,
    "http://me:secret@127.0.0.1:UP/": 400,
    "http://127.0.0.1:UP@127.0.0.1:IN/": 400,
    "http://127.0.0.1:UP\\@127.0.0.1:IN/": 400,
    "http://127.0.0.1:UP#@127.0.0.1:IN/": 400,
    "http://2130706433:IN/": 400,
    "http://0x7f000001:IN/": 400,
    "http://0177.0.0.1:IN/": 400,
    "http://127.1:IN/": 400,
    "http://127.0.0.1.:IN/": 403,
    "http://[::1%25lo]:IN/": 400,
    "http://[::1]:IN/": 403,
    "http://[::ffff:127.0.0.1]:IN/": 403,
    "http://localhost:IN/": 403,
    "http://①②⑦.0.0.1:IN/": 400,
    "http://169.254.169.254/latest/meta-data/": 403,
    "http://127.0.0.1:IN/": 403,  # on the list, not called
    "http://127.0.0.1:22/": 403,
    "https://127.0.0.1:UP/": 403,  # the scheme is not on the list
    "http://127.0.0.1:99999/": 400,
    "http://127.0.0.1:OTHER/elsewhere/a.ts": 403,
    "http://127.0.0.1:OTHER/allowed/../elsewhere/a.ts": 403,
    "http://127.0.0.1:OTHER/allowed/%2e%2e/elsewhere/a.ts": 400,
    "http://127.0.0.1:OTHER/allowed/..%2felsewhere/a.ts": 400,
    "http://127.0.0.1:OTHER/allowed/%252e%252e/elsewhere/a.ts": 400,
    "http://127.0.0.1:OTHER/allowedtoo/a.ts": 403,
    "http://inside.names.test:IN/": 403,
    "http://names.test:IN/": 403,
    "http://evil.test:IN/": 403,
    "http://127.0.0.1:UP/a\r\nX-A: b": 400,
    "http://127.0.0.1:UP/%0d%0aX-A:%20b": 400,
    "http://127.0.0.1:UP/" + "a" * 9000: 400,
}


def filled(proxied: Any, text: str) -> str:
    ports = {"IN": proxied.inside.port, "UP": proxied.origin.port, "OTHER": proxied.other.port}
    for name, port in ports.items():
        text = text.replace(f":{name}", f":{port}")
    return text


@pytest.mark.parametrize("url", URLS)
def test_a_url_that_leads_elsewhere_is_refused(proxied: Any, url: str) -> None:
    before = proxied.inside.connections
    answer = proxied.get(filled(proxied, url))
    assert answer.status_code == URLS[url], answer.text
    assert answer.json()["title"] and proxied.inside.connections == before


REDIRECTS = {
    "http://127.0.0.1:IN/": 403,
    "http://169.254.169.254/": 502,
    "http://[::1]:IN/": 502,
    "//127.0.0.1:IN/": 403,
    "file:///etc/passwd": 502,
    "http://me@127.0.0.1:UP/": 502,
    "http://127.0.0.1:OTHER/elsewhere/": 502,
    "http://[broken": 502,
    "javascript:alert(1)": 502,
    "/round": 502,
}


@pytest.mark.parametrize("location", REDIRECTS)
def test_a_redirect_that_leads_elsewhere_is_not_followed(proxied: Any, location: str) -> None:
    before = proxied.inside.connections, proxied.other.count("/elsewhere/")
    headers = f"Location: {filled(proxied, location)}"
    proxied.origin.serves("/round", b"", "Location: /round", status=302)
    answer = proxied.get(proxied.origin.serves("/redirects", b"", headers, status=302))
    assert answer.status_code == REDIRECTS[location], answer.text
    assert (proxied.inside.connections, proxied.other.count("/elsewhere/")) == before


def test_the_headers_of_one_origin_do_not_go_to_another(proxied: Any) -> None:
    there = proxied.other.serves("/allowed/there.ts", b"there", "Cache-Control: no-store")
    answer = proxied.get(proxied.origin.serves("/away.ts", b"", f"Location: {there}", status=307))
    assert answer.content == b"there"
    sent = proxied.other.last("/allowed/there.ts").headers
    assert sent["x-other-secret"] == "second" and "x-origin-secret" not in sent
    assert sent["host"] == f"127.0.0.1:{proxied.other.port}"


def test_a_name_that_changes_is_connected_to_as_it_was_checked(proxied: Any) -> None:
    before = proxied.inside.connections
    statuses = [proxied.get(f"http://changing.names.test:{proxied.inside.port}/{n}.ts").status_code for n in range(4)]
    # Each time it is resolved once: to a public address, where nobody answers, and to this machine, which is refused.
    assert [status in (502, 504) for status in statuses] == [True, False, True, False] and statuses[1] == statuses[3] == 403
    assert proxied.inside.connections == before


def test_a_name_that_the_operator_allows_is_reached(proxied: Any) -> None:
    proxied.origin.serves("/named.ts", b"named", "Cache-Control: no-store")
    assert proxied.get(f"http://good.names.test:{proxied.origin.port}/named.ts").content == b"named"
    assert proxied.origin.last("/named.ts").headers["host"] == f"good.names.test:{proxied.origin.port}"


def test_what_a_playlist_leads_to_is_checked_as_well(proxied: Any) -> None:
    inside = proxied.inside.url
    playlist = f"""#EXTM3U
#EXT-X-KEY:METHOD=AES-128,URI="{inside("/key")}"
#EXT-X-MAP:URI="http://169.254.169.254/latest"
#EXTINF:1,
{inside("/a.ts")}
#EXTINF:1,
file:///etc/passwd
#EXTINF:1,
http://inside.names.test:{proxied.inside.port}/b.ts
"""
    before = proxied.inside.connections
    text = proxied.get(proxied.origin.serves("/leads.m3u8", playlist.encode())).text
    links = [part for line in text.splitlines() for part in [line.partition('URI="')[2].rstrip('"') or line]]
    links = [link for link in links if link and not link.startswith("#")]
    assert len(links) == 5 and all(link.startswith("/api/") for link in links)
    assert [httpx.get(proxied.site.url + link).status_code for link in links] == [403] * 5
    assert proxied.inside.connections == before


def test_playlists_that_nest_for_ever_end(proxied: Any) -> None:
    master = b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nnests.m3u8?again\n"
    link = proxied.path(proxied.origin.serves("/nests.m3u8", master))
    depth = 0
    while depth < 20:
        answer = proxied.site.client.get(link)
        if answer.status_code != 200:
            break
        (link,) = proxied.links(answer.text)
        depth += 1
    assert answer.status_code == 502 and answer.json()["type"].endswith("proxy-playlist-nests") and depth < 10


@pytest.mark.parametrize(
    "change",
    [
        lambda link: link[:-1] + "?",
        lambda link: link.replace("/folder/", "/folder/A"),
        lambda link: link.rpartition("/")[0] + "/../../etc/passwd",
        lambda link: link.rpartition("/")[0] + "/%2e%2e/%2e%2e/a.ts",
        lambda link: link.rpartition("/")[0] + "/..%2fa.ts",
        lambda link: link.replace("/folder/", "/folder//"),
        lambda link: "/api/folder/AAAA/a.ts",
        lambda link: "/api/folder/",
        lambda link: "/api?url=http://127.0.0.1/&depth=0&expires=9999999999&ticket=a&signature=AAAAAAAAAAAAAAAAAAAAAA",
        lambda link: "/api?signature=",
    ],
)
def test_a_link_that_was_tampered_with_opens_nothing(proxied: Any, change: Callable[[str], str]) -> None:
    proxied.origin.serves("/links/a.ts", b"secret", "Cache-Control: no-store")
    text = proxied.get(proxied.origin.serves("/links/list.m3u8", b"#EXTM3U\n#EXTINF:1,\na.ts\n")).text
    (link,) = proxied.links(text)
    with httpx.Client(base_url=proxied.site.url) as nobody:
        assert nobody.get(link).content == b"secret"
        target = change(link)
        with socket.create_connection(("127.0.0.1", proxied.site.port)) as raw:  # clients tidy paths up
            raw.sendall(f"GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
            answer = b""
            while piece := raw.recv(65536):
                answer += piece
    status = int(answer.split(b" ")[1])
    assert (400 <= status < 500) or target.endswith("?"), answer[:300]
    assert b"secret" not in answer or target.endswith("?")


def test_a_link_opens_its_folder_and_not_the_one_above(proxied: Any) -> None:
    proxied.origin.serves("/above.ts", b"above", "Cache-Control: no-store")
    text = proxied.get(proxied.origin.serves("/folder/list.m3u8", b"#EXTM3U\n#EXTINF:1,\na.ts\n")).text
    (link,) = proxied.links(text)
    for name in ("%2e%2e/above.ts", "..%2fabove.ts", "%252e%252e/above.ts", "..;/above.ts", "\\..\\above.ts"):
        answer = httpx.get(proxied.site.url + link.rpartition("/")[0] + "/" + name)
        assert answer.status_code >= 400 and answer.content != b"above"


def test_a_huge_playlist_is_refused_while_it_comes(proxied: Any) -> None:
    sent = 0

    async def huge(asked: Any, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-mpegurl\r\n\r\n#EXTM3U\n")
        for _ in range(1000):
            writer.write(b"#EXTINF:1,\nsegment.ts\n" * 5000)
            await writer.drain()
            sent += 110_000

    process = psutil.Process(proxied.site.process.pid)
    everybody = [process, *process.children(recursive=True)]
    before = sum(each.memory_info().rss for each in everybody)
    answer = proxied.get(proxied.origin.acts("/huge.m3u8", huge))
    assert answer.status_code == 502 and "larger than 1000000 bytes" in answer.json()["detail"]
    assert sent < 30_000_000
    assert sum(each.memory_info().rss for each in everybody) - before < 40_000_000
    # 100 MB that are announced are not even begun.
    length = "Content-Length: 100000000"

    async def announced(asked: Any, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\n{length}0\r\n\r\n".encode())

    assert proxied.get(proxied.origin.acts("/announced.mp4", announced)).status_code == 502


NOT_HTTP = {
    "garbage": b"\x00\x01\x02\r\n\r\n",
    "ssh": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
    "odd coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "folded header": b"HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: 0\r\n\r\n",
    "blank before colon": b"HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\nhello",
    "header flood": b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 100_000 + b"\r\n",
    "bad chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n",
    "long chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello world\r\n0\r\n\r\n",
    "switching": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
    "nothing": b"",
    "control character": b'HTTP/1.1 200 OK\r\nETag: "\x01"\r\nContent-Length: 0\r\n\r\n',
    "endless announcements": b"HTTP/1.1 103 Early Hints\r\n\r\n" * 10_000,
    "informational": b"HTTP/1.1 100 Continue\r\n\r\n",
}


@pytest.mark.parametrize("trick", NOT_HTTP)
def test_what_is_not_http_is_not_passed_on(proxied: Any, trick: str) -> None:
    async def answer(asked: Any, writer: asyncio.StreamWriter) -> None:
        writer.write(NOT_HTTP[trick])
        await writer.drain()
        writer.close()

    started = time.monotonic()
    answered = proxied.get(proxied.origin.acts("/not-http.ts", answer))
    assert answered.status_code == 502 and answered.json()["title"] == "The origin failed.", answered.text
    assert time.monotonic() - started < 20


def test_what_follows_an_answer_is_not_taken_for_the_next(proxied: Any) -> None:
    async def two_answers(asked: Any, writer: asyncio.StreamWriter) -> None:
        poison = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"
        writer.write(b"HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: 4\r\n\r\ngood" + poison)

    url = proxied.origin.acts("/two.ts", two_answers)
    clean = proxied.origin.serves("/clean.ts", b"clean", "Cache-Control: no-store")
    for _ in range(5):
        assert proxied.get(url).content == b"good"
        assert proxied.get(clean).content == b"clean"


def test_a_policy_refuses_adds_headers_and_fails_closed(proxied: Any) -> None:
    origin = proxied.origin
    refused = proxied.get(origin.serves("/refused.ts", b"x"))
    assert (refused.status_code, refused.json()["detail"]) == (451, "key origin standard")
    assert proxied.get(origin.serves("/policy.ts", b"x")).status_code == 200
    assert origin.last("/policy.ts").headers["x-policy"] == "key"
    for name in ("crash", "smuggle", "split"):
        failed = proxied.get(origin.serves(f"/{name}.ts", b"x"))
        assert failed.status_code == 500 and origin.count(f"/{name}.ts") == 0, name
    redirected = origin.serves("/to-refused.ts", b"", f"Location: {origin.url('/refused.ts')}", status=302)
    assert proxied.get(redirected).status_code == 451, "redirects are asked about as well"
    text = proxied.get(origin.serves("/policy.m3u8", b"#EXTM3U\n#EXTINF:1,\nrefused.ts\n")).text
    by_link = httpx.get(proxied.site.url + proxied.links(text)[0])
    assert by_link.json()["detail"] == "link origin standard"
    assert origin.count("/refused.ts") == 0
