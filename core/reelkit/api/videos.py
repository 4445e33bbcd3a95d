"""Videos over HTTP: create, list, read, delete, and how far one is."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, Literal, cast

import msgspec
from litestar import Request, delete, get, post

from reelkit.access.principal import Principal
from reelkit.api.pagination import Pagination, paginate, requested_page
from reelkit.api.payloads import read_payload
from reelkit.api.queries import Query
from reelkit.api.removal import remove_soon
from reelkit.api.status import VideoStatus, video_status
from reelkit.api.video_json import VideoJson, video_json
from reelkit.catalog import playback, renditions, sources, videos
from reelkit.catalog.scope import Scope
from reelkit.catalog.videos import Metadata, NewVideo, SortBy, Video, VideoFilter
from reelkit.interfaces.event import VideoCreated, VideoDeleted
from reelkit.jobs.announce import announce
from reelkit.jobs.runtime import Runtime
from reelkit.problems import AttributeRequired, InvalidAttribute, NotFound

__all__ = [
    "LANGUAGES",
    "NewVideoPayload",
    "VideoList",
    "create_video",
    "delete_video",
    "find_video",
    "get_status",
    "get_video",
]

Language = Literal[
    "ar", "ca", "cs", "da", "de", "el", "en", "es", "fa", "fi", "fr", "he", "hi", "hr", "hu", "it", "ja", "ko", "ml", "nl",
    "nn", "no", "pl", "pt", "ru", "sk", "sl", "te", "tr", "uk", "ur", "vi", "zh",
]  # fmt: skip
LANGUAGES = Language.__args__  # type: ignore[attr-defined]  # Literal has them

_VIDEO_ID = re.compile(r"vi[0-9A-Za-z]{1,62}", re.ASCII)


class NewVideoPayload(msgspec.Struct, frozen=True, rename="camel"):
    """The contract's `video-creation-payload`, as far as it is served."""

    title: str
    description: str = ""
    public: bool = True
    panoramic: bool = False
    mp4_support: bool = True
    player_id: str | None = None
    tags: tuple[str, ...] = ()
    metadata: tuple[Metadata, ...] = ()
    language: Language | None = None
    source: str | None = None


class VideoList(msgspec.Struct, frozen=True):
    """The contract's `videos-list-response`."""

    data: tuple[VideoJson, ...]
    pagination: Pagination


async def find_video(scope: Scope, video_id: str) -> Video:
    """Return a video of the caller's. Raises NotFound, also for one that belongs to somebody else."""
    video = await videos.get(scope, video_id) if _VIDEO_ID.fullmatch(video_id) else None
    if video is None:
        raise NotFound(name="videoId")
    return video


@post("/videos", status_code=201)
async def create_video(request: Request[Any, Any, Any], principal: Principal, runtime: Runtime) -> VideoJson:
    """Create a video without a source."""
    given = read_payload(await request.body(), NewVideoPayload)
    if not given.title.strip():
        raise AttributeRequired(name="title")
    if given.source is not None:
        raise InvalidAttribute(name="source", detail="Sources by URL are not supported yet: upload the file.")
    new = NewVideo(
        title=given.title,
        description=given.description,
        public=given.public,
        panoramic=given.panoramic,
        mp4_support=given.mp4_support,
        player_id=given.player_id,
        tags=given.tags,
        metadata=given.metadata,
        language=given.language,
        language_origin="api" if given.language else None,
    )
    video = await videos.create(principal.scope, new)
    event = VideoCreated(project=video.project, environment=video.environment, video_id=video.video_id, at=datetime.now(UTC))
    await announce(runtime, event)
    return video_json(video, runtime.site.site.base_url)


@get("/videos")
async def list_videos(request: Request[Any, Any, Any], principal: Principal, runtime: Runtime) -> VideoList:
    """List the videos that match every filter, newest first unless asked otherwise."""
    query = Query(request.scope["query_string"])
    page = requested_page(query)
    sort_by = query.one_of("sortBy", ("title", "createdAt", "publishedAt", "updatedAt"), "createdAt")
    sort_order = query.one_of("sortOrder", ("asc", "desc"), "desc")
    wanted = VideoFilter(
        title=query.text("title"),
        description=query.text("description"),
        tags=query.array("tags"),
        metadata=tuple(Metadata(key, value) for key, value in query.mapping("metadata").items()),
    )
    query.check()
    found = await videos.page(
        principal.scope,
        wanted,
        cast("SortBy", sort_by),
        cast("Literal['asc', 'desc']", sort_order),
        page.number,
        page.size,
    )
    base_url = runtime.site.site.base_url
    data = tuple(video_json(video, base_url) for video in found.items)
    return VideoList(data, paginate("/videos", query, page, len(data), found.total))


@get("/videos/{video_id:str}")
async def get_video(video_id: str, principal: Principal, runtime: Runtime) -> VideoJson:
    """Read one video."""
    return video_json(await find_video(principal.scope, video_id), runtime.site.site.base_url)


@get("/videos/{video_id:str}/status")
async def get_status(video_id: str, principal: Principal) -> VideoStatus:
    """Tell how far the upload and the encoding of a video are."""
    video = await find_video(principal.scope, video_id)
    source = await sources.for_video(video.scope, video_id)
    made = await renditions.for_video(video.scope, video_id)
    watched = await playback.playback(video_id)
    return video_status(video, source, made, watched is not None and watched.playable)


@delete("/videos/{video_id:str}", status_code=204)
async def delete_video(video_id: str, principal: Principal, runtime: Runtime) -> None:
    """Remove a video, stop what is being made of it, and have its bytes removed."""
    video = await find_video(principal.scope, video_id)
    source = await sources.for_video(video.scope, video_id)
    prefixes = await videos.delete(video.scope, video_id)
    if prefixes is None:
        raise NotFound(name="videoId")
    if source is not None:
        for kind in runtime.engine.kinds:
            await runtime.engine.cancel(kind, source.id)
    for prefix in prefixes:
        remove_soon(runtime.storage, prefix)
    event = VideoDeleted(project=video.project, environment=video.environment, video_id=video.video_id, at=datetime.now(UTC))
    await announce(runtime, event)
