"""Writes small files in the MaxMind DB format 2.0: a binary tree of addresses, and a map for each network."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Network, ip_network
from typing import Any

__all__ = ["database"]

MARK = b"\xab\xcd\xefMaxMind.com"


def database(networks: Mapping[str, Any], kind: str = "Test-Country") -> bytes:
    """Return a file of IPv6 addresses (IPv4 below ::/96) that tells something of networks, longest prefixes last."""
    data = b""
    nodes: list[list[Any]] = [[None, None]]
    for text, told in networks.items():
        network = ip_network(text)
        shift = 96 if isinstance(network, IPv4Network) else 0
        bits, length = int(network.network_address), network.prefixlen + shift
        node = nodes[0]
        for depth in range(length):
            bit = bits >> (127 - depth) & 1
            if depth == length - 1:
                node[bit] = len(data).to_bytes(4, "big")
            else:
                if not isinstance(node[bit], int):
                    nodes.append([node[bit], node[bit]])
                    node[bit] = len(nodes) - 1
                node = nodes[node[bit]]
        data += encoded(told)
    tree = b"".join(record(child, len(nodes)).to_bytes(4, "big") for node in nodes for child in node)
    about = {
        "node_count": len(nodes),
        "record_size": 32,
        "ip_version": 6,
        "database_type": kind,
        "languages": ["en"],
        "binary_format_major_version": 2,
        "binary_format_minor_version": 0,
        "build_epoch": 1_700_000_000,
        "description": {"en": "for tests"},
    }
    return tree + bytes(16) + data + MARK + encoded(about)


def record(child: Any, nodes: int) -> int:
    """Return what stands for a child: a node, nothing, or a place in the data."""
    if child is None:
        return nodes
    return child if isinstance(child, int) else nodes + 16 + int.from_bytes(child, "big")


def encoded(value: Any, name: str = "") -> bytes:
    """Return a map, text, list or number as data."""
    if isinstance(value, dict):
        return head(7, len(value)) + b"".join(encoded(key) + encoded(told, key) for key, told in value.items())
    if isinstance(value, list):
        return head(11, len(value)) + b"".join(encoded(one) for one in value)
    if isinstance(value, str):
        return head(2, len(value.encode())) + value.encode()
    number: bytes = value.to_bytes(8, "big").lstrip(b"\0")
    # Each number of the metadata has a type of its own; readers insist.
    return head({"node_count": 6, "build_epoch": 9}.get(name, 5), len(number)) + number


def head(kind: int, size: int) -> bytes:
    """Return the control byte of a value of less than 29 parts or bytes, or of at most 284."""
    length, more = (size, b"") if size < 29 else (29, bytes([size - 29]))
    return (bytes([kind << 5 | length]) if kind < 8 else bytes([length, kind - 7])) + more
