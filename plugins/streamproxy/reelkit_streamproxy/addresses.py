"""Reading the address that a client or a playlist gives: as the connecting code reads it, and stricter about its path."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

import msgspec

from reelkit_streamproxy.patterns import normal_ip
from reelkit_streamproxy.refusals import AddressRefused

__all__ = ["LONGEST", "Address", "parse_address"]

LONGEST = 8192
"""Characters of an address, as it is sent."""

_ENDS_IN_DOTS = re.compile(r"[^?#]*/\.{1,2}(?=[?#]|$)")
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
# UTF-8 that spells a character longer than it is: %c0%ae is a dot to some servers.
_OVERLONG = re.compile(rb"[\xc0\xc1]|\xe0[\x80-\x9f]|\xf0[\x80-\x8f]")
# What some server takes for "this folder" or "the folder above": also `..;a` (servlets) and blanks around dots.
_DOTS = re.compile(rb"(?:^|[/\\])[ ]*\.{1,2}[ ]*(?:;[^/\\]*)?(?=[/\\]|$)")


class Address(msgspec.Struct, frozen=True):
    """A URL that may be matched against the list. host: lower case, IDNA, IPv6 without brackets; path: as it is sent."""

    url: str
    """The whole of it, in the one spelling that is signed, compared and fetched; without a fragment."""
    scheme: str
    host: str
    port: int
    path: str
    query: str | None = None

    @property
    def folder(self) -> str:
        """The URL up to the last slash of its path."""
        return self.url[: self._path_end - len(self.path) + self.path.rindex("/") + 1]

    @property
    def origin(self) -> str:
        """Scheme, host and port as they stand in the URL, without a slash at the end."""
        return self.url[: self._path_end - len(self.path)]

    @property
    def _path_end(self) -> int:
        return len(self.url) - (0 if self.query is None else len(self.query) + 1)


def parse_address(text: str | None, name: str = "url") -> Address:
    """Read an absolute http or https URL. name: the field that it stands in.

    Host and port are what `reelkit.checked_url` reads, which the request is made from, so that nobody sees another host
    in it. Dot segments are taken out; a path that hides some, at whatever depth of escapes, is refused, because the
    origin might go up where the list of origins was not asked. Whether an address is private is for the connection to
    say. Raises AddressRefused.
    """
    # Loads the HTTP library, so only once somebody asks for something.
    from reelkit import OutboundRefused, checked_url, port_of

    if not text:
        raise AddressRefused(name=name, detail="The URL is missing.")
    if found := _ENDS_IN_DOTS.match(text):
        # A folder (RFC 3986, 5.2.4), which the HTTP library would take for a file.
        text = f"{found[0]}/{text[found.end() :]}"
    try:
        url = checked_url(text)
    except OutboundRefused as error:
        raise AddressRefused(name=name, detail=str(error)) from None
    host = url.raw_host.decode("ascii")
    if ":" in host:
        host = normal_ip(host) or host
        url = url.copy_with(host=host)
    target = url.raw_path.decode("ascii")
    path, mark, query = target.partition("?")
    if fault := _fault_of_path(path):
        raise AddressRefused(name=name, detail=fault)
    authority = f"[{host}]" if ":" in host else host
    port = f":{url.port}" if url.port is not None else ""
    whole = f"{url.scheme}://{authority}{port}{target}"
    if len(whole) > LONGEST:
        raise AddressRefused(name=name, detail=f"The URL is longer than {LONGEST} characters once it is escaped.")
    return Address(whole, url.scheme, host, port_of(url), path, query if mark else None)


def _fault_of_path(path: str) -> str | None:
    """Say what is wrong with an absolute path as it is sent; None when nothing is."""
    if _BROKEN_ESCAPE.search(path):
        return "The path of the URL has a % without two digits; a % itself is written %25."
    here = path.encode("ascii")
    for _ in range(4):
        if _DOTS.search(here):
            return "The path of the URL hides dot segments."
        if _CONTROL.search(here):
            return "The path of the URL hides control characters."
        if _OVERLONG.search(here):
            return "The path of the URL spells characters longer than they are."
        if (there := unquote_to_bytes(here)) == here:
            return None
        here = there
    return "The path of the URL is escaped again and again."
