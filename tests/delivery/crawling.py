"""What a player fetches: a manifest, and all that it leads to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urljoin

import httpx

__all__ = ["WEB", "everything_below", "links"]

WEB = httpx.Client(timeout=60)
"""One for all: making each costs more than asking."""


def links(playlist: httpx.Response) -> list[str]:
    """Return every address in a playlist, made whole as a player does."""
    found = re.findall(r'URI="([^"]*)"', playlist.text) + re.findall(r"^([^#\s].*)$", playlist.text, re.MULTILINE)
    return [urljoin(str(playlist.url), link) for link in found]


def everything_below(
    url: str, headers: Mapping[str, str] | None = None, *, first: Mapping[str, str] | None = None
) -> dict[str, httpx.Response]:
    """Fetch all that a playlist leads to, by address. headers: of every request; first: those of the first one alone."""
    found: dict[str, httpx.Response] = {}
    waiting = [url]
    while waiting:
        url = waiting.pop()
        if url not in found:
            found[url] = WEB.get(url, headers=headers if found or first is None else first)
            if "mpegurl" in found[url].headers.get("content-type", ""):
                waiting += links(found[url])
    return found
