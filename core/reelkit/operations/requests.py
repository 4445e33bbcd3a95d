"""What every request gets, whoever answers it: an id, CORS, a line in the log, a count, and never a stack trace."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Awaitable
from contextlib import suppress
from itertools import count

import msgspec
import structlog

from reelkit.delivery.asgi import ROUTE, App, Message, Receive, Scope, Send
from reelkit.operations.access_log import AccessLog
from reelkit.operations.cors import EXPOSED, is_preflight, preflight
from reelkit.operations.logs import masked_path, request_id
from reelkit.operations.metrics import Metrics
from reelkit.problems import ServerError

__all__ = ["Observed"]

SILENCE = 60.0
"""Seconds without a byte of a body after which its client is taken for gone; else anybody could hold requests open."""
LINGER = 5.0
"""Seconds for which the rest of a refused upload is taken and thrown away, so that its client reads the refusal."""

_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
"""Those that are counted by name; a client can make up any number of others, and each would be kept for ever."""

_ID = re.compile(rb"[A-Za-z0-9._-]{8,64}")
_EVERYWHERE = (*EXPOSED, (b"x-content-type-options", b"nosniff"))
_OWN = frozenset(name for name, _ in _EVERYWHERE)
_SERVER_ERROR = msgspec.json.encode(ServerError().body())

log = structlog.get_logger("reelkit.requests")


class Observed:
    """The outermost ASGI application."""

    def __init__(self, app: App, metrics: Metrics, access_log: AccessLog) -> None:
        self._app = app
        self._requests = metrics.requests
        self._log = access_log
        self._prefix = secrets.token_hex(6)
        self._numbers = count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        id, agent = self._introduce(scope)
        mark = request_id.set(id)
        answer = _Answer(send, id)
        taken = receive if scope["method"] in ("GET", "HEAD") else _Taken(receive)
        self._requests.under_way += 1
        try:
            if is_preflight(scope):
                scope[ROUTE] = "preflight"
                await preflight(scope, answer)
            else:
                await self._app(scope, taken, answer)
        except Exception as error:
            log.error("request failed", exc_info=error, path=masked_path(scope["path"]))
            if answer.status == 0:
                await self._fail(answer)
        finally:
            self._requests.under_way -= 1
            self._note(scope, id, agent, answer, time.perf_counter() - started)
            request_id.reset(mark)
        if isinstance(taken, _Taken):
            await taken.linger(scope)

    def _introduce(self, scope: Scope) -> tuple[str, bytes]:
        """Return the id, a good one of a proxy's if it sent one, and the user agent."""
        id = agent = b""
        for name, value in scope["headers"]:
            if name == b"x-request-id" and _ID.fullmatch(value):
                id = value
            elif name == b"user-agent":
                agent = value[:200]
        return id.decode() if id else f"{self._prefix}{next(self._numbers):08x}", agent

    def _note(self, scope: Scope, id: str, agent: bytes, answer: _Answer, seconds: float) -> None:
        route = scope.get(ROUTE) or scope.get("path_template") or "unmatched"
        # 499: nginx's word for a client that went before there was an answer.
        status = answer.status or 499
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._requests.answered(method, route, status, seconds, answer.size)
        client = scope["client"][0] if scope["client"] else ""
        query = scope["query_string"]
        said = (time.time(), id, scope["method"], scope["path"], query, status, seconds, answer.size, client, agent)
        self._log.write(said)

    async def _fail(self, send: Send) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(_SERVER_ERROR))]
        await send({"type": "http.response.start", "status": 500, "headers": headers})
        await send({"type": "http.response.body", "body": _SERVER_ERROR, "more_body": False})


class _Answer:
    """A send that adds the headers of every answer and remembers what went out. status: 0 until it began."""

    def __init__(self, send: Send, id: str) -> None:
        self._send = send
        self._id = id
        self.status = 0
        self.size = 0

    def __call__(self, message: Message) -> Awaitable[None]:
        kind = message["type"]
        if kind == "http.response.start":
            self.status = message["status"]
            headers = list(message.get("headers", ()))
            for name, _ in headers:
                if name in _OWN:
                    headers = [header for header in headers if header[0] not in _OWN]
                    break
            message["headers"] = [*headers, (b"x-request-id", self._id.encode()), *_EVERYWHERE]
        elif kind == "http.response.body":
            self.size += len(message.get("body", b""))
        return self._send(message)


class _Taken:
    """A receive that knows whether the body was taken to its end."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._ended = False
        self._size = 0

    async def __call__(self) -> Message:
        if self._ended:
            return await self._receive()
        try:
            async with asyncio.timeout(SILENCE):
                message = await self._receive()
        except TimeoutError:
            message = {"type": "http.disconnect"}
        self._size += len(message.get("body") or b"")
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            self._ended = True
        return message

    async def linger(self, scope: Scope) -> None:
        """Take what is left of a body, for a while: closing a socket with unread bytes destroys the answer on its way."""
        headers = dict(scope["headers"])
        declared = headers.get(b"content-length", b"")
        size = int(declared) if declared.isdigit() else None
        if size is None and b"transfer-encoding" not in headers:
            return
        with suppress(TimeoutError, Exception):
            async with asyncio.timeout(LINGER):
                while not self._ended and (size is None or self._size < size):
                    await self()
