"""Reading what the operator wrote of an origin: the pattern of its host, the beginning of its paths."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import unquote_to_bytes

__all__ = ["host_of_pattern", "normal_ip", "segments_of"]

_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


def host_of_pattern(text: str) -> tuple[str, bool]:
    """Return a host as addresses have it (lower case, IDNA, no brackets), and whether names below it are meant instead.

    Raises ValueError, which says what would be right.
    """
    below = text.startswith("*.")
    host = text.removeprefix("*.")
    if "*" in host:
        raise ValueError("the * of a host stands for whole labels at its beginning, as in *.example.org")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    if (address := normal_ip(host)) is not None:
        if below:
            raise ValueError("an address in numbers has no names below it")
        return address, False
    name = _ascii(host).lower().removesuffix(".")
    if len(name) > 253 or not _NAME.fullmatch(name) or _NUMBER.fullmatch(name.rpartition(".")[2]):
        raise ValueError("host must be a name as cdn.example.org, an address, or *.example.org; no scheme, port or path")
    if below and "." not in name:
        raise ValueError(f"*.{name} would be everybody's; name at least two labels, as in *.example.org")
    return name, below


def normal_ip(host: str) -> str | None:
    """Return an IP address the one way that it is compared in; None for what is no address, or one with a zone."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return None if isinstance(address, ipaddress.IPv6Address) and address.scope_id is not None else address.compressed


def segments_of(path: str) -> tuple[bytes, ...]:
    """Return the segments of an absolute path, unescaped; none for `/`. An escaped slash does not divide."""
    inside = path[1:-1] if path.endswith("/") else path[1:]
    return tuple(unquote_to_bytes(segment) for segment in inside.split("/")) if inside else ()


def _ascii(host: str) -> str:
    if host.isascii():
        return host
    # The HTTP library reads international names; few sites have one in their settings.
    from reelkit import OutboundRefused, checked_url

    try:
        return checked_url(f"https://{host}/").raw_host.decode()
    except OutboundRefused as error:
        raise ValueError(f"host cannot be read: {error}") from None
