"""The pictures of live streams, for pages that show them before and between broadcasts; and sessions for private ones.

What the contract calls LIVE is `/live`: a public stream is at `LIVE/{id}`, a private one at `LIVE/private/{token}/{id}`,
where the first request uses the token up; whoever got a session for it goes on with `?avh=SESSION`.
"""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import HttpMethod, Request, Response
from litestar.handlers import route

from reelkit.access.playback_policy import authorize_playback
from reelkit.access.viewer import session_in
from reelkit.catalog import live_streams
from reelkit.catalog.live_streams import LiveStream
from reelkit.delivery.conditional import entity_tag, has_current
from reelkit.interfaces.playback import PlaybackRequest
from reelkit.interfaces.storage import NotStored
from reelkit.jobs.runtime import Runtime
from reelkit.problems import NotFound

__all__ = ["HANDLERS"]

READS = [HttpMethod.GET, HttpMethod.HEAD]
NONE_HERE = "There is no thumbnail here."


class SessionJson(msgspec.Struct, frozen=True):
    """What a token was exchanged for."""

    session_token: str


@route("/live/{live_stream_id:str}/thumbnail.jpg", http_method=READS, include_in_schema=False)
async def live_thumbnail(request: Request[Any, Any, Any], live_stream_id: str, runtime: Runtime) -> Response[bytes]:
    """Answer the picture of a public live stream."""
    stream = await live_streams.watched(live_stream_id)
    if stream is None or not stream.public:
        raise NotFound(name="liveStreamId")
    return await _picture(request, stream, runtime, "public")


@route("/live/private/{token:str}/{live_stream_id:str}/thumbnail.jpg", http_method=READS, include_in_schema=False)
async def private_live_thumbnail(
    request: Request[Any, Any, Any], token: str, live_stream_id: str, runtime: Runtime
) -> Response[bytes]:
    """Answer the picture of a private live stream: to a session, or once to a token."""
    stream = await live_streams.watched(live_stream_id)
    if stream is None or stream.thumbnail_key is None:
        # Nothing is given for a token, so it stays good.
        raise NotFound(name="liveStreamId")
    session = session_in(request.scope["query_string"])
    if session is None or not runtime.rights.holds(stream.id, session):
        await _redeem(request, runtime, stream, token)
    return await _picture(request, stream, runtime, "private")


@route("/live/private/{token:str}/{live_stream_id:str}/session", http_method=[HttpMethod.GET], include_in_schema=False)
async def live_session(request: Request[Any, Any, Any], token: str, live_stream_id: str, runtime: Runtime) -> SessionJson:
    """Exchange a token for a session of 24 h."""
    stream = await live_streams.watched(live_stream_id)
    if stream is None:
        raise NotFound(name="liveStreamId")
    return SessionJson(await _redeem(request, runtime, stream, token))


async def _redeem(request: Request[Any, Any, Any], runtime: Runtime, stream: LiveStream, token: str) -> str:
    """Use a token up, unless it is only looked at. Raises NotFound for one that opens nothing, the Problem of a veto."""
    if not await runtime.rights.usable(stream.scope, stream.id, token):
        raise NotFound(name="liveStreamId")
    if runtime.plugins.implements("authorize_playback"):
        asked = PlaybackRequest(
            video_id=stream.id,
            project=stream.project,
            environment=stream.environment,
            public=stream.public,
            what="session",
            client=request.client.host if request.client else "",
            origin=request.headers.get("origin", ""),
            referrer=request.headers.get("referer", ""),
            user_agent=request.headers.get("user-agent", ""),
        )
        await authorize_playback(runtime.plugins, asked)
    if request.method == "HEAD":
        return ""
    session = await runtime.rights.redeem(stream.scope, stream.id, token)
    if session is None:
        raise NotFound(name="liveStreamId")
    return session


async def _picture(request: Request[Any, Any, Any], stream: LiveStream, runtime: Runtime, who: str) -> Response[bytes]:
    """Answer the stored JPEG. who: may keep it. Raises NotFound when there is none."""
    if stream.thumbnail_key is None:
        raise NotFound(name="liveStreamId", detail=NONE_HERE)
    tag = entity_tag(stream.thumbnail_key)
    headers = {"etag": tag, "cache-control": f"{who}, max-age=60", "x-content-type-options": "nosniff"}
    if has_current(request.headers.get("if-none-match"), tag):
        return Response(b"", status_code=304, headers=headers)
    try:
        content = b"".join([chunk async for chunk in runtime.storage.read(stream.thumbnail_key)])
    except NotStored as error:
        # Replaced in between.
        raise NotFound(name="liveStreamId", detail=NONE_HERE) from error
    return Response(content, headers=headers, media_type="image/jpeg")


HANDLERS = (live_thumbnail, private_live_thumbnail, live_session)
