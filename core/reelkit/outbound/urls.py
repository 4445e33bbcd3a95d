"""Reading a URL that somebody wrote: what is unusual about it is refused, not guessed."""

from __future__ import annotations

import re
from ipaddress import IPv4Address

import httpx

from reelkit.outbound.errors import OutboundRefused

__all__ = ["checked_url", "port_of"]

MAX_LENGTH = 8192

_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f\\]")
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


def checked_url(text: str) -> httpx.URL:
    """Read an absolute http or https URL. Its host comes out in lower case, IDNA encoded, without a dot at the end.

    Raises OutboundRefused for other schemes, credentials, and hosts that are neither a name nor a usual address.
    The connection is made from the URL that is returned, so no second reader can see another host in it.
    """
    if len(text) > MAX_LENGTH:
        raise OutboundRefused(f"The URL is longer than {MAX_LENGTH} characters.")
    if _UNPRINTABLE.search(text):
        raise OutboundRefused("The URL contains blanks, backslashes or control characters.")
    try:
        url = httpx.URL(text)
        host = url.raw_host.decode("ascii").lower()
        url.host  # noqa: B018  raises for a label xn--… that stands for nothing, which would be asked for later
    except (httpx.InvalidURL, ValueError) as error:
        raise OutboundRefused("The URL cannot be read.") from error
    if url.scheme not in ("http", "https"):
        raise OutboundRefused("The URL must start with http:// or https://.")
    if url.userinfo or "@" in text.split("://", 1)[-1].split("/", 1)[0]:
        raise OutboundRefused("The URL must not carry a user name or password.")
    if not host:
        raise OutboundRefused("The URL names no host.")
    if ":" not in host:
        host = host.removesuffix(".")
        _check_name(host)
    elif "%" in host:
        raise OutboundRefused("The URL names an IPv6 zone.")
    if not 0 < port_of(url) < 65536:
        raise OutboundRefused("The URL names a port that does not exist.")
    return url.copy_with(host=host, fragment=None)


def port_of(url: httpx.URL) -> int:
    """Return the port that a URL is about, also where it is not written."""
    if url.port is not None:
        return url.port
    return 443 if url.scheme == "https" else 80


def _check_name(host: str) -> None:
    if len(host) > 253 or not _NAME.fullmatch(host):
        raise OutboundRefused("The host in the URL is not a name that can exist.")
    # 2130706433, 0x7f.1 and 127.1 are all 127.0.0.1 to some resolvers and names to others.
    if _NUMBER.fullmatch(host.rpartition(".")[2]):
        try:
            IPv4Address(host)
        except ValueError as error:
            raise OutboundRefused("The address in the URL must be four decimal numbers.") from error
