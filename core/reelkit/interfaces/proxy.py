"""Something that is about to be fetched from another host for a viewer: what the hook proxy_policy is handed."""

from __future__ import annotations

from typing import Literal

import msgspec

from reelkit.interfaces.access import Caller

__all__ = ["ProxyRequest"]


class ProxyRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One URL that a proxy would fetch. The operator's list of origins allows it; redirects are asked about anew."""

    caller: Caller
    by: Literal["key", "session", "link"]
    """How the caller came in; `link`: by an address that the proxy signed in a playlist for them."""
    method: Literal["GET", "HEAD"]
    url: str
    host: str
    """Of the URL: in lower case, IDNA encoded."""
    origin: str
    """The entry of the operator's list that allows the URL."""
    client: str
    """The address that the request came from; empty when unknown."""
    headers: dict[str, str] = {}
    """What plugins that were asked before have added to the request, by lower-case name."""
