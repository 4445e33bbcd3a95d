"""Plain pages to watch in: `/` lists public videos, `/watch/{id}` shows one with the snippet that embeds it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import jinja2
import msgspec

from reelkit.delivery.assets import AssetFolder
from reelkit.delivery.embed import RUNTIME, EmbedVideo, embed_snippet, shape
from reelkit.delivery.pages import Page, content_security_policy, new_nonce
from reelkit.site import Site

__all__ = ["PAGE_SIZE", "WatchPages", "WatchVideo", "clock"]

PAGE_SIZE = 24


class WatchVideo(msgspec.Struct, frozen=True, kw_only=True):
    """A video of the list. duration: seconds, None when unknown."""

    embed: EmbedVideo
    description: str
    published_at: datetime
    duration: float | None = None


class WatchPages:
    """Renders the list and the page of one video."""

    def __init__(self, site: Site, templates: jinja2.Environment) -> None:
        self.site = site
        self.templates = templates
        self.assets = AssetFolder("reelkit", RUNTIME)

    def list(self, videos: tuple[WatchVideo, ...], page: int, total: int) -> Page:
        """Return a page of the list. page: from 1; total: of all videos, also those that are not to be watched (yet)."""
        pages = max(1, -(-total // PAGE_SIZE))
        return self.render("watch/list.html", videos=videos, page=page, pages=pages, total=total)

    def watch(self, video: WatchVideo) -> Page:
        """Return the page of one video."""
        snippet = embed_snippet(self.site, video.embed)
        return self.render("watch/video.html", video=video, shape=shape(video.embed), snippet=snippet)

    def missing(self) -> Page:
        """Return the page for a video that does not exist or is not for everybody."""
        return self.render("errors/not_found.html", status=404)

    def closed(self) -> Page:
        """Return the page of a site whose videos play where they are embedded only."""
        return self.render("watch/closed.html", status=404)

    def render(self, template: str, status: int = 200, **context: Any) -> Page:
        """Render a page with its own nonce."""
        nonce = new_nonce()
        html = self.templates.get_template(template).render(
            nonce=nonce,
            site_name=self.site.site.name,
            style=self.assets.url("pages.css"),
            script=self.assets.url("copy.js"),
            base_url=self.site.site.base_url,
            clock=clock,
            **context,
        )
        return Page(html, content_security_policy(nonce, framed_by="'self'"), status)


def clock(seconds: float) -> str:
    """Return a duration as people read it: 0:07, 12:34, 1:02:03."""
    whole = int(seconds + 0.5)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"
