"""Where a request comes from: the one place that decides whom X-Forwarded-For is believed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

__all__ = ["ClientAddresses", "block_of"]

Scope = MutableMapping[str, Any]
App = Callable[[Any, Any, Any], Awaitable[None]]

LONGEST = 2048
"""Bytes of X-Forwarded-For that are looked at, the last ones: those are what servers near us have added."""
REMEMBERED = 1024


class ClientAddresses:
    """An ASGI application in front of all others, which puts the viewer's address into `scope["client"]`.

    trusted: addresses and networks of web servers in front of this one. Only what they add is believed: X-Forwarded-For is
    read from its end, and the first address that is not one of them is the client. Raises ValueError for what is none.
    """

    def __init__(self, app: App, trusted: Iterable[str]) -> None:
        self._app = app
        self._networks = tuple(ip_network(text, strict=False) for text in trusted)
        self._known: dict[str, bool] = {}

    def __call__(self, scope: Scope, receive: Any, send: Any) -> Awaitable[None]:
        if scope["type"] in ("http", "websocket") and (peer := scope.get("client")) is not None and self._trusts(peer[0]):
            forwarded = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
            if forwarded:
                scope["client"] = (self._client(peer[0], b",".join(forwarded)), peer[1])
        return self._app(scope, receive, send)

    def _client(self, peer: str, forwarded: bytes) -> str:
        """Return the address nearest to us that is no server of ours; the farthest of ours when there is no other."""
        found = peer
        for part in reversed(forwarded[-LONGEST:].decode("latin-1").split(",")):
            address = _address(part)
            if address is None:
                break  # what stands before it was not added by a server of ours
            found = str(address)
            if not self._trusts(found):
                break
        return found

    def _trusts(self, text: str) -> bool:
        known = self._known.get(text)
        if known is None:
            address = _address(text)
            known = address is not None and any(address in network for network in self._networks)
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[text] = known
        return known


def block_of(address: str) -> str:
    """Return what stands for somebody who has an address: it, or its /64 for IPv6, of which anybody gets a whole one."""
    found = _address(address)
    if isinstance(found, IPv6Address):
        return str(ip_network((found, 64), strict=False))
    return address if found is None else str(found)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Read an address, with a port or without, as servers write them."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address
