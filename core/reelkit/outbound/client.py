"""The client: requests with limits on time, size and redirects; no cookies, no proxies, no decompression."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Self

import httpcore
import httpx
import msgspec

from reelkit.outbound.errors import OutboundFailed, OutboundTooLarge
from reelkit.outbound.limits import OutboundLimits
from reelkit.outbound.network import GuardedNetwork, Resolve, system_resolve
from reelkit.outbound.tls import certificates, tls_fault
from reelkit.outbound.urls import checked_url

__all__ = ["Answer", "Opened", "Outbound"]

_OURS = frozenset({"host", "connection", "transfer-encoding", "content-length", "te", "upgrade", "proxy-authorization"})
"""Headers that say how a message travels: the client's own business."""

_PERSONAL = frozenset({"authorization", "cookie"})
"""Headers meant for one host only."""


_LIMITS = OutboundLimits()


class Answer(msgspec.Struct, frozen=True):
    """A whole answer. url: where it came from, after redirects."""

    status: int
    headers: httpx.Headers
    body: bytes
    url: str


class Opened:
    """An answer whose body is still to be read, once. headers: case does not matter; url: after redirects."""

    def __init__(
        self, response: httpcore.Response, url: httpx.URL, limits: OutboundLimits, deadline: float | None, encoded: bool
    ) -> None:
        self.status = response.status
        self.headers = httpx.Headers(response.headers)
        self.url = str(url)
        self._host = url.host
        self._response = response
        self._limits = limits
        self._deadline = deadline
        self._encoded = encoded

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it was sent. Raises OutboundTooLarge at the first byte too many, OutboundFailed."""
        self._check_headers()
        stream = self._response.stream
        assert isinstance(stream, AsyncIterable)
        left = self._limits.size
        parts = aiter(stream)
        while True:
            with _explained(self._host, self._limits):
                async with asyncio.timeout_at(self._deadline):
                    try:
                        part = await anext(parts)
                    except StopAsyncIteration:
                        return
            left -= len(part)
            if left < 0:
                raise self._too_large()
            yield part

    async def read(self) -> bytes:
        """Return the whole body. Raises OutboundTooLarge, OutboundFailed."""
        return b"".join([part async for part in self.chunks()])

    def _check_headers(self) -> None:
        length = self.headers.get("content-length", "")
        if length.isdecimal() and int(length) > self._limits.size:
            raise self._too_large()
        # A compressed answer could be any size once it is unpacked; whoever asks for one unpacks it with care.
        if not self._encoded and self.headers.get("content-encoding", "identity").lower() != "identity":
            raise OutboundFailed(f"{self._host} sent a compressed answer although it was asked not to.")

    def _too_large(self) -> OutboundTooLarge:
        return OutboundTooLarge(f"The answer of {self._host} is larger than {self._limits.size} bytes.")


class Outbound:
    """A client for URLs from outside. allow_private: hosts that may be on private addresses, as in site.toml.

    Connections are kept and reused; close it, or use it with `async with`, and only in one event loop.
    resolve, tls: what tests put in place of the system's resolver and certificates.
    """

    def __init__(
        self,
        allow_private: Iterable[str] = (),
        *,
        limits: OutboundLimits = _LIMITS,
        resolve: Resolve = system_resolve,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._limits = limits
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls or certificates(),
            max_connections=200,
            max_keepalive_connections=20,
            keepalive_expiry=15.0,
            network_backend=GuardedNetwork(allow_private, resolve),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.aclose()

    async def fetch(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes = b"",
        limits: OutboundLimits | None = None,
    ) -> Answer:
        """Ask and return the whole answer, whatever its status. Raises OutboundRefused, OutboundFailed, OutboundTooLarge."""
        async with self.open(method, url, headers=headers, content=content, limits=limits) as opened:
            return Answer(opened.status, opened.headers, await opened.read(), opened.url)

    @asynccontextmanager
    async def open(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes = b"",
        limits: OutboundLimits | None = None,
    ) -> AsyncIterator[Opened]:
        """Ask and hand out the answer once its headers are there, whatever its status.

        headers: an Accept-Encoding among them gets the body as it is sent, compressed or not. A redirect is checked like
        the first URL and one too many is a failure; with redirects=0 it is the answer.
        Raises OutboundRefused, OutboundFailed.
        """
        limits = limits or self._limits
        deadline = None if limits.total is None else asyncio.get_running_loop().time() + limits.total
        asked = httpx.Headers(headers or {})
        if ours := _OURS & set(asked):
            raise ValueError(f"the client itself sends {', '.join(sorted(ours))}")
        encoded = "accept-encoding" in asked
        here = checked_url(url)
        for followed in range(limits.redirects + 1):
            response = await self._send(_request(method, here, asked, content, limits), here, limits, deadline)
            try:
                there = _location(response, here) if limits.redirects else None
                if there is None:
                    yield Opened(response, here, limits, deadline, encoded)
                    return
            finally:
                await response.aclose()
            if followed == limits.redirects:
                raise OutboundFailed(f"{here.host} redirects more than {limits.redirects} times.")
            if response.status not in (307, 308) and method not in ("GET", "HEAD"):
                method, content = "GET", b""
                asked.pop("content-type", None)
            if (there.scheme, there.netloc) != (here.scheme, here.netloc):
                asked = httpx.Headers([(name, value) for name, value in asked.multi_items() if name not in _PERSONAL])
            here = there
        raise AssertionError("unreachable: the last turn returns or raises")

    async def _send(
        self, request: httpcore.Request, url: httpx.URL, limits: OutboundLimits, deadline: float | None
    ) -> httpcore.Response:
        with _explained(url.host, limits):
            async with asyncio.timeout_at(deadline):
                return await self._pool.handle_async_request(request)


def _request(
    method: str, url: httpx.URL, headers: httpx.Headers, content: bytes, limits: OutboundLimits
) -> httpcore.Request:
    sent = httpx.Headers({"User-Agent": "reelkit", "Accept": "*/*", "Accept-Encoding": "identity"})
    # Names stay as they were spelt: whoever is asked may look for them so.
    sent.update(headers)
    # httpx adds Host and Content-Length.
    made = httpx.Request(method, url, headers=sent, content=content or None)
    return httpcore.Request(
        method,
        httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
        headers=made.headers.raw,
        content=content,
        extensions={
            "timeout": {"connect": limits.connect, "read": limits.read, "write": limits.read, "pool": limits.connect}
        },
    )


def _location(response: httpcore.Response, url: httpx.URL) -> httpx.URL | None:
    """Return where an answer redirects to, checked; None if it does not. Raises OutboundRefused."""
    location = httpx.Headers(response.headers).get("location")
    if response.status not in (301, 302, 303, 307, 308) or location is None:
        return None
    try:
        joined = str(url.join(location))
    except httpx.InvalidURL:
        # Read as it stands, so that the refusal says what is wrong with it.
        joined = location
    return checked_url(joined)


@contextmanager
def _explained(host: str, limits: OutboundLimits) -> Iterator[None]:
    """Turn what goes wrong with a connection into a sentence."""
    try:
        yield
    except httpcore.ConnectTimeout as error:
        raise OutboundFailed(f"{host} could not be reached within {limits.connect:g} s.") from error
    except httpcore.PoolTimeout as error:
        raise OutboundFailed("Too many requests to other hosts are under way.") from error
    except httpcore.TimeoutException as error:
        raise OutboundFailed(f"{host} was silent for {limits.read:g} s.") from error
    except TimeoutError as error:
        raise OutboundFailed(f"{host} did not finish its answer within {limits.total:g} s.") from error
    except httpcore.ConnectError as error:
        why = f": {fault}" if (fault := tls_fault(error)) else "."
        raise OutboundFailed(f"{host} could not be reached{why}") from error
    except httpcore.LocalProtocolError as error:
        raise OutboundFailed(f"The request to {host} cannot be written in HTTP: {error}") from error
    except httpcore.ProtocolError as error:
        raise OutboundFailed(f"{host} broke off its answer, or sent something that is not HTTP.") from error
    except (httpcore.NetworkError, OSError) as error:
        raise OutboundFailed(f"The connection to {host} broke.") from error
