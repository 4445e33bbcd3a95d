"""The open connections to origins: kept for the next request for a while, a few of each."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from reelkit import OutboundFailed, dial

from reelkit_streamproxy.addresses import Address
from reelkit_streamproxy.http1 import Broken, Connection, Head, Silent

__all__ = ["Connections"]

KEPT = 8
"""Idle connections of one host."""
IDLE = 10.0
"""Seconds for which one is kept; shorter than what servers allow, so that few are asked while they close."""

Place = tuple[str, str, int]
Resolve = Callable[[str, int], Awaitable[list[str]]]


class Connections:
    """Asks hosts. resolve, tls: what tests put in place of the system's resolver and certificates."""

    def __init__(
        self,
        allow_private: Iterable[str],
        connect_seconds: float,
        first_byte_seconds: float,
        *,
        resolve: Resolve | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._allow_private = tuple(allow_private)
        self._connect_seconds = connect_seconds
        self._first_byte_seconds = first_byte_seconds
        self._special: dict[str, Any] = {"tls": tls} if resolve is None else {"tls": tls, "resolve": resolve}
        self._idle: dict[Place, list[tuple[Connection, asyncio.TimerHandle]]] = {}

    async def ask(self, method: str, address: Address, headers: Mapping[str, str]) -> tuple[Connection, Head]:
        """Send a request and return its connection, for reading the body and giving back, with the head of the answer.

        Raises OutboundRefused, OutboundFailed.
        """
        host = address.origin.partition("://")[2]
        sent = {"host": host, "accept-encoding": "identity", "user-agent": "reelkit", "accept": "*/*", **headers}
        target = address.path if address.query is None else f"{address.path}?{address.query}"
        while True:
            connection = self._taken(address) or await self._connected(address)
            fresh = connection.fresh
            try:
                return connection, await connection.ask(method, target, sent, self._first_byte_seconds)
            except Broken:
                connection.close()
                # One that was kept may have been closed by the host a moment ago; that says nothing about the next.
                if fresh:
                    raise
            except BaseException:
                connection.close()
                raise

    def give_back(self, address: Address, connection: Connection) -> None:
        """Keep a connection for the next request if it can be asked again, else close it."""
        place = _place(address)
        kept = self._idle.setdefault(place, [])
        if not connection.lasting or connection.closed or len(kept) >= KEPT:
            connection.close()
            return
        timer = asyncio.get_running_loop().call_later(IDLE, self._expire, place, connection)
        kept.append((connection, timer))

    def close(self) -> None:
        """Close those that nobody uses."""
        for kept in self._idle.values():
            for connection, timer in kept:
                timer.cancel()
                connection.close()
        self._idle.clear()

    def _taken(self, address: Address) -> Connection | None:
        kept = self._idle.get(_place(address))
        while kept:
            connection, timer = kept.pop()
            timer.cancel()
            if not connection.closed:
                return connection
            connection.close()
        return None

    async def _connected(self, address: Address) -> Connection:
        try:
            _, connection = await dial(
                lambda: Connection(address.host),
                address.host,
                address.port,
                secure=address.scheme == "https",
                allow_private=self._allow_private,
                timeout=self._connect_seconds,
                **self._special,
            )
        except OutboundFailed as error:
            if isinstance(error.__cause__, TimeoutError):
                raise Silent(str(error)) from error
            raise
        return connection

    def _expire(self, place: Place, connection: Connection) -> None:
        connection.close()
        kept = self._idle.get(place, [])
        kept[:] = [each for each in kept if each[0] is not connection]
        if not kept:
            self._idle.pop(place, None)


def _place(address: Address) -> Place:
    return address.scheme, address.host, address.port
