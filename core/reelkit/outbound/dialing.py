"""Connections for programs that speak HTTP or anything else themselves: where they lead is checked here, and only here."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterable
from typing import TypeVar

from reelkit.outbound.errors import OutboundFailed
from reelkit.outbound.network import GuardedNetwork, Resolve, system_resolve
from reelkit.outbound.tls import certificates, tls_fault

__all__ = ["dial"]

P = TypeVar("P", bound=asyncio.BaseProtocol)


async def dial(
    speaks: Callable[[], P],
    host: str,
    port: int,
    *,
    secure: bool,
    allow_private: Iterable[str] = (),
    timeout: float = 5.0,
    resolve: Resolve = system_resolve,
    tls: ssl.SSLContext | None = None,
) -> tuple[asyncio.Transport, P]:
    """Connect to a host, as `checked_url` reads it, and return the transport with the protocol that `speaks` made.

    The name is resolved once, what it stands for is checked, and that very address is connected to. secure: over TLS,
    with a certificate of the host. timeout: seconds for all of it. Raises OutboundRefused, OutboundFailed.
    """
    network = GuardedNetwork(allow_private, resolve)
    context = (tls or certificates()) if secure else None
    try:
        async with asyncio.timeout(timeout):
            last: Exception = OSError()
            addresses = await network.addresses(host, port)
            for address in addresses:
                try:
                    async with asyncio.timeout(timeout / len(addresses)):
                        return await asyncio.get_running_loop().create_connection(
                            speaks, address, port, ssl=context, server_hostname=host if context else None
                        )
                except ssl.SSLError as error:
                    raise OutboundFailed(f"{host} could not be reached: {tls_fault(error)}") from error
                except OSError as error:  # of which TimeoutError is one
                    last = error
            raise last
    except TimeoutError as error:
        raise OutboundFailed(f"{host} could not be reached within {timeout:g} s.") from error
    except OSError as error:
        raise OutboundFailed(f"{host} could not be reached.") from error
