"""The pictures of live streams, for pages that show them before and between broadcasts; and sessions for private ones.

What the contract calls LIVE is `/live`: a public stream is at `LIVE/{id}`, a private one at `LIVE/private/{token}/{id}`,
where the first request uses the token up; whoever got a session for it goes on with `?avh=SESSION`.
"""

from __future__ import annotations

from typing import Any, cast

import msgspec
from litestar import HttpMethod, Request, Response
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.handlers import route
from litestar.params import FromPath

from reelkit.access.admission import Admission
from reelkit.catalog import live_streams
from reelkit.catalog.live_streams import LiveStream
from reelkit.catalog.scope import Owned
from reelkit.delivery.asgi import Scope
from reelkit.delivery.conditional import entity_tag, has_current
from reelkit.delivery.viewers import What, viewer_of
from reelkit.interfaces.playback import PlaybackPolicy
from reelkit.interfaces.storage import NotStored
from reelkit.jobs.runtime import Runtime
from reelkit.problems import NotFound

__all__ = ["HANDLERS"]

READS = [HttpMethod.GET, HttpMethod.HEAD]
NONE_HERE = "There is no thumbnail here."


class SessionJson(msgspec.Struct, frozen=True):
    """What a token was exchanged for."""

    session_token: str


class _Stream(Owned, frozen=True, kw_only=True):
    """A live stream, as those judge who watches. It has no policy of its own."""

    video_id: str
    public: bool
    playback_policy: PlaybackPolicy | None = None


@route("/live/{live_stream_id:str}/thumbnail.jpg", http_method=READS, include_in_schema=False)
async def live_thumbnail(
    request: Request[Any, Any, Any], live_stream_id: FromPath[str], runtime: NamedDependency[Runtime], state: State
) -> Response[bytes]:
    """Answer the picture of a live stream: of a public one, where the site is open, to anybody."""
    stream = await live_streams.watched(live_stream_id)
    if stream is None:
        raise NotFound(name="liveStreamId")
    session = await _let_in(request, stream, state.admission, None)
    return await _picture(request, stream, runtime, "public" if session is None else "private")


@route("/live/private/{token:str}/{live_stream_id:str}/thumbnail.jpg", http_method=READS, include_in_schema=False)
async def private_live_thumbnail(
    request: Request[Any, Any, Any],
    token: FromPath[str],
    live_stream_id: FromPath[str],
    runtime: NamedDependency[Runtime],
    state: State,
) -> Response[bytes]:
    """Answer the picture of a private live stream: to a session, or once to a token."""
    stream = await live_streams.watched(live_stream_id)
    if stream is None or stream.thumbnail_key is None:
        # Nothing is given for a token, so it stays good.
        raise NotFound(name="liveStreamId")
    await _let_in(request, stream, state.admission, token)
    return await _picture(request, stream, runtime, "private")


@route("/live/private/{token:str}/{live_stream_id:str}/session", http_method=READS, include_in_schema=False)
async def live_session(
    request: Request[Any, Any, Any], token: FromPath[str], live_stream_id: FromPath[str], state: State
) -> Response[SessionJson]:
    """Exchange a token for a session of 24 h."""
    stream = await live_streams.watched(live_stream_id)
    if stream is None:
        raise NotFound(name="liveStreamId")
    session = await _let_in(request, stream, state.admission, token, "session")
    if session is None:
        raise NotFound(name="liveStreamId")
    return Response(SessionJson(session), headers={"cache-control": "private, no-store"})


async def _let_in(
    request: Request[Any, Any, Any], stream: LiveStream, admission: Admission, token: str | None, what: What | None = None
) -> str | None:
    """Return the session of a viewer, None where anybody may watch; a token is used up unless it is only looked at.

    Raises NotFound for a private stream that nothing opens, Unauthorized, AccessDenied, the Problem of a veto.
    """
    watched = _Stream(video_id=stream.id, project=stream.project, environment=stream.environment, public=stream.public)
    # Litestar's scopes are the same dictionaries under other types.
    viewer = viewer_of(cast("Scope", request.scope), what or (None if token is None else "session"))
    try:
        admitted = await admission.admit(watched, viewer, token)
        if admitted.token_key is not None and token is not None:
            return await admission.redeem(watched, admitted, token, look=request.method == "HEAD")
        return admission.carry(watched, admitted)
    except NotFound:
        raise NotFound(name="liveStreamId") from None


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
