"""Somebody who wants to watch: what the hook authorize_playback is handed."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["PlaybackRequest"]


class PlaybackRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request of a viewer that leads to pictures and sound. For a private video its token or session is good already."""

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
