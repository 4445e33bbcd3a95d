"""Which addresses of the internet protocol are out in the internet, and which hosts may be elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

__all__ = ["PrivateHosts", "outside"]

# IANA's special-purpose registries. Not `is_global`: what it answers has changed between versions of Python.
_IPV4_INSIDE = [
    ip_network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT; 100.100.100.200 is a metadata service
        "127.0.0.0/8",
        "168.63.129.16/32",  # public by number, yet the host's own service in one large cloud
        "169.254.0.0/16",  # link-local: 169.254.169.254 is the metadata service of most clouds
        "172.16.0.0/12",
        "192.0.0.0/24",  # 192.0.0.192 is a metadata service
        "192.0.2.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
]

# Everything else is inside: loopback, unique local, link-local, multicast, IPv4-mapped, NAT64 (64:ff9b::/96).
_IPV6_OUTSIDE = ip_network("2000::/3")
_IPV6_INSIDE = [
    ip_network(text)
    for text in (
        "2001::/23",  # Teredo, ORCHID, benchmarks
        "2001:db8::/32",
        "2002::/16",  # 6to4: carries any IPv4 address
        "3fff::/20",
    )
]


def outside(address: str) -> bool:
    """Say whether a numeric address can only be a host in the public internet; False for what is no address at all."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv4Address):
        return not any(found in network for network in _IPV4_INSIDE)
    return _is_outside_v6(found)


def _is_outside_v6(address: IPv6Address) -> bool:
    if address.scope_id is not None or address not in _IPV6_OUTSIDE:
        return False
    return not any(address in network for network in _IPV6_INSIDE)


class PrivateHosts:
    """The hosts that may be on private addresses. Each is named as it stands in URLs: `host`, `host:port`, `[::1]:8080`."""

    def __init__(self, hosts: Iterable[str]) -> None:
        self._hosts: set[str] = set()
        for host in hosts:
            name = host.strip().lower()
            # An IPv6 address alone may be written with or without brackets.
            self._hosts.add(f"[{name}]" if name.count(":") > 1 and not name.startswith("[") else name)

    def __contains__(self, place: object) -> bool:
        """place: (host, port), the host as in a URL but without brackets."""
        if not isinstance(place, tuple):
            return False
        host, port = place
        name = f"[{host}]" if ":" in host else host.removesuffix(".")
        return name in self._hosts or f"{name}:{port}" in self._hosts
