"""Requests to hosts that lie, dawdle, redirect and flood, over real connections."""

from __future__ import annotations

import asyncio
import gzip
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from reelkit.outbound import Outbound, OutboundFailed, OutboundLimits, OutboundRefused, OutboundTooLarge

QUICK = OutboundLimits(connect=0.5, read=0.4, total=1.2, size=1000)


def names(**addresses: str) -> Any:
    """A resolver that knows only these names, dots written as underscores; several addresses are parted by blanks."""

    async def resolve(host: str, port: int) -> list[str]:
        try:
            return addresses[host.replace(".", "_")].split()
        except KeyError:
            raise OSError("no such host") from None

    return resolve


async def test_an_allowed_host_is_asked_and_its_answer_returned(host: Any) -> None:
    async with Outbound([f"127.0.0.1:{host.port}"]) as outbound:
        answer = await outbound.fetch("POST", host.url("/a?b=c"), headers={"X-A": "1"}, content=b"hello")
    assert (answer.status, answer.body, answer.url) == (200, b"fine", host.url("/a?b=c"))
    head = host.asked[0].lower()
    assert head.startswith("post /a?b=c http/1.1\r\n") and head.endswith("hello")
    assert f"host: 127.0.0.1:{host.port}" in head and "x-a: 1" in head and "accept-encoding: identity" in head


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "[::ffff:127.0.0.1]", "127.0.0.1."])
async def test_loopback_is_not_reached_unless_it_is_allowed(host: Any, name: str) -> None:
    async with Outbound() as outbound:
        with pytest.raises(OutboundRefused, match="allow_private"):
            await outbound.fetch("GET", host.url(host=name))
    assert host.connections == 0


@pytest.mark.parametrize("addresses", ["10.0.0.8", "127.0.0.1", "93.184.216.34 127.0.0.1", "::1", "fe80::1%lo"])
async def test_a_name_that_stands_for_an_inside_address_is_refused_without_telling_it(host: Any, addresses: str) -> None:
    async with Outbound(resolve=names(hook_test=addresses)) as outbound:
        with pytest.raises(OutboundRefused) as refused:
            await outbound.fetch("GET", host.url(host="hook.test"))
    assert host.connections == 0
    assert not any(address in str(refused.value) for address in addresses.split())


async def test_a_name_that_changes_between_checks_is_connected_to_as_it_was_checked(host: Any) -> None:
    asked: list[str] = []

    async def resolve(name: str, port: int) -> list[str]:
        asked.append(name)
        # TEST-NET-like but outside: nothing answers there, and the second answer would lead to the local host.
        return ["93.184.216.34"] if len(asked) == 1 else ["127.0.0.1"]

    async with Outbound(resolve=resolve, limits=QUICK) as outbound:
        with pytest.raises(OutboundFailed):
            await outbound.fetch("GET", host.url(host="hook.test"))
        assert asked == ["hook.test"]
        with pytest.raises(OutboundRefused):
            await outbound.fetch("GET", host.url(host="hook.test"))
    assert host.connections == 0


async def test_the_checked_address_is_called_by_its_name(host: Any) -> None:
    async with Outbound(["hook.test"], resolve=names(hook_test="127.0.0.1")) as outbound:
        assert (await outbound.fetch("GET", host.url(host="Hook.Test."))).status == 200
    assert f"host: hook.test:{host.port}" in host.asked[0].lower()


async def test_the_next_address_is_tried_when_one_does_not_answer(host: Any) -> None:
    async with Outbound(["hook.test"], resolve=names(hook_test="127.0.0.99 127.0.0.1")) as outbound:
        assert (await outbound.fetch("GET", host.url(host="hook.test"))).status == 200


async def test_a_redirect_is_followed_where_it_may_go(host: Any, redirect: Callable[..., bytes]) -> None:
    host.answers["/a"] = redirect("/b?x=1")
    async with Outbound(["127.0.0.1"]) as outbound:
        answer = await outbound.fetch("POST", host.url("/a"), headers={"Authorization": "Basic x"}, content=b"body")
    assert answer.url == host.url("/b?x=1")
    assert host.asked[1].startswith("GET /b?x=1") and "authorization: basic x" in host.asked[1].lower()


async def test_a_redirect_that_keeps_the_method_keeps_the_body(host: Any, redirect: Callable[..., bytes]) -> None:
    host.answers["/a"] = redirect("/b", 307)
    async with Outbound(["127.0.0.1"]) as outbound:
        await outbound.fetch("POST", host.url("/a"), content=b"body")
    assert host.asked[1].startswith("POST /b") and host.asked[1].endswith("body")


async def test_a_redirect_to_another_host_takes_no_credentials_along(host: Any, redirect: Callable[..., bytes]) -> None:
    host.answers["/a"] = redirect(host.url("/b", host="other.test"))
    resolve = names(other_test="127.0.0.1")
    async with Outbound(["127.0.0.1", "other.test"], resolve=resolve) as outbound:
        await outbound.fetch("GET", host.url("/a"), headers={"Authorization": "Basic x", "Cookie": "a=b", "X-Kept": "1"})
    last = host.asked[1].lower()
    assert "authorization" not in last and "cookie" not in last and "x-kept: 1" in last


@pytest.mark.parametrize(
    "location",
    [
        "http://localhost:{port}/b",
        "//localhost:{port}/b",
        "http://169.254.169.254/latest/meta-data/",
        "http://2130706433:{port}/b",
        "http://[::ffff:127.0.0.1]:{port}/b",
        "http://user@127.0.0.1:{port}/b",
        "file:///etc/passwd",
        "gopher://127.0.0.1:{port}/b",
        "http://inside.test:{port}/b",
        "http://[broken/",
        "http://xn--a/",
        "http://\u2460/",
        "http://a:99999/",
        "http://example.org/" + "a" * 70_000,
    ],
)
async def test_a_redirect_to_where_nobody_may_go_is_refused(
    host: Any, redirect: Callable[..., bytes], location: str
) -> None:
    host.answers["/a"] = redirect(location.format(port=host.port))
    async with Outbound(["127.0.0.1"], resolve=names(localhost="127.0.0.1", inside_test="10.1.2.3")) as outbound:
        with pytest.raises(OutboundRefused):
            await outbound.fetch("GET", host.url("/a"))
    assert len(host.asked) == 1


async def test_a_circle_of_redirects_ends(host: Any, redirect: Callable[..., bytes]) -> None:
    host.answers["/a"] = redirect("/a")
    async with Outbound(["127.0.0.1"]) as outbound:
        with pytest.raises(OutboundFailed, match="more than 5 times"):
            await outbound.fetch("GET", host.url("/a"))
    assert len(host.asked) == 6


async def test_a_redirect_is_the_answer_when_none_is_to_be_followed(host: Any, redirect: Callable[..., bytes]) -> None:
    host.answers["/a"] = redirect("http://10.0.0.1/")
    async with Outbound(["127.0.0.1"]) as outbound:
        answer = await outbound.fetch("POST", host.url("/a"), limits=OutboundLimits(redirects=0))
    assert answer.status == 302


def dripping(start: bytes, part: bytes, pause: float) -> Any:
    async def send(writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        while True:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause)

    return send


async def silent(_: asyncio.StreamWriter) -> None:
    await asyncio.sleep(30)


SLOW = {
    "silent": silent,
    "a head without end": dripping(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n", 0.1),
    "a body that drips": dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n", b"x", 0.1),
    "a body that stops": b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\nx",
    "provisional answers without end": dripping(b"", b"HTTP/1.1 103 Early\r\n\r\n", 0.1),
    "not HTTP": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "nothing at all": b"",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 5\r\n\r\nxxxxx",
    "a length of 5,000 digits": b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
    "a header that is none": b"HTTP/1.1 200 OK\r\n\x00\xff: \x01\r\n\r\n",
    "a head of 1 MB": b"HTTP/1.1 200 OK\r\nX: " + b"y" * 1_000_000,
    "unpacked by nobody": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(bytes(1_000_000)),
}


@pytest.mark.parametrize("answer", SLOW.values(), ids=SLOW.keys())
async def test_an_answer_that_does_not_come_as_it_should_is_a_failure_in_time(host: Any, answer: Any) -> None:
    host.answers["/"] = answer
    began = time.monotonic()
    async with Outbound(["127.0.0.1"], limits=QUICK) as outbound:
        with pytest.raises(OutboundFailed, match=r"^(The|127).*\.$"):
            await outbound.fetch("GET", host.url())
    assert time.monotonic() - began < 20


LARGE = {
    "declared": b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n" + bytes(1001),
    "endless": dripping(b"HTTP/1.1 200 OK\r\n\r\n", bytes(400), 0.001),
    "endless in chunks": dripping(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"5\r\nhello\r\n", 0.0),
}


@pytest.mark.parametrize("answer", LARGE.values(), ids=LARGE.keys())
async def test_an_answer_that_is_too_large_is_cut(host: Any, answer: Any) -> None:
    host.answers["/"] = answer
    async with Outbound(["127.0.0.1"], limits=QUICK) as outbound:
        with pytest.raises(OutboundTooLarge, match="1000 bytes"):
            await outbound.fetch("GET", host.url())


async def test_whoever_asks_for_a_compressed_answer_gets_it_packed(host: Any, whole: Callable[..., bytes]) -> None:
    packed = gzip.compress(b"hello" * 100)
    host.answers["/"] = whole(packed, "Content-Encoding: gzip")
    async with Outbound(["127.0.0.1"]) as outbound:
        answer = await outbound.fetch("GET", host.url(), headers={"Accept-Encoding": "gzip"})
    assert answer.body == packed


async def test_cookies_and_proxies_of_the_environment_are_left_alone(
    host: Any, whole: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    host.answers["/"] = whole(b"", "Set-Cookie: a=b; Path=/")
    async with Outbound(["127.0.0.1"]) as outbound:
        await outbound.fetch("GET", host.url())
        await outbound.fetch("GET", host.url())
    assert "cookie" not in host.asked[1].lower()


async def test_an_answer_that_breaks_off_is_told_as_such(host: Any) -> None:
    host.answers["/"] = b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\nx"
    async with Outbound(["127.0.0.1"]) as outbound:
        with pytest.raises(OutboundFailed, match="broke off its answer"):
            await outbound.fetch("GET", host.url())


async def test_nobody_there_is_a_failure_with_a_sentence(unused_tcp_port: int) -> None:
    async with Outbound(["127.0.0.1", "gone.test"], resolve=names()) as outbound:
        with pytest.raises(OutboundFailed, match="could not be reached"):
            await outbound.fetch("GET", f"http://127.0.0.1:{unused_tcp_port}/")
        with pytest.raises(OutboundFailed, match=r"There is no host gone\.test\."):
            await outbound.fetch("GET", "http://gone.test/")


async def test_a_resolver_that_hangs_is_not_waited_for(host: Any) -> None:
    async def resolve(name: str, port: int) -> list[str]:
        await asyncio.sleep(30)
        return []

    async with Outbound(resolve=resolve, limits=QUICK) as outbound:
        with pytest.raises(OutboundFailed, match=r"within 0\.5 s"):
            await outbound.fetch("GET", "http://hook.test/")


@pytest.mark.parametrize("header", ["Host", "Content-Length", "Transfer-Encoding"])
async def test_headers_that_frame_the_message_cannot_be_set(host: Any, header: str) -> None:
    async with Outbound(["127.0.0.1"]) as outbound:
        with pytest.raises(ValueError, match=header.lower()):
            await outbound.fetch("GET", host.url(), headers={header: "1"})


async def test_a_header_cannot_smuggle_another_one(host: Any) -> None:
    async with Outbound(["127.0.0.1"]) as outbound:
        with pytest.raises(OutboundFailed):
            await outbound.fetch("GET", host.url(), headers={"X-A": "1\r\nX-B: 2"})
    assert host.asked == []


async def test_tls_is_checked_against_the_name_though_the_address_is_dialled(
    host: Any, certificate: Callable[[str], Path]
) -> None:
    certified = certificate("hook.test")
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certified)
    asked_for: list[str] = []
    serving.sni_callback = lambda _socket, name, _context: asked_for.append(name)
    trusting = ssl.create_default_context(cafile=str(certified))
    server = await asyncio.start_server(host.serve, "127.0.0.1", 0, ssl=serving)
    host.port = server.sockets[0].getsockname()[1]
    resolve = names(hook_test="127.0.0.1", other_test="127.0.0.1")
    async with Outbound(["hook.test", "other.test"], resolve=resolve, tls=trusting) as outbound:
        assert (await outbound.fetch("GET", host.url(host="hook.test", scheme="https"))).status == 200
        with pytest.raises(OutboundFailed, match="certificate is not valid"):
            await outbound.fetch("GET", host.url(host="other.test", scheme="https"))
    async with Outbound(["hook.test"], resolve=resolve) as outbound:
        with pytest.raises(OutboundFailed, match="certificate is not valid"):
            await outbound.fetch("GET", host.url(host="hook.test", scheme="https"))
    assert asked_for == ["hook.test", "other.test", "hook.test"]
    server.close()


async def test_a_large_answer_is_handed_on_chunk_by_chunk(host: Any) -> None:
    host.answers["/"] = b"HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n" + bytes(5_000_000)
    limits = OutboundLimits(size=5_000_000)
    async with Outbound(["127.0.0.1"]) as outbound, outbound.open("GET", host.url(), limits=limits) as opened:
        sizes = [len(chunk) async for chunk in opened.chunks()]
    assert sum(sizes) == 5_000_000 and max(sizes) < 1_000_000
