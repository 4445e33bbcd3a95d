"""One answer over ASGI: conditions, ranges and HEAD around a body, whole files by the server itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from reelkit.delivery.asgi import Receive, Scope, Send
from reelkit.delivery.bodies import WHOLE, Body, BytesBody, FileBody
from reelkit.delivery.conditional import has_current, range_still_holds
from reelkit.delivery.ranges import Unsatisfiable, requested_range
from reelkit.interfaces.storage import StorageError
from reelkit.problems import Problem

__all__ = [
    "IMMUTABLE",
    "Answer",
    "CutOff",
    "answer",
    "answer_allowed",
    "answer_elsewhere",
    "answer_empty",
    "answer_json",
    "answer_problem",
]

IMMUTABLE = "public, max-age=31536000, immutable"
"""For URLs that name bytes which never change."""


_RANGES = (b"accept-ranges", b"bytes")
_CONDITIONS = frozenset({b"if-none-match", b"if-range", b"range"})


class CutOff(Exception):
    """The body failed after its status had left; the connection can only be broken off."""


class Answer(msgspec.Struct, frozen=True):
    """What a URL stands for. tag: strong entity tag; cache: Cache-Control; headers: more of them, lower case.

    links: it is no playlist and names other media all the same.
    """

    body: Body
    content_type: str
    tag: str
    cache: str
    headers: tuple[tuple[bytes, bytes], ...] = ()
    links: bool = False
    head: tuple[tuple[bytes, bytes], ...] = ()
    """What every answer with it says, written once for those that are given many times; nobody passes it."""

    def __post_init__(self) -> None:
        head = ((b"etag", self.tag.encode()), (b"cache-control", self.cache.encode()), _RANGES, *self.headers)
        msgspec.structs.force_setattr(self, "head", head)


async def answer(scope: Scope, receive: Receive, send: Send, what: Answer) -> None:
    """Answer GET or HEAD with 200, 206, 304 or 416."""
    asked = {}
    for name, value in scope["headers"]:
        if name in _CONDITIONS:
            asked[name] = value.decode("latin-1")
    headers = [*what.head]
    if asked and has_current(asked.get(b"if-none-match"), what.tag):
        await _start(send, 304, headers)
        await _end(send)
        return
    size = what.body.size
    span: tuple[int, int] | None = None
    # RFC 9110, 14.2: Range means something for GET only.
    if asked and scope["method"] == "GET" and range_still_holds(asked.get(b"if-range"), what.tag):
        try:
            span = requested_range(asked.get(b"range"), size)
        except Unsatisfiable:
            await _start(send, 416, [*headers, (b"content-range", b"bytes */%d" % size), (b"content-length", b"0")])
            await _end(send)
            return
    headers.append((b"content-type", what.content_type.encode()))
    if span is not None:
        headers.append((b"content-range", b"bytes %d-%d/%d" % (span[0], span[1] - 1, size)))
    start, stop = span or (0, size)
    headers.append((b"content-length", b"%d" % (stop - start)))
    if scope["method"] == "HEAD":
        await _start(send, 200, headers)
        await _end(send)
    elif isinstance(what.body, BytesBody):
        await _start(send, 206 if span else 200, headers)
        await _end(send, what.body.data[start:stop])
    elif span is None and isinstance(what.body, FileBody) and "http.response.pathsend" in (scope.get("extensions") or {}):
        await _start(send, 200, headers)
        await send({"type": "http.response.pathsend", "path": str(what.body.path)})
    else:
        await _stream(receive, send, 206 if span else 200, headers, what.body, start, stop)


async def _stream(
    receive: Receive, send: Send, status: int, headers: list[tuple[bytes, bytes]], body: Body, start: int, stop: int
) -> None:
    """Send a range as it is read. The first bytes are read before the status leaves, so that their failure has its own."""
    left = stop - start
    async with _closing(body.read(start, stop)) as chunks:
        first = await anext(chunks, b"")
        left -= len(first)
        await _start(send, status, headers)
        if left <= 0:
            await _end(send, first)
            return
        if left <= WHOLE:
            await _rest(send, first, chunks, left)
            return
        # The server swallows what is sent to a client that has gone, so somebody has to listen for it.
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            await _rest(send, first, chunks, left, gone)
        finally:
            gone.cancel()


async def _rest(
    send: Send, first: bytes, chunks: AsyncIterator[bytes], left: int, gone: asyncio.Future[None] | None = None
) -> None:
    """Send what follows the head of an answer. left: bytes after the first chunk. Raises CutOff."""
    await _part(send, first)
    try:
        async for chunk in chunks:
            if gone is not None and gone.done():
                return
            left -= len(chunk)
            if left <= 0:
                await _end(send, chunk)
                return
            await _part(send, chunk)
    except StorageError as error:
        raise CutOff(str(error)) from error
    raise CutOff(f"{left} bytes are missing at the end")


@asynccontextmanager
async def _closing(chunks: AsyncIterator[bytes]) -> AsyncIterator[AsyncIterator[bytes]]:
    """Close a generator of bytes in any case, so that its file or connection is freed now."""
    try:
        yield chunks
    finally:
        close: Any = getattr(chunks, "aclose", None)
        if close is not None:
            await close()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def answer_empty(send: Send, status: int, cache: str) -> None:
    """Answer without a body."""
    await _start(send, status, [(b"cache-control", cache.encode()), (b"content-length", b"0")])
    await _end(send)


async def answer_allowed(send: Send, methods: str) -> None:
    """Answer OPTIONS: which methods an address has."""
    await _start(send, 204, [(b"allow", methods.encode())])
    await _end(send)


async def answer_elsewhere(send: Send, location: str) -> None:
    """Answer that the representation is at another address, this time."""
    headers = [(b"location", location.encode()), (b"cache-control", b"private, no-store"), (b"content-length", b"0")]
    await _start(send, 302, headers)
    await _end(send)


async def answer_json(scope: Scope, send: Send, value: object) -> None:
    """Answer with JSON that is for one client alone."""
    body = msgspec.json.encode(value)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"private, no-store"),
    ]
    await _start(send, 200, headers)
    await _end(send, b"" if scope["method"] == "HEAD" else body)


async def answer_problem(scope: Scope, send: Send, problem: Problem) -> None:
    """Answer with the JSON of a Problem."""
    body = msgspec.json.encode(problem.body())
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        *((name.encode(), value.encode()) for name, value in problem.headers.items()),
    ]
    await _start(send, problem.status, headers)
    await _end(send, b"" if scope["method"] == "HEAD" else body)


def _start(send: Send, status: int, headers: list[tuple[bytes, bytes]]) -> Awaitable[None]:
    return send({"type": "http.response.start", "status": status, "headers": headers})


def _part(send: Send, body: bytes) -> Awaitable[None]:
    return send({"type": "http.response.body", "body": body, "more_body": True})


def _end(send: Send, body: bytes = b"") -> Awaitable[None]:
    return send({"type": "http.response.body", "body": body, "more_body": False})
