"""Somebody who wants to watch: what the hook authorize_playback is handed, and what playback can be limited to."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["PlaybackPolicy", "PlaybackRequest"]


class PlaybackPolicy(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What playback is limited to. None: as the site says; an empty list: no limit."""

    allowed_domains: tuple[str, ...] | None = None
    """Where players may be embedded: `example.com`, `*.example.com`, `localhost:3000`."""
    allow_no_referrer: bool | None = None
    """Where domains are named: also let in who does not tell where they come from."""
    allowed_countries: tuple[str, ...] | None = None
    """ISO 3166, two letters."""
    allowed_ips: tuple[str, ...] | None = None
    """Addresses and networks."""


class PlaybackRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request of a viewer that leads to pictures and sound. The rest of access has let it through already."""

    video_id: str
    """Or the id of a live stream, `li…`."""
    project: str
    environment: Literal["production", "sandbox"]
    public: bool
    what: Literal["page", "session", "playlist", "file"]
    """`page`: the embed page; `session`: a token is about to be used up; `file`: the source as a download."""
    client: str
    """The address that the request came from; empty when unknown."""
    origin: str = ""
    """The page's, as the browser tells it in `Origin`; anybody but a browser may tell anything."""
    referrer: str = ""
    user_agent: str = ""
    viewer: str = ""
    """The id that the owner gave the viewer in a signed URL."""
    country: str = ""
    """ISO 3166, two letters; empty when unknown."""
