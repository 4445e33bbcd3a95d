"""The client's side of HTTP/1.1: the same bytes however they come in pieces, over TLS and not, in either event loop."""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st
from reelkit import OutboundRefused
from reelkit_streamproxy.addresses import parse_address
from reelkit_streamproxy.connections import Connections
from reelkit_streamproxy.faults import UpstreamBusy
from reelkit_streamproxy.http1 import Broken, Silent, _Chunks, read_head

BODY = random.Random(5).randbytes(3_000_000)
LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """Runs a coroutine in one of the loops that a site may have."""

    def run(work: Coroutine[Any, Any, Any]) -> Any:
        with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
            return runner.run(asyncio.wait_for(work, 60))

    return run


async def here(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]


async def fetched(answers: list[bytes], tls: Path | None = None, pieces: int = 1) -> tuple[list[bytes], int]:
    """Ask as often as there are answers, in so many pieces; return the bodies and how many connections it took."""
    connections, waiting = 0, iter(answers)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                answer = next(waiting)
                for at in range(0, len(answer), max(1, len(answer) // pieces)):
                    writer.write(answer[at : at + max(1, len(answer) // pieces)])
                    await writer.drain()
                    if pieces > 1:
                        await asyncio.sleep(0)
        except (asyncio.IncompleteReadError, ConnectionError, StopIteration):
            writer.close()

    server_side = client_side = None
    if tls is not None:
        server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        server_side.load_cert_chain(tls)
        client_side = ssl.create_default_context(cafile=tls)
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server_side)
    port = server.sockets[0].getsockname()[1]
    address = parse_address(f"{'https' if tls else 'http'}://origin.test:{port}/a?b=c")
    client = Connections(["origin.test"], 2, 5, most=1, resolve=here, tls=client_side)
    bodies = []
    for _ in answers:
        connection, _head = await client.ask("GET", address, {})
        body = b""
        while piece := await connection.read(5):
            body += piece
        bodies.append(body)
        client.give_back(address, connection)
    client.close()
    server.close()
    return bodies, connections


def whole(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def chunked(body: bytes, size: int) -> bytes:
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"".join(b"%X\r\n%s\r\n" % (len(part), part) for part in parts)
        + b"0\r\n\r\n"
    )


@pytest.mark.parametrize("secure", [False, True])
def test_bodies_arrive_whole_over_one_connection(run: Any, certificate: Callable[[str], Path], secure: bool) -> None:
    bodies = [BODY, b"", b"x", BODY[:300_000], BODY[:262_144], BODY[:262_145]]
    answers = [whole(bodies[0]), *(chunked(body, 70_000) for body in bodies[1:3]), *map(whole, bodies[3:])]
    assert run(fetched(answers, certificate("origin.test") if secure else None)) == (bodies, 1)


def test_pieces_of_any_size_make_the_same_body(run: Any) -> None:
    body = BODY[:3000]
    answers = [whole(body), chunked(body, 7), b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" + whole(body)]
    assert run(fetched(answers, pieces=3000)) == ([body] * 3, 1)


def test_a_host_that_hangs_up_is_connected_to_again(run: Any) -> None:
    async def visits() -> int:
        connections = 0

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal connections
            connections += 1
            await reader.readuntil(b"\r\n\r\n")
            writer.write(whole(b"fine"))
            await writer.drain()
            await asyncio.sleep(0.05)
            writer.close()  # without a word of it in the answer

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        address = parse_address(f"http://origin.test:{server.sockets[0].getsockname()[1]}/")
        client = Connections(["origin.test"], 2, 5, most=1, resolve=here)
        for pause in (0, 0.1, 0):
            await asyncio.sleep(pause)
            connection, _head = await client.ask("GET", address, {})
            assert await connection.read(5) == b"fine"
            client.give_back(address, connection)
        client.close()
        await asyncio.sleep(0.1)
        server.close()
        return connections

    # The first one was gone; the second one went while it was being asked.
    assert run(visits()) == 3


def test_many_blanks_in_a_header_take_no_time() -> None:
    blanks = b" " * 30_000
    started = time.process_time()
    with suppress(Broken):
        read_head(b"HTTP/1.1 200 OK\r\nA:" + blanks + b"\x01", "GET")
    head = read_head(b"HTTP/1.1 200 OK\r\nA:" + blanks + b"x" + blanks + b"y \t", "GET")
    assert head.headers["a"] == f"x{blanks.decode()}y" and time.process_time() - started < 1


def test_a_trailer_that_does_not_end_is_given_up(run: Any) -> None:
    with pytest.raises(Broken, match="ends with more"):
        _Chunks().decode(b"0\r\n" + b"a: b\r\n" * 6000)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")
            while not writer.is_closing():
                writer.write(b"a: b\r\n")
                await writer.drain()
                await asyncio.sleep(0.02)

    async def ask() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        connections = Connections([f"origin.test:{port}"], 2, 2, most=1, resolve=here)
        connection, _ = await connections.ask("GET", parse_address(f"http://origin.test:{port}/"), {})
        with pytest.raises(Silent):
            await asyncio.wait_for(connection.read(0.2), 20)
        connection.close()
        server.close()

    run(ask())


def test_a_host_is_asked_no_more_at_once_than_allowed(run: Any) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(whole(b"fine"))

    async def visits() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        address = parse_address(f"http://origin.test:{port}/")
        client = Connections(["origin.test"], 0.3, 5, most=2, resolve=here)
        asked = [await client.ask("GET", address, {}) for _ in range(2)]
        with pytest.raises(UpstreamBusy) as busy:
            await client.ask("GET", address, {})
        assert busy.value.status == 503 and busy.value.headers["retry-after"]
        waiting = asyncio.ensure_future(client.ask("GET", address, {}))
        await asyncio.sleep(0.1)
        client.give_back(address, asked.pop()[0])
        asked.append(await waiting)
        for failure in range(3):
            with pytest.raises(OutboundRefused):
                await client.ask("GET", parse_address(f"http://elsewhere.test:{port}/{failure}"), {})
        for connection, _head in asked:
            client.give_back(address, connection)
        assert not client._hosts, "nothing is kept of hosts without a connection"
        server.close()

    run(visits())


@given(st.binary(max_size=300))
def test_any_bytes_are_a_head_or_broken(raw: bytes) -> None:
    for head in (raw, b"HTTP/1.1 200 OK\r\n" + raw, b"HTTP/1.1 200 OK\r\nContent-Length:" + raw):
        try:
            read = read_head(head, "GET")
        except Broken:
            continue
        assert 100 <= read.status < 600 and (read.length is None or read.length >= 0)


@given(
    st.lists(st.binary(min_size=1, max_size=50), max_size=5),
    st.lists(st.integers(1, 20), max_size=40),
    st.binary(max_size=3),
)
def test_chunks_are_the_same_however_they_come(parts: list[bytes], cuts: list[int], surplus: bytes) -> None:
    raw = b"".join(b"%x;n=v\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\nA: b\r\n\r\n" + surplus
    chunks, found, at = _Chunks(), b"", 0
    for cut in [*cuts, len(raw)]:
        found += chunks.decode(raw[at : at + cut])
        at += cut
    assert found == b"".join(parts) and chunks.done and chunks.surplus == bool(surplus)


@given(st.binary(max_size=80))
def test_any_bytes_are_chunks_or_broken(raw: bytes) -> None:
    chunks = _Chunks()
    with suppress(Broken):
        assert len(chunks.decode(raw)) <= len(raw)
