"""Who wants to watch, as far as a request tells."""

from __future__ import annotations

from typing import Literal

from reelkit.catalog.videos import Video
from reelkit.delivery.answering import request_headers
from reelkit.delivery.asgi import Scope
from reelkit.interfaces.playback import PlaybackRequest

__all__ = ["What", "playback_request"]

What = Literal["page", "session", "playlist", "file"]


def playback_request(scope: Scope, video: Video, what: What) -> PlaybackRequest:
    """Return what the plugins are told of a request. scope: of ASGI."""
    headers = request_headers(scope)
    return PlaybackRequest(
        video_id=video.video_id,
        project=video.project,
        environment=video.environment,
        public=video.public,
        what=what,
        client=scope["client"][0] if scope.get("client") else "",
        origin=headers.get("origin", ""),
        referrer=headers.get("referer", ""),
        user_agent=headers.get("user-agent", ""),
    )
