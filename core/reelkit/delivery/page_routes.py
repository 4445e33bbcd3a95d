"""The routes of people's pages: embed page, its assets, watch list. The application mounts what `page_routes` returns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast
from urllib.parse import quote

from litestar import HttpMethod, MediaType, Request, Response
from litestar.handlers import HTTPRouteHandler, route
from litestar.params import FromPath

from reelkit.access.admission import Admission
from reelkit.access.playback import TOKEN
from reelkit.catalog import videos
from reelkit.catalog.playback import Playback, playback, theme
from reelkit.catalog.projects import DEFAULT
from reelkit.catalog.scope import Scope as CatalogScope
from reelkit.delivery.asgi import Scope
from reelkit.delivery.embed import EmbedPages, embed_video, read_options
from reelkit.delivery.pages import Page, template_environment
from reelkit.delivery.viewers import viewer_of
from reelkit.delivery.watch import PAGE_SIZE, WatchPages, WatchVideo
from reelkit.interfaces.player import Player
from reelkit.problems import NotFound, Problem
from reelkit.site import Site

__all__ = ["page_for_people", "page_routes"]

Answer = Callable[[Request[Any, Any, Any], Exception], Response[Any]]

READS = [HttpMethod.GET, HttpMethod.HEAD]


def page_for_people(site: Site, otherwise: Answer) -> Answer:
    """Return what answers for an address that nothing is at: a page to browsers that look for one, else as `otherwise`."""
    watch = WatchPages(site, template_environment(site))

    def answer_missing(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
        looked_at = request.method in ("GET", "HEAD") and "text/html" in request.headers.get("accept", "")
        response = answer(watch.missing()) if looked_at else otherwise(request, error)
        response.headers["Vary"] = "Accept"
        return response

    return answer_missing


def page_routes(site: Site, player_name: str, player: Player) -> list[HTTPRouteHandler]:
    """Return the handlers. player_name: `plugins.chosen("player")`.

    Raises FileNotFoundError when the player is not built.
    """
    templates = template_environment(site)
    embed = EmbedPages(site, player_name, player, templates)
    watch = WatchPages(site, templates)
    # Nobody who comes to these pages has anything to show.
    closed = site.playback.mode == "session"

    @route("/embed/vod/{video_id:str}", http_method=READS, include_in_schema=False, name="embed")
    async def embed_page(request: Request[Any, Any, Any], video_id: FromPath[str]) -> Response[bytes]:
        """Answer the page of one video, for a frame."""
        accepted = request.headers.get("accept-language", "")
        # What the media are asked of, so that the page names nothing that is not to be had yet.
        found = await request.app.state.library.view(video_id)
        if found is None:
            return answer(embed.missing(accepted))
        try:
            session, domains = await admitted(request, request.app.state.admission, found)
        except NotFound:
            return answer(embed.missing(accepted))
        except Problem as refused:
            return answer(embed.refused(refused.status, accepted))
        shown = embed_video(found, session, await theme(found.video))
        return answer(embed.render(shown, read_options(request.query_params), accepted, domains))

    @route("/vod/{video_id:str}", http_method=READS, include_in_schema=False, name="embed-of-old")
    async def where_api_video_has_it(request: Request[Any, Any, Any], video_id: FromPath[str]) -> Response[bytes]:
        """Send a player of that service's on to the page: it is told a host, and asks that for /vod/{videoId}."""
        query = request.scope["query_string"].decode("latin-1")
        to = f"/embed/vod/{quote(video_id, safe='')}" + (f"?{query}" if query else "")
        return Response(b"", status_code=307, headers={"Location": to, "Cache-Control": "no-store"})

    @route("/embed/assets/{name:str}/{hash:str}/{file:str}", http_method=READS, include_in_schema=False, name="embed-asset")
    async def embed_asset(
        request: Request[Any, Any, Any], name: FromPath[str], hash: FromPath[str], file: FromPath[str]
    ) -> Response[bytes]:
        """Answer a file of the player or the runtime."""
        asset = embed.asset(name, hash, file)
        if asset is None:
            return Response(b"", status_code=404, headers={"Cache-Control": "no-store"}, media_type=MediaType.TEXT)
        body, headers = asset.choose(request.headers.get("accept-encoding", ""))
        return Response(body, headers=headers, media_type=asset.type)

    @route("/embed/session.js", http_method=READS, include_in_schema=False, name="session-script")
    async def session_script(request: Request[Any, Any, Any]) -> Response[bytes]:
        """Answer the module by which other pages keep a session token: always the newest at one address."""
        asset = embed.runtime.files["session.js"]
        body, headers = asset.choose(request.headers.get("accept-encoding", ""))
        return Response(body, headers=headers | {"Cache-Control": "public, max-age=3600"}, media_type=asset.type)

    @route("/", http_method=READS, include_in_schema=False, name="watch-list")
    async def watch_list(request: Request[Any, Any, Any]) -> Response[bytes]:
        """Answer the public videos of the default project, newest first."""
        if closed:
            return answer(watch.closed())
        asked = request.query_params.get("page", "1")
        number = int(asked) if asked.isascii() and asked.isdigit() and 0 < len(asked) < 8 else 1
        listed = await videos.page(CatalogScope(DEFAULT), current_page=max(number, 1), page_size=PAGE_SIZE)
        found = await asyncio.gather(*(seen_by_anybody(video.video_id) for video in listed.items))
        shown = tuple(watch_video(one) for one in found if one is not None and one.source is not None)
        return answer(watch.list(shown, max(number, 1), listed.total))

    @route("/watch/{video_id:str}", http_method=READS, include_in_schema=False, name="watch")
    async def watch_page(video_id: FromPath[str]) -> Response[bytes]:
        """Answer one video with the snippet that embeds it."""
        if closed:
            return answer(watch.closed())
        found = await seen_by_anybody(video_id)
        return answer(watch.missing() if found is None else watch.watch(watch_video(found)))

    return [embed_page, where_api_video_has_it, embed_asset, session_script, watch_list, watch_page]


async def admitted(
    request: Request[Any, Any, Any], admission: Admission, found: Playback
) -> tuple[str | None, tuple[str, ...] | None]:
    """Return the session that the page's media are asked for with, and whose pages may embed it, None: all.

    It is the one that the viewer came with, or opened by a playback token, which HEAD leaves as it is, or by a session
    token; None where anybody may watch. Raises NotFound when the viewer may not see the video, Unauthorized,
    AccessDenied, and the Problem of a plugin.
    """
    # Litestar's scopes are the same dictionaries under other types.
    viewer = viewer_of(cast("Scope", request.scope), "page")
    token = request.query_params.get("token", "")
    single = token if TOKEN.fullmatch(token) else None
    let_in = await admission.admit(found.video, viewer, single)
    if let_in.token_key is not None and single is not None:
        session: str | None = await admission.redeem(found.video, let_in, single, look=request.method == "HEAD")
    else:
        session = admission.carry(found.video, let_in)
    return admission.vouch(found.video, let_in, session), let_in.domains


async def seen_by_anybody(video_id: str) -> Playback | None:
    """Return a public video; None hides a private one as if it were not there."""
    found = await playback(video_id)
    return found if found is not None and found.video.public else None


def watch_video(found: Playback) -> WatchVideo:
    """Return what the list shows of a video."""
    probe = found.source.probe if found.source is not None else None
    return WatchVideo(
        embed=embed_video(found),
        description=found.video.description,
        published_at=found.video.published_at,
        duration=probe.duration if probe is not None else None,
    )


def answer(page: Page) -> Response[bytes]:
    """Return a page as a response."""
    return Response(page.html.encode(), status_code=page.status, headers=page.headers, media_type=MediaType.HTML)
