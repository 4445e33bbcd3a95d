"""Reading the references that stand in playlists, relative or not, against the address that a playlist came from."""

from __future__ import annotations

import re
from urllib.parse import quote

from reelkit_streamproxy.addresses import Address

__all__ = ["Foreign", "Unreadable", "escaped", "resolve"]

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_PRINTABLE = "!#$%&'()*+,/:;=?@[\\]^_`{|}~.-"


class Foreign(ValueError):
    """The reference is of another scheme than http and https, in lower case in `scheme`."""

    def __init__(self, scheme: str) -> None:
        super().__init__(f"Addresses of the scheme {scheme} are not fetched.")
        self.scheme = scheme


class Unreadable(ValueError):
    """The reference means different things to different readers."""


def escaped(reference: str) -> str:
    """Return a reference without blanks around it, and with those inside and what is not ASCII escaped, as browsers do."""
    text = reference.strip(" \t\n")
    if text.isascii() or "//" in text:  # the name of a host is not escaped
        return text.replace(" ", "%20")
    return quote(text, safe=_PRINTABLE)


def resolve(reference: str, base: Address) -> str:
    """Return the absolute URL that a reference means (RFC 3986, 5.2), with its dot segments. Raises Foreign, Unreadable."""
    if found := _SCHEME.match(reference):
        scheme = found[1].lower()
        if scheme not in ("http", "https"):
            raise Foreign(scheme)
        if not reference.startswith("//", found.end()):
            # Browsers take https:a for a relative reference, or for https://a.
            raise Unreadable(f"An address must begin with {scheme}:// in full.")
        return reference
    if "{$" in reference:
        raise Unreadable("The address has a variable in it that nothing defines.")
    if reference.startswith("//"):
        return f"{base.scheme}:{reference}"
    if reference.startswith("/"):
        return base.origin + reference
    if reference.startswith("?"):
        return base.origin + base.path + reference
    if not reference or reference.startswith("#"):
        return base.url
    return base.folder + reference
