"""Many who ask for one segment at once cost the origin one request, and none of them can hurt the others."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
import pytest
from reelkit import OutboundFailed
from reelkit_streamproxy.addresses import Address, parse_address
from reelkit_streamproxy.connections import Connections
from reelkit_streamproxy.joining import ROOM, Joining
from reelkit_streamproxy.sending import stream as send_on
from reelkit_streamproxy.shared import WINDOW, Reader
from reelkit_streamproxy.upstream import Body, Limits, Upstream

SEGMENT = random.Random(3).randbytes(2_000_000)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nContent-Length: 2000000\r\n"


def held(released: threading.Event, first: int = 1_000_000) -> Any:
    """Answer the first half, and the rest when it is released."""

    async def answer(asked: Any, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"Cache-Control: no-cache\r\n\r\n" + SEGMENT[:first])
        await writer.drain()
        for at in range(first, first + 1000):  # a byte within idle_seconds of the site each time
            if released.is_set():
                break
            writer.write(SEGMENT[at : at + 1])
            await asyncio.sleep(0.05)
        writer.write(SEGMENT[at:])

    return answer


def reads(proxied: Any, url: str, joined: threading.Semaphore) -> bytes:
    """Read a segment, and say so when its beginning is here."""
    headers = dict(proxied.site.client.headers)
    with httpx.stream("GET", proxied.site.url + proxied.path(url), headers=headers, timeout=60) as answer:
        pieces = answer.iter_bytes(10_000)
        start = next(pieces)
        joined.release()
        return start + b"".join(pieces)


def test_requests_for_one_segment_are_one_request_to_the_origin(proxied: Any) -> None:
    released, joined = threading.Event(), threading.Semaphore(0)
    url = proxied.origin.acts("/joined.m4s", held(released))
    with ThreadPoolExecutor(12) as pool:
        answers = [pool.submit(reads, proxied, url, joined) for _ in range(12)]
        assert all(joined.acquire(timeout=60) for _ in answers)
        released.set()
        assert all(answer.result() == SEGMENT for answer in answers)
    assert proxied.origin.count("/joined.m4s") == 1


def test_the_first_one_to_go_takes_nobody_along(proxied: Any) -> None:
    released, joined = threading.Event(), threading.Semaphore(0)
    url = proxied.origin.acts("/first-goes.m4s", held(released))
    with ThreadPoolExecutor(4) as pool, httpx.Client(headers=proxied.site.client.headers) as first:
        with first.stream("GET", proxied.site.url + proxied.path(url)) as opened:
            pieces = opened.iter_bytes(10_000)
            next(pieces)
            answers = [pool.submit(reads, proxied, url, joined) for _ in range(4)]
            assert all(joined.acquire(timeout=60) for _ in answers)
        released.set()
        assert all(answer.result() == SEGMENT for answer in answers)
    assert proxied.origin.count("/first-goes.m4s") == 1


def test_a_slow_one_holds_nobody_up(proxied: Any) -> None:
    released, joined = threading.Event(), threading.Semaphore(0)
    url = proxied.origin.acts("/slow-one.m4s", held(released))
    with httpx.Client(headers=proxied.site.client.headers) as slow, ThreadPoolExecutor(1) as pool:
        with slow.stream("GET", proxied.site.url + proxied.path(url)) as opened:
            pieces = opened.iter_bytes(10_000)
            read = [next(pieces)]
            quick = pool.submit(reads, proxied, url, joined)
            assert joined.acquire(timeout=60)
            released.set()
            assert quick.result() == SEGMENT
            read += pieces
        assert b"".join(read) == SEGMENT
    assert proxied.origin.count("/slow-one.m4s") == 1


def test_a_failure_is_told_to_all_and_asked_for_once(proxied: Any) -> None:
    async def fails(asked: Any, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(1)  # within first_byte_seconds of the site; by then all have asked
        writer.write(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")

    url = proxied.origin.acts("/fails.m4s", fails)
    with ThreadPoolExecutor(8) as pool:
        answers = [answer.result() for answer in [pool.submit(proxied.get, url) for _ in range(8)]]
    assert {answer.json()["upstream_status"] for answer in answers} == {503}
    assert proxied.origin.count("/fails.m4s") == 1


def test_what_is_for_one_session_is_not_given_to_others(proxied: Any) -> None:
    numbers = iter(range(100))

    async def private(asked: Any, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.2)
        body = b"%04d" % next(numbers) + b"x" * 5000
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nCache-Control: private\r\nContent-Length: 5004\r\n\r\n" + body
        )

    url = proxied.origin.acts("/private.m4s", private)
    with ThreadPoolExecutor(4) as pool:
        answers = [answer.result() for answer in [pool.submit(proxied.get, url) for _ in range(4)]]
    assert len({answer.content for answer in answers}) == 4


@asynccontextmanager
async def asking(answer: bytes) -> AsyncIterator[Callable[[], Awaitable[Body]]]:
    """Serve one answer here, and ask for it without a site."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(answer)
                await writer.drain()
        writer.close()

    async def permit(address: Address) -> dict[str, str]:
        return {}

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    address = parse_address(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    connections = Connections(["127.0.0.1"], 2, 2, most=100)
    upstream = Upstream(connections, Limits(idle=5, total=30, redirects=0, size=1 << 30))
    yield lambda: upstream.open("GET", address, {}, {}, permit)
    connections.close()
    server.close()


async def rest(source: Body | Reader) -> bytes:
    pieces = []
    while piece := await source.read():
        pieces.append(bytes(piece))
    return b"".join(pieces)


async def test_of_an_endless_body_a_window_is_kept() -> None:
    size = WINDOW + 4_000_000
    body = random.Random(6).randbytes(size)
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (size, body)
    async with asking(chunked) as ask:
        joining = Joining(largest=64 << 20)
        _, slow = await joining.get("key", ask, None)
        _, quick = await joining.get("key", ask, None)
        first = await slow.read()
        assert await rest(quick) == body
        with pytest.raises(OutboundFailed, match="too far behind"):
            await rest(slow)
        assert body.startswith(bytes(first))
        slow.close()
        quick.close()
        _, late = await joining.get("key", ask, None)
        assert await rest(late) == body, "who comes later has the whole of it"
        late.close()
        assert joining._memory.room == ROOM and not joining._shared


async def test_who_goes_with_the_last_byte_cancels_nothing_that_follows() -> None:
    left = asyncio.Event()

    async def receive() -> dict[str, str]:
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if not message.get("more_body", True):
            left.set()
            await asyncio.sleep(0)  # the news is there, and told to nobody yet

    pieces = [b"second"]

    class Rest:
        async def read(self) -> bytes:
            return pieces.pop()

    await send_on(receive, send, 200, [], b"first", Rest(), 11)
    await asyncio.sleep(0)  # here the task would be cancelled


async def test_without_room_each_fetches_their_own() -> None:
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: 20000000\r\n\r\n" + bytes(20_000_000)
    async with asking(whole) as ask:
        joining = Joining(largest=32 << 20)
        sources = [(await joining.get(f"key {number}", ask, None))[1] for number in range(5)]
        assert [isinstance(source, Reader) for source in sources] == [True, True, True, False, False]
        assert [len(await rest(source)) for source in sources] == [20_000_000] * 5
        for source in sources:
            source.close()
        assert joining._memory.room == ROOM
