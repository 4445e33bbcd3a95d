"""The routes of people's pages: embed page, its assets, watch list. The application mounts what `page_routes` returns."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from litestar import HttpMethod, MediaType, Request, Response
from litestar.handlers import HTTPRouteHandler, route

from reelkit.access.playback_policy import authorize_playback
from reelkit.catalog import videos
from reelkit.catalog.playback import Playback, playback, theme
from reelkit.catalog.projects import DEFAULT
from reelkit.catalog.scope import Scope as CatalogScope
from reelkit.delivery.asgi import Scope
from reelkit.delivery.embed import EmbedPages, embed_video, read_options
from reelkit.delivery.pages import Page, template_environment
from reelkit.delivery.private import session_in
from reelkit.delivery.viewers import playback_request
from reelkit.delivery.watch import PAGE_SIZE, WatchPages, WatchVideo
from reelkit.interfaces.player import Player
from reelkit.jobs.runtime import Runtime
from reelkit.problems import NotFound, Problem
from reelkit.site import Site

__all__ = ["page_routes"]

READS = [HttpMethod.GET, HttpMethod.HEAD]


def page_routes(site: Site, player_name: str, player: Player, origins: tuple[str, ...] = ()) -> list[HTTPRouteHandler]:
    """Return the handlers. player_name: `plugins.chosen("player")`; origins: where media may come from beside this site.

    Raises FileNotFoundError when the player is not built.
    """
    templates = template_environment(site)
    embed = EmbedPages(site, player_name, player, templates, origins)
    watch = WatchPages(site, templates)

    @route("/embed/vod/{video_id:str}", http_method=READS, include_in_schema=False, name="embed")
    async def embed_page(request: Request[Any, Any, Any], video_id: str) -> Response[bytes]:
        """Answer the page of one video, for a frame."""
        accepted = request.headers.get("accept-language", "")
        found = await playback(video_id)
        if found is None:
            return answer(embed.missing(accepted))
        runtime: Runtime = request.app.state.runtime
        try:
            session = await admitted(request, runtime, found)
        except NotFound:
            return answer(embed.missing(accepted))
        except Problem as refused:
            return answer(embed.refused(refused.status, accepted))
        return answer(
            embed.render(embed_video(found, session, await theme(found.video)), read_options(request.query_params), accepted)
        )

    @route("/embed/assets/{name:str}/{hash:str}/{file:str}", http_method=READS, include_in_schema=False, name="embed-asset")
    async def embed_asset(request: Request[Any, Any, Any], name: str, hash: str, file: str) -> Response[bytes]:
        """Answer a file of the player or the runtime."""
        asset = embed.asset(name, hash, file)
        if asset is None:
            return Response(b"", status_code=404, headers={"Cache-Control": "no-store"}, media_type=MediaType.TEXT)
        body, headers = asset.choose(request.headers.get("accept-encoding", ""))
        return Response(body, headers=headers, media_type=asset.type)

    @route("/", http_method=READS, include_in_schema=False, name="watch-list")
    async def watch_list(request: Request[Any, Any, Any]) -> Response[bytes]:
        """Answer the public videos of the default project, newest first."""
        asked = request.query_params.get("page", "1")
        number = int(asked) if asked.isascii() and asked.isdigit() and 0 < len(asked) < 8 else 1
        listed = await videos.page(CatalogScope(DEFAULT), current_page=max(number, 1), page_size=PAGE_SIZE)
        found = await asyncio.gather(*(seen_by_anybody(video.video_id) for video in listed.items))
        shown = tuple(watch_video(one) for one in found if one is not None and one.source is not None)
        return answer(watch.list(shown, max(number, 1), listed.total))

    @route("/watch/{video_id:str}", http_method=READS, include_in_schema=False, name="watch")
    async def watch_page(video_id: str) -> Response[bytes]:
        """Answer one video with the snippet that embeds it."""
        found = await seen_by_anybody(video_id)
        return answer(watch.missing() if found is None else watch.watch(watch_video(found)))

    return [embed_page, embed_asset, watch_list, watch_page]


async def admitted(request: Request[Any, Any, Any], runtime: Runtime, found: Playback) -> str | None:
    """Return the session of a private video that a request comes with or opens by its token; None for a public video.

    HEAD leaves the token as it is. Raises NotFound when the viewer may not see it, and the Problem of a plugin.
    """
    video, rights = found.video, runtime.rights
    session = session_in(request.scope["query_string"])
    token = request.query_params.get("token", "")
    fresh = not video.public and (session is None or not rights.holds(video.video_id, session))
    if fresh and not await rights.usable(video.scope, video.video_id, token):
        raise NotFound(name="videoId")
    if runtime.plugins.implements("authorize_playback"):
        # Litestar's scopes are the same dictionaries under other types.
        asked = playback_request(cast("Scope", request.scope), video, "session" if fresh else "page")
        await authorize_playback(runtime.plugins, asked)
    if video.public:
        return None
    if fresh and request.method == "HEAD":
        return rights.open_session(video.video_id)
    if fresh:
        session = await rights.redeem(video.scope, video.video_id, token)
    if session is None:
        raise NotFound(name="videoId")
    return session


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
