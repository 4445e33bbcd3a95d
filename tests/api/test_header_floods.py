"""Floods of headers and endless ones are refused by the server itself; it goes on, and no larger than before."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import psutil
import pytest
from reelkit.testing.served import ServedSite

MIB = 1 << 20


def ask(site: ServedSite, chunks: Iterator[bytes]) -> int:
    """Send the head of a request piece by piece and return the status; 0 when the server hangs up."""
    with socket.create_connection(("127.0.0.1", site.port), timeout=60) as connection:
        try:
            connection.sendall(b"GET /videos HTTP/1.1\r\nHost: 127.0.0.1\r\n")
            for chunk in chunks:
                connection.sendall(chunk)
            connection.sendall(b"\r\n")
        except OSError:
            pass  # it has heard enough
        try:
            return int((connection.recv(64) or b"- 0").split()[1])
        except OSError:
            return 0


def resident(site: ServedSite) -> int:
    assert site.process is not None
    process = psutil.Process(site.process.pid)
    return sum(each.memory_info().rss for each in (process, *process.children(recursive=True)))


def many(count: int, size: int = 10) -> Iterator[bytes]:
    for start in range(0, count, 100):
        yield b"".join(b"x-%d: %b\r\n" % (number, b"y" * size) for number in range(start, min(count, start + 100)))


def endless(name: bytes, megabytes: int) -> Iterator[bytes]:
    yield name + b": "
    for _ in range(16 * megabytes):
        yield b"a" * (MIB // 16)
    yield b"\r\n"


@pytest.mark.parametrize(
    ("flood", "statuses"),
    [
        (lambda: many(90), {401}),
        (lambda: many(5_000), {0, 400, 431}),
        (lambda: many(50_000, 200), {0, 400, 431}),
        (lambda: endless(b"X-Session-Token", 8), {0, 400, 431}),
        (lambda: endless(b"Authorization: Bearer", 64), {0, 400, 431}),
        (lambda: iter([b"x-api-key\r\n"]), {0, 400}),
        (lambda: iter([b"x-api-key: a\x00b\r\n"]), {0, 400}),
        (lambda: iter([b"x-api-key: \xff\xfe\r\n"]), {401}),
        (lambda: iter([b"x-api-key: x\r\n" * 90]), {401}),
    ],
)
def test_a_flood_is_refused(site: ServedSite, flood: object, statuses: set[int]) -> None:
    before = resident(site)
    found = ask(site, flood())  # type: ignore[operator]  # one of the lambdas above
    assert found in statuses
    assert resident(site) - before < 16 * MIB
    assert site.client.get("/videos", params={"pageSize": 1}).status_code == 200


def test_many_floods_at_once_keep_nobody_else_waiting(site: ServedSite) -> None:
    before, opened = resident(site), []
    for _ in range(50):
        connection = socket.create_connection(("127.0.0.1", site.port), timeout=60)
        connection.sendall(b"GET /videos HTTP/1.1\r\nHost: x\r\nX-Session-Token: " + b"a" * (MIB // 4))
        opened.append(connection)
    started = time.monotonic()
    assert site.client.get("/videos", params={"pageSize": 1}).status_code == 200
    assert time.monotonic() - started < 20
    assert resident(site) - before < 50 * MIB
    for connection in opened:
        connection.close()
