"""A real HTTP server that misbehaves on request, and clients that may call it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import pytest
import pytest_asyncio

Behaviour = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Host:
    """Listens on loopback. answers: path → what is sent, bytes or a function; asked: the head of each request."""

    port: int = 0
    answers: dict[str, bytes | Behaviour] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    connections: int = 0

    def url(self, path: str = "/", host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            for line in head.lower().split("\r\n"):
                if line.startswith("content-length:"):
                    head += (await reader.readexactly(int(line.split(":")[1]))).decode()
            self.asked.append(head)
            answer = self.answers.get(head.split()[1], ok(b"fine"))
            if isinstance(answer, bytes):
                writer.write(answer)
            else:
                await answer(writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


def ok(body: bytes, *headers: str) -> bytes:
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


@pytest.fixture
def whole() -> Callable[..., bytes]:
    """Returns the bytes of a good answer."""
    return ok


@pytest.fixture
def redirect() -> Callable[..., bytes]:
    """Returns the bytes of a redirect."""

    def made(location: str, status: int = 302) -> bytes:
        return f"HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()

    return made


@pytest_asyncio.fixture
async def host() -> AsyncIterator[Host]:
    host = Host()
    server = await asyncio.start_server(host.serve, "127.0.0.1", 0)
    host.port = server.sockets[0].getsockname()[1]
    yield host
    server.close()
