"""Opening connections: a name is resolved once, what it stands for is checked, and that very address is connected to."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import httpcore

from reelkit.outbound.addresses import PrivateHosts, outside
from reelkit.outbound.errors import OutboundFailed, OutboundRefused

__all__ = ["GuardedNetwork", "Resolve", "system_resolve"]

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""(host, port) → numeric addresses, the best first. Raises OSError when the name stands for nothing."""

MOST_ADDRESSES = 4
"""Of one name; when none of so many answers, the others hardly will."""

# Its own threads: a resolver that hangs must not take those that read files.
_threads = ThreadPoolExecutor(max_workers=8, thread_name_prefix="resolve")


async def system_resolve(host: str, port: int) -> list[str]:
    """Ask the operating system."""
    loop = asyncio.get_running_loop()
    found = await loop.run_in_executor(_threads, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    return list(dict.fromkeys(str(sockaddr[0]) for _, _, _, _, sockaddr in found))


class GuardedNetwork(httpcore.AsyncNetworkBackend):
    """The only place of an Outbound where connections are made; redirects and everything else come by here.

    TLS still asks for, and checks, the name in the URL: httpcore starts it afterwards on what this returns.
    """

    def __init__(self, allow_private: Iterable[str], resolve: Resolve) -> None:
        self._private = PrivateHosts(allow_private)
        self._resolve = resolve
        self._sockets = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to a host. timeout: seconds for the resolver and all tries together. Raises OutboundRefused."""
        try:
            async with asyncio.timeout(timeout):
                addresses = await self.addresses(host, port)
                return await self._first(addresses, port, timeout, local_address, socket_options)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(f"{host} could not be reached in time") from error

    async def connect_unix_socket(
        self,
        path: str,  # noqa: ARG002  the signature is httpcore's
        timeout: float | None = None,  # noqa: ARG002  the signature is httpcore's
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,  # noqa: ARG002  the signature is httpcore's
    ) -> httpcore.AsyncNetworkStream:
        """Refuse: no URL leads to a file."""
        raise OutboundRefused("Sockets in the file system are not called.")

    async def sleep(self, seconds: float) -> None:
        """Wait between tries."""
        await asyncio.sleep(seconds)

    async def addresses(self, host: str, port: int) -> list[str]:
        """Return the addresses of a host that may be connected to, the best first, at most MOST_ADDRESSES of them.

        Raises OutboundRefused when any address of the host is inside: a mixed answer is a trick, or a mistake.
        """
        addresses = await self._resolved(host, port)
        if (host, port) not in self._private and not all(outside(address) for address in addresses):
            raise OutboundRefused(
                f"{host} is inside a private network, which this site does not call. "
                "Its operator can allow it: allow_private under [network] in site.toml."
            )
        return addresses[:MOST_ADDRESSES]

    async def _resolved(self, host: str, port: int) -> list[str]:
        try:
            return [str(ipaddress.ip_address(host))]
        except ValueError:
            pass
        try:
            addresses = await self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise OutboundFailed(f"There is no host {host}.") from error
        if not addresses:
            raise OutboundFailed(f"There is no host {host}.")
        return addresses

    async def _first(
        self,
        addresses: list[str],
        port: int,
        timeout: float | None,
        local_address: str | None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address that answers, giving each its share of the time."""
        options = list(socket_options or ())
        share = None if timeout is None else timeout / len(addresses)
        for address in addresses[:-1]:
            try:
                return await self._sockets.connect_tcp(address, port, share, local_address, options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._sockets.connect_tcp(addresses[-1], port, timeout, local_address, options)
