"""Many who ask for one segment at once cost the origin one request, and none of them can hurt the others."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

SEGMENT = random.Random(3).randbytes(2_000_000)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nContent-Length: 2000000\r\n"


def held(released: threading.Event, first: int = 1_000_000) -> Any:
    """Answer the first half, and the rest when it is released."""

    async def answer(asked: Any, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"Cache-Control: no-cache\r\n\r\n" + SEGMENT[:first])
        await writer.drain()
        for _ in range(40):  # within idle_seconds of the site each time
            if released.is_set():
                break
            await asyncio.sleep(0.05)
        writer.write(SEGMENT[first:])

    return answer


def test_requests_for_one_segment_are_one_request_to_the_origin(proxied: Any) -> None:
    released = threading.Event()
    url = proxied.origin.acts("/joined.m4s", held(released))
    with ThreadPoolExecutor(12) as pool:
        answers = [pool.submit(proxied.get, url) for _ in range(12)]
        time.sleep(0.3)
        released.set()
        assert all(answer.result().content == SEGMENT for answer in answers)
    assert proxied.origin.count("/joined.m4s") == 1


def test_the_first_one_to_go_takes_nobody_along(proxied: Any) -> None:
    released = threading.Event()
    url = proxied.origin.acts("/first-goes.m4s", held(released))
    with ThreadPoolExecutor(4) as pool, httpx.Client(headers=proxied.site.client.headers) as first:
        with first.stream("GET", proxied.site.url + proxied.path(url)) as opened:
            pieces = opened.iter_bytes(10_000)
            next(pieces)
            answers = [pool.submit(proxied.get, url) for _ in range(4)]
            time.sleep(0.2)
        released.set()
        assert all(answer.result().content == SEGMENT for answer in answers)
    assert proxied.origin.count("/first-goes.m4s") == 1


def test_a_slow_one_holds_nobody_up(proxied: Any) -> None:
    released = threading.Event()
    url = proxied.origin.acts("/slow-one.m4s", held(released))
    with httpx.Client(headers=proxied.site.client.headers) as slow, ThreadPoolExecutor(1) as pool:
        with slow.stream("GET", proxied.site.url + proxied.path(url)) as opened:
            pieces = opened.iter_bytes(10_000)
            read = [next(pieces)]
            quick = pool.submit(proxied.get, url)
            time.sleep(0.2)
            released.set()
            assert quick.result().content == SEGMENT
            read += pieces
        assert b"".join(read) == SEGMENT
    assert proxied.origin.count("/slow-one.m4s") == 1


def test_a_failure_is_told_to_all_and_asked_for_once(proxied: Any) -> None:
    async def fails(asked: Any, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.3)
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
