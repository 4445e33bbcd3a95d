"""Hosts, domains, countries and addresses, as people write them in settings and as they are kept."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from ipaddress import ip_network

__all__ = ["read_all", "read_country", "read_domain", "read_host", "read_network"]

MOST = 50
"""Entries of one list."""
_DOMAIN = re.compile(
    r"(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*|\[[0-9a-f:.]{2,45}\])(:[1-9][0-9]{0,4})?",
    re.ASCII,
)
_HOST = re.compile(r"([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:\d{1,5})?|(?=.*:.*:)[0-9A-Fa-f:.]{2,45}", re.ASCII)
"""The last choice is an IPv6 address without brackets."""
_COUNTRY = re.compile(r"[A-Z]{2}", re.ASCII)


def read_domain(text: str) -> str:
    """Return `example.com`, `*.example.com` (any host below it) or either with a port, in lower case and ASCII.

    Raises ValueError with a sentence for people.
    """
    wrong = ValueError(f"{text[:100]!r} is no domain; write example.com, *.example.com or localhost:3000")
    host = text.strip().lower()
    if not host.isascii():
        try:
            host = ".".join(label.encode("idna").decode() if label != "*" else label for label in host.split("."))
        except UnicodeError:
            raise wrong from None
    if len(host) > 253 or _DOMAIN.fullmatch(host) is None:
        raise wrong
    return host


def read_country(text: str) -> str:
    """Return a country's two letters of ISO 3166 in upper case. Raises ValueError with a sentence for people."""
    country = text.strip().upper()
    if _COUNTRY.fullmatch(country) is None:
        raise ValueError(f"{text[:100]!r} is no country; write its two letters of ISO 3166, for example DE")
    return country


def read_network(text: str) -> str:
    """Return an address or a network, `203.0.113.7/32`, `2001:db8::/32`. Raises ValueError with a sentence for people."""
    try:
        return str(ip_network(text.strip(), strict=False))
    except ValueError:
        raise ValueError(f"{text[:100]!r} is no IP address and no network such as 203.0.113.0/24") from None


def read_host(text: str) -> str:
    """Return a host as it stands in a URL, maybe with its port. Raises ValueError with a sentence for people."""
    host = text.strip()
    if _HOST.fullmatch(host) is None:
        raise ValueError(f"{text[:100]!r} is no host; write it as in a URL: intranet, 10.0.0.7, 127.0.0.1:9000, [::1]:8080")
    return host


def read_all(read: Callable[[str], str], texts: Iterable[str]) -> tuple[str, ...]:
    """Return a list of them, each once. Raises ValueError with a sentence for people."""
    found = tuple(dict.fromkeys(read(text) for text in texts))
    if len(found) > MOST:
        raise ValueError(f"these are {len(found)}, of at most {MOST}")
    return found
