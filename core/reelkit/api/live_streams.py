"""Live streams over HTTP: create, list, read, change, complete, delete, and their pictures."""

from __future__ import annotations

import re
from typing import Any, Literal, cast
from uuid import uuid4

import msgspec
from litestar import Request, Response, delete, get, patch, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath

from reelkit.access.principal import Principal
from reelkit.api import player_themes
from reelkit.api.changes import Changing
from reelkit.api.pagination import Pagination, paginate, requested_page
from reelkit.api.payloads import read_payload
from reelkit.api.pictures import as_jpeg, receive_picture
from reelkit.api.queries import Query
from reelkit.api.removal import remove_soon
from reelkit.api.restreams import RestreamPayload, checked_restreams
from reelkit.api.video_json import atom, iframe
from reelkit.api.video_payloads import TITLE_LENGTH, too_long
from reelkit.catalog import live_streams
from reelkit.catalog.live_streams import (
    LiveStream,
    LiveStreamEdit,
    LiveStreamFilter,
    NewLiveStream,
    Restream,
    SortBy,
)
from reelkit.catalog.scope import Scope
from reelkit.jobs.runtime import Runtime
from reelkit.jobs.transfer import store_bytes
from reelkit.problems import AttributeRequired, InvalidAttribute, NotFound

__all__ = [
    "HANDLERS",
    "LiveStreamJson",
    "LiveStreamList",
    "NewLiveStreamPayload",
    "UpdatedLiveStreamPayload",
    "live_stream_json",
]

Unset = msgspec.UnsetType

_ID = re.compile(r"li[0-9A-Za-z]{1,62}", re.ASCII)


class NewLiveStreamPayload(msgspec.Struct, frozen=True, rename="camel"):
    """The contract's `live-stream-creation-payload`."""

    name: str
    public: bool = True
    player_id: str | None = None
    restreams: tuple[RestreamPayload, ...] = ()


class UpdatedLiveStreamPayload(msgspec.Struct, frozen=True, rename="camel"):
    """The contract's `live-stream-update-payload`. playerId null takes the player theme off; restreams: the whole list."""

    name: str | Unset = msgspec.UNSET
    public: bool | Unset = msgspec.UNSET
    player_id: str | Unset | None = msgspec.UNSET
    restreams: tuple[RestreamPayload, ...] | Unset = msgspec.UNSET


class ThumbnailChange(msgspec.Struct, frozen=True):
    """What plugins see of a picture: its kind; None for one that is taken away."""

    thumbnail: str | None


class LiveStreamAssets(msgspec.Struct, frozen=True):
    """Addresses that exist before a broadcast does. iframe: HTML to paste."""

    hls: str
    iframe: str
    player: str
    thumbnail: str


class LiveStreamJson(msgspec.Struct, frozen=True, rename="camel"):
    """The contract's `live-stream`."""

    live_stream_id: str
    name: str
    stream_key: str
    public: bool
    assets: LiveStreamAssets
    broadcasting: bool
    restreams: tuple[Restream, ...]
    created_at: str
    updated_at: str
    player_id: str | Unset = msgspec.UNSET


class LiveStreamList(msgspec.Struct, frozen=True):
    """The contract's `live-stream-list-response`."""

    data: tuple[LiveStreamJson, ...]
    pagination: Pagination


def live_stream_json(stream: LiveStream, runtime: Runtime, by: Principal) -> LiveStreamJson:
    """Return the JSON of a live stream; the addresses of a private one get a new token, which opens one session.

    by: whom it is shown to; the token works no longer than their key.
    """
    token = None if stream.public else runtime.rights.mint(stream.id, by.signs_for)
    return LiveStreamJson(
        live_stream_id=stream.id,
        name=stream.name,
        stream_key=stream.stream_key,
        public=stream.public,
        assets=_assets(stream, runtime.site.site.base_url, token),
        broadcasting=stream.broadcasting,
        restreams=stream.restreams,
        created_at=atom(stream.created_at),
        updated_at=atom(stream.updated_at),
        player_id=stream.player_id or msgspec.UNSET,
    )


def _assets(stream: LiveStream, base_url: str, token: str | None) -> LiveStreamAssets:
    media, player = f"{base_url}/live/{stream.id}", f"{base_url}/embed/live/{stream.id}"
    if token is not None:
        media, player = f"{base_url}/live/private/{token}/{stream.id}", f"{player}?token={token}"
    return LiveStreamAssets(
        hls=f"{media}.m3u8",
        iframe=iframe(player),
        player=player,
        thumbnail=f"{media}/thumbnail.jpg",
    )


async def find_live_stream(scope: Scope, id: str) -> LiveStream:
    """Return a live stream of the caller's. Raises NotFound, also for one that belongs to somebody else."""
    stream = await live_streams.get(scope, id) if _ID.fullmatch(id) else None
    if stream is None:
        raise NotFound(name="liveStreamId")
    return stream


@post("/live-streams", operation_id="POST_live-streams", status_code=200)
async def create_live_stream(
    request: Request[Any, Any, Any], principal: NamedDependency[Principal], runtime: NamedDependency[Runtime]
) -> LiveStreamJson:
    """Create a live stream; its stream key is what somebody broadcasts with."""
    change = Changing(runtime, principal.scope, "live-stream", "create")
    given = await change.propose(read_payload(await request.body(), NewLiveStreamPayload))
    if not given.name.strip():
        raise AttributeRequired(name="name")
    check_name(given.name)
    await player_themes.check(principal.scope, given.player_id)
    new = NewLiveStream(
        name=given.name,
        public=given.public,
        player_id=given.player_id,
        restreams=checked_restreams(given.restreams),
    )
    stream = await live_streams.create(principal.scope, new)
    answer = live_stream_json(stream, runtime, principal)
    await change.made(answer, id=stream.id)
    return answer


@get("/live-streams", operation_id="GET_live-streams")
async def list_live_streams(
    request: Request[Any, Any, Any], principal: NamedDependency[Principal], runtime: NamedDependency[Runtime]
) -> LiveStreamList:
    """List the live streams that match every filter, newest first unless asked otherwise."""
    query = Query(request.scope["query_string"])
    page = requested_page(query)
    sort_by = query.one_of("sortBy", ("name", "createdAt", "updatedAt"), "createdAt")
    sort_order = query.one_of("sortOrder", ("asc", "desc"), "desc")
    wanted = LiveStreamFilter(name=query.search("name"), stream_key=query.text("streamKey"))
    query.check()
    found = await live_streams.page(
        principal.scope,
        wanted,
        cast("SortBy", sort_by),
        cast("Literal['asc', 'desc']", sort_order),
        page.number,
        page.size,
    )
    data = tuple(live_stream_json(stream, runtime, principal) for stream in found.items)
    return LiveStreamList(data, paginate("/live-streams", query, page, len(data), found.total))


@get("/live-streams/{live_stream_id:str}", operation_id="GET_live-streams-liveStreamId")
async def get_live_stream(
    live_stream_id: FromPath[str], principal: NamedDependency[Principal], runtime: NamedDependency[Runtime]
) -> LiveStreamJson:
    """Read one live stream."""
    return live_stream_json(await find_live_stream(principal.scope, live_stream_id), runtime, principal)


@patch("/live-streams/{live_stream_id:str}", operation_id="PATCH_live-streams-liveStreamId")
async def update_live_stream(
    request: Request[Any, Any, Any],
    live_stream_id: FromPath[str],
    principal: NamedDependency[Principal],
    runtime: NamedDependency[Runtime],
) -> LiveStreamJson:
    """Change what is named; restreams are replaced as a whole, from the next broadcast on."""
    before = live_stream_json(await find_live_stream(principal.scope, live_stream_id), runtime, principal)
    change = Changing(runtime, principal.scope, "live-stream", "update", id=live_stream_id, before=before)
    given = await change.propose(read_payload(await request.body(), UpdatedLiveStreamPayload))
    if isinstance(given.name, str):
        if not given.name.strip():
            raise InvalidAttribute(name="name", detail="A live stream needs a name.")
        check_name(given.name)
    await player_themes.check(principal.scope, given.player_id)
    edit = LiveStreamEdit(
        name=given.name,
        public=given.public,
        player_id=given.player_id,
        restreams=given.restreams if given.restreams is msgspec.UNSET else checked_restreams(given.restreams),
    )
    return await _changed(change, await live_streams.update(principal.scope, live_stream_id, edit), runtime, principal)


@delete("/live-streams/{live_stream_id:str}", operation_id="DELETE_live-streams-liveStreamId", status_code=204)
async def delete_live_stream(
    live_stream_id: FromPath[str], principal: NamedDependency[Principal], runtime: NamedDependency[Runtime]
) -> None:
    """Remove a live stream; what was recorded of it stays."""
    before = live_stream_json(await find_live_stream(principal.scope, live_stream_id), runtime, principal)
    change = Changing(runtime, principal.scope, "live-stream", "delete", id=live_stream_id, before=before)
    await change.propose(None)
    prefixes = await live_streams.delete(principal.scope, live_stream_id)
    if prefixes is None:
        raise NotFound(name="liveStreamId")
    for prefix in prefixes:
        remove_soon(runtime.storage, prefix)
    await change.made()


@put(
    "/live-streams/{live_stream_id:str}/complete",
    operation_id="PUT_live-streams-liveStreamId-complete",
    status_code=202,
)
async def complete_live_stream(live_stream_id: FromPath[str], principal: NamedDependency[Principal]) -> Response[bytes]:
    """End the event of a live stream; again, or when nobody broadcasts, is no error."""
    await find_live_stream(principal.scope, live_stream_id)
    return Response(b"", status_code=202, media_type="application/json")


@post(
    "/live-streams/{live_stream_id:str}/thumbnail",
    operation_id="POST_live-streams-liveStreamId-thumbnail",
    status_code=201,
    request_max_body_size=None,
)
async def upload_live_thumbnail(
    request: Request[Any, Any, Any],
    live_stream_id: FromPath[str],
    principal: NamedDependency[Principal],
    runtime: NamedDependency[Runtime],
) -> LiveStreamJson:
    """Show a picture for a live stream until it is broadcast, and in between."""
    stream = await find_live_stream(principal.scope, live_stream_id)
    before = live_stream_json(stream, runtime, principal)
    change = Changing(runtime, principal.scope, "live-stream", "update", id=live_stream_id, before=before)
    received = await receive_picture(request)
    await change.propose(ThumbnailChange(received.kind))
    key = f"{stream.prefix}image/thumbnail-{uuid4().hex[:12]}.jpg"
    await store_bytes(runtime.storage, key, await as_jpeg(received))
    return await _changed(change, await live_streams.set_thumbnail(principal.scope, live_stream_id, key), runtime, principal)


@delete(
    "/live-streams/{live_stream_id:str}/thumbnail",
    operation_id="DELETE_live-streams-liveStreamId-thumbnail",
    status_code=200,
)
async def delete_live_thumbnail(
    live_stream_id: FromPath[str], principal: NamedDependency[Principal], runtime: NamedDependency[Runtime]
) -> LiveStreamJson:
    """Take the picture of a live stream away; none there is no error."""
    before = live_stream_json(await find_live_stream(principal.scope, live_stream_id), runtime, principal)
    change = Changing(runtime, principal.scope, "live-stream", "update", id=live_stream_id, before=before)
    await change.propose(ThumbnailChange(None))
    return await _changed(
        change, await live_streams.set_thumbnail(principal.scope, live_stream_id, None), runtime, principal
    )


def check_name(name: str) -> None:
    """Raise InvalidAttribute for a name that is longer than the title of a video may be."""
    if (fault := too_long("name", name, TITLE_LENGTH)) is not None:
        raise fault


async def _changed(change: Changing, stream: LiveStream | None, runtime: Runtime, principal: Principal) -> LiveStreamJson:
    """Tell the plugins of a change that is committed, and answer it. Raises NotFound when it was removed meanwhile."""
    if stream is None:
        raise NotFound(name="liveStreamId")
    answer = live_stream_json(stream, runtime, principal)
    await change.made(answer)
    return answer


HANDLERS = (
    create_live_stream,
    list_live_streams,
    get_live_stream,
    update_live_stream,
    delete_live_stream,
    complete_live_stream,
    upload_live_thumbnail,
    delete_live_thumbnail,
)
