"""One connection of HTTP/1.1 (RFC 9112) as a client: heads are read strictly, bodies in large pieces into their own buffer.

The usual clients hand bodies on in small pieces through many hands, which costs more than the bytes themselves.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import cast

import msgspec
from reelkit import OutboundFailed

__all__ = ["PIECE", "Broken", "Connection", "Head", "Silent"]

PIECE = 256 << 10
"""Bytes of a body that are read before they are handed on, if so many come at once."""
SMALL = 32 << 10
"""Bytes that are rather copied than handed on with the buffer that they are in."""
HEAD = 32 << 10
"""Bytes that a head may have."""
INTERIM = 8
"""Heads of status 1xx before the one of the answer."""
GATHER = 0.002
"""Seconds for which more is waited for once something has come, since each piece handed on costs."""
LINE = 1024
"""Bytes that the size of a chunk and its extensions may have."""

_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: [^\r\n\0]*)?")
# The blanks around a value are no part of it, and stripped: a pattern that finds them takes hours for many of them.
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]++):([\t\x20-\x7e\x80-\xff]*+)")
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?")


class Broken(OutboundFailed):
    """The connection ended where it must not, or what came over it is not HTTP."""


class Silent(OutboundFailed):
    """The host took too long."""


class Head(msgspec.Struct, frozen=True):
    """The head of an answer. headers: by lower-case name, joined by commas; length: bytes, if it is told."""

    status: int
    headers: dict[str, str]
    length: int | None
    chunked: bool
    lasting: bool
    """Whether another request may follow on the connection."""


def read_head(raw: bytes, method: str) -> Head:
    """Read a head without the blank line at its end. method: of the request. Raises Broken."""
    first, *lines = raw.split(b"\r\n")
    status_line = _STATUS.fullmatch(first)
    if status_line is None:
        raise Broken("its answer does not begin as HTTP does.")
    status = int(status_line[2])
    headers: dict[str, str] = {}
    for line in lines:
        field = _FIELD.fullmatch(line)
        if field is None:
            raise Broken("its answer has a header that is none.")
        name, value = field[1].decode("ascii").lower(), field[2].strip(b" \t").decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    lasting = status_line[1] == b"1" and "close" not in headers.get("connection", "").lower()
    if method == "HEAD" or status in (204, 304):
        return Head(status, headers, 0, False, lasting)
    coding = headers.get("transfer-encoding")
    if coding is not None:
        if coding.lower() != "chunked" or status_line[1] == b"0":
            raise Broken("its answer is packed for the way in a manner that is not known here.")
        # RFC 9112, 6.3: beside a length this smells of smuggling, so nothing follows on this connection.
        return Head(status, headers, None, True, lasting and "content-length" not in headers)
    lengths = {part.strip() for part in headers.get("content-length", "").split(",")}
    if lengths == {""}:
        return Head(status, headers, None, False, False)
    length = lengths.pop()
    if lengths or not (length.isascii() and length.isdecimal() and len(length) < 19):
        raise Broken("its answer has a length that is none.")
    return Head(status, headers, int(length), False, lasting)


class Connection(asyncio.BufferedProtocol):
    """Asks one thing after the other. `host` is for what people are told."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.lasting = False
        """Whether it can be asked again: the answer was taken to its end, and more may follow."""
        self.fresh = True
        """Whether nothing was asked yet."""
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray(HEAD)
        self._filled = 0
        self._paused = False
        self._ended = False
        self._waiter: asyncio.Future[None] | None = None
        self._gather: asyncio.TimerHandle | None = None
        self._left: int | None = 0
        self._chunks: _Chunks | None = None

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one without saying so

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  the signature is asyncio's
        """Return where to write what comes."""
        return memoryview(self._buffer)[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """Take note of what came, and tell who waits once it is worth it."""
        self._filled += nbytes
        if self._filled == len(self._buffer):
            self._pause()
            self._wake()
        elif self._waiter is not None:
            if self._left is not None and self._filled >= self._left:
                self._wake()
            elif self._gather is None:
                self._gather = self._loop.call_later(GATHER, self._wake)

    def eof_received(self) -> bool:
        """Take note that no more comes."""
        self._ended = True
        self._wake()
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  the signature is asyncio's
        """Take note that the connection is gone."""
        self._ended = True
        self._wake()

    # What its user calls

    @property
    def closed(self) -> bool:
        """Whether nothing can be asked any more."""
        return self._ended or self._filled > 0 or self._transport is None or self._transport.is_closing()

    @property
    def finished(self) -> bool:
        """Whether the body was read to its end."""
        return self._left == 0

    def close(self) -> None:
        """End it now; what is on the way is thrown away."""
        self._ended = True
        self._wake()
        if self._transport is not None:
            self._transport.abort()

    async def ask(self, method: str, target: str, headers: Mapping[str, str], timeout: float) -> Head:
        """Send a request without a body and return the head of its answer. timeout: seconds until it is there, whole.

        Raises Broken, Silent.
        """
        assert self._transport is not None
        self.lasting = self.fresh = False
        self._left = 0
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        self._transport.write("\r\n".join(lines).encode("latin-1"))
        try:
            async with asyncio.timeout(timeout):
                for _ in range(INTERIM + 1):
                    head = read_head(await self._head(), method)
                    if head.status >= 200:
                        break
                    if head.status == 101:
                        raise Broken("it wants to speak another protocol.")
                else:
                    raise Broken("it announces an answer again and again.")
        except TimeoutError:
            raise Silent(f"{self.host} did not begin its answer within {timeout:g} s.") from None
        except Broken as error:
            raise Broken(f"{self.host} cannot be understood: {error}") from None
        self._left, self._chunks = head.length, _Chunks() if head.chunked else None
        self._may_last = head.lasting
        if self._left == 0:
            self._finish()
        elif len(self._buffer) < PIECE:
            grown = bytearray(min(PIECE, max(self._left, HEAD)) if self._left else PIECE)
            grown[: self._filled] = memoryview(self._buffer)[: self._filled]
            self._buffer = grown
            self._resume()
        return head

    async def read(self, timeout: float) -> bytes | bytearray:
        """Return the next bytes of the body, nothing at its end. timeout: seconds of silence; sizes of chunks and trailers
        break none. Raises Broken, Silent."""
        until = self._loop.time() + timeout
        while self._left != 0:
            if not self._filled:
                if self._ended:
                    return self._end_of_connection()
                try:
                    async with asyncio.timeout_at(until):
                        await self._wait()
                except TimeoutError:
                    raise Silent(f"{self.host} was silent for {timeout:g} s.") from None
                continue
            raw = self._take()
            if self._chunks is None:
                if self._left is not None:
                    self._left -= len(raw)
                    if self._left == 0:
                        self._finish()
                return raw
            data = self._chunks.decode(raw)
            if self._chunks.done:
                self._left = 0
                self._finish()
            if data:
                return data
        return b""

    # Inside

    def _finish(self) -> None:
        """Take note that the answer was taken to its end. What comes before the next question is not asked for."""
        self.lasting = self._may_last and not self._filled and not (self._chunks and self._chunks.surplus)
        self._buffer = bytearray(HEAD)
        self._resume()

    def _end_of_connection(self) -> bytes:
        if self._left is None and self._chunks is None:
            self._left = 0
            return b""
        raise Broken(f"The connection to {self.host} broke.")

    def _take(self) -> bytes | bytearray:
        filled, self._filled = self._filled, 0
        if self._left is not None and filled > self._left:
            # More than was announced; the connection is not used again.
            self._may_last = False
            filled = self._left
        if filled <= SMALL:
            piece: bytes | bytearray = bytes(memoryview(self._buffer)[:filled])
        else:
            piece = self._buffer
            if filled < len(piece):
                del piece[filled:]
            left = PIECE if self._left is None else min(PIECE, self._left - filled)
            self._buffer = bytearray(max(left, SMALL))
        self._resume()
        return piece

    async def _head(self) -> bytes:
        """Return the next head, without its blank line. Raises Broken."""
        searched = 0
        while True:
            end = self._buffer.find(b"\r\n\r\n", searched, self._filled)
            if end >= 0:
                break
            searched = max(0, self._filled - 3)
            if self._ended:
                raise Broken("it closed the connection before it answered.")
            if self._filled == len(self._buffer):
                raise Broken(f"its answer begins with more than {HEAD} bytes of headers.")
            await self._wait()
        head = bytes(memoryview(self._buffer)[:end])
        rest = bytes(memoryview(self._buffer)[end + 4 : self._filled])
        self._buffer[: len(rest)] = rest
        self._filled = len(rest)
        self._resume()
        return head

    async def _wait(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._gather is not None:
            self._gather.cancel()
            self._gather = None
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _pause(self) -> None:
        if not self._paused and self._transport is not None and not self._transport.is_closing():
            self._paused = True
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self._paused and self._filled < len(self._buffer) and self._transport is not None:
            self._paused = False
            if not self._transport.is_closing():
                self._transport.resume_reading()


class _Chunks:
    """Takes chunks apart (RFC 9112, 7.1). done: the last one and the trailer were seen; surplus: more came after it."""

    def __init__(self) -> None:
        self.done = False
        self.surplus = False
        self._left = 0
        self._line = b""
        self._trailer = 0
        self._expects: str = "size"

    def decode(self, raw: bytes | bytearray) -> bytes:
        """Return the bytes that the raw ones carry. Raises Broken."""
        found: list[memoryview] = []
        view, at = memoryview(raw), 0
        while at < len(raw):
            if self.done:
                self.surplus = True
                break
            if self._expects == "data":
                piece = view[at : at + self._left]
                found.append(piece)
                at += len(piece)
                self._left -= len(piece)
                if self._left == 0:
                    self._expects = "end"
                continue
            newline = raw.find(b"\n", at)
            stop = len(raw) if newline < 0 else newline + 1
            self._line += view[at:stop]
            at = stop
            if len(self._line) > LINE:
                raise Broken("A chunk of the answer has no size.")
            if newline >= 0:
                line, self._line = self._line, b""
                self._take_line(line)
        return b"".join(found)

    def _take_line(self, line: bytes) -> None:
        if not line.endswith(b"\r\n"):
            raise Broken("A chunk of the answer has no size.")
        line = line[:-2]
        if self._expects == "end":
            if line:
                raise Broken("A chunk of the answer is longer than it says.")
            self._expects = "size"
        elif self._expects == "trailer":
            self._trailer += len(line) + 2
            if self._trailer > HEAD:
                raise Broken(f"The answer ends with more than {HEAD} bytes of headers.")
            self.done = not line
        else:
            size = _SIZE.fullmatch(line)
            if size is None:
                raise Broken("A chunk of the answer has no size.")
            self._left = int(size[1], 16)
            self._expects = "data" if self._left else "trailer"
