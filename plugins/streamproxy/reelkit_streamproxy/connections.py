"""The open connections to origins: so many of each host, a few of them kept for the next request for a while."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from reelkit import OutboundFailed, dial

from reelkit_streamproxy.addresses import Address
from reelkit_streamproxy.faults import UpstreamBusy
from reelkit_streamproxy.http1 import Broken, Connection, Head, Silent

__all__ = ["Connections"]

KEPT = 8
"""Idle connections of one host."""
IDLE = 10.0
"""Seconds for which one is kept; shorter than what servers allow, so that few are asked while they close."""

Place = tuple[str, str, int]
Resolve = Callable[[str, int], Awaitable[list[str]]]


class Connections:
    """Asks hosts. most: connections of one host that are used at once; whoever comes then waits, and at last gets 503.

    resolve, tls: what tests put in place of the system's resolver and certificates.
    """

    def __init__(
        self,
        allow_private: Iterable[str],
        connect_seconds: float,
        first_byte_seconds: float,
        *,
        most: int,
        resolve: Resolve | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._allow_private = tuple(allow_private)
        self._connect_seconds = connect_seconds
        self._first_byte_seconds = first_byte_seconds
        self._most = most
        self._special: dict[str, Any] = {"tls": tls} if resolve is None else {"tls": tls, "resolve": resolve}
        self._hosts: dict[Place, _Host] = {}

    async def ask(self, method: str, address: Address, headers: Mapping[str, str]) -> tuple[Connection, Head]:
        """Send a request and return its connection, for reading the body and giving back, with the head of the answer.

        Raises OutboundRefused, OutboundFailed, UpstreamBusy.
        """
        host = address.origin.partition("://")[2]
        sent = {"host": host, "accept-encoding": "identity", "user-agent": "reelkit", "accept": "*/*", **headers}
        target = address.path if address.query is None else f"{address.path}?{address.query}"
        await self._enter(address)
        try:
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
        except BaseException:
            self._leave(address)
            raise

    def give_back(self, address: Address, connection: Connection) -> None:
        """Keep a connection for the next request if it can be asked again, else close it."""
        place = _place(address)
        idle = self._hosts[place].idle
        if connection.lasting and not connection.closed and len(idle) < KEPT:
            idle.append((connection, asyncio.get_running_loop().call_later(IDLE, self._expire, place, connection)))
        else:
            connection.close()
        self._leave(address)

    def close(self) -> None:
        """Close those that nobody uses."""
        for place, host in list(self._hosts.items()):
            for connection, timer in host.idle:
                timer.cancel()
                connection.close()
            host.idle.clear()
            self._forget(place)

    async def _enter(self, address: Address) -> None:
        """Take part in the connections of a host; _leave() ends it."""
        host = self._hosts.setdefault(_place(address), _Host(self._most))
        host.asking += 1
        try:
            async with asyncio.timeout(self._connect_seconds):
                await host.room.acquire()
        except BaseException as error:
            host.asking -= 1
            if isinstance(error, TimeoutError):
                raise UpstreamBusy(detail=f"{self._most} requests to {address.host} are under way already.") from None
            raise

    def _leave(self, address: Address) -> None:
        place = _place(address)
        host = self._hosts[place]
        host.asking -= 1
        host.room.release()
        self._forget(place)

    def _forget(self, place: Place) -> None:
        """Drop a host that nothing is left of: a pattern may allow any number of them."""
        host = self._hosts[place]
        if not host.asking and not host.idle:
            del self._hosts[place]

    def _taken(self, address: Address) -> Connection | None:
        idle = self._hosts[_place(address)].idle
        while idle:
            connection, timer = idle.pop()
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
        idle = self._hosts[place].idle
        idle[:] = [each for each in idle if each[0] is not connection]
        self._forget(place)


class _Host:
    """One host. asking: how many use a connection of it, or wait for room."""

    def __init__(self, most: int) -> None:
        self.idle: list[tuple[Connection, asyncio.TimerHandle]] = []
        self.room = asyncio.Semaphore(most)
        self.asking = 0


def _place(address: Address) -> Place:
    return address.scheme, address.host, address.port
