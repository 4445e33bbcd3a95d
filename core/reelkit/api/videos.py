"""Videos over HTTP: list, read, and how far one is."""

from __future__ import annotations

import re
from typing import Any, Literal, cast

import msgspec
from litestar import Request, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from reelkit.access.principal import Principal
from reelkit.api.pagination import Pagination, paginate, requested_page
from reelkit.api.queries import Query
from reelkit.api.status import VideoStatus, transcript_state, video_status
from reelkit.api.video_json import VideoJson, video_json
from reelkit.catalog import parts, playback, renditions, sources, transcripts, videos
from reelkit.catalog.scope import Scope
from reelkit.catalog.videos import Metadata, SortBy, Video, VideoFilter
from reelkit.jobs.runtime import Runtime
from reelkit.problems import InvalidQueryParameter, NotFound

__all__ = ["VIDEO_ID", "VideoList", "find_video", "get_status", "get_video", "list_of", "list_videos"]

MOST_FILTERS = 20
"""Tags and pairs of metadata in one query; the rarest leads, each other one is a look-up."""

VIDEO_ID = re.compile(r"vi[0-9A-Za-z]{1,62}", re.ASCII)


class VideoList(msgspec.Struct, frozen=True):
    """The contract's `videos-list-response`."""

    data: tuple[VideoJson, ...]
    pagination: Pagination


async def find_video(scope: Scope, video_id: str) -> Video:
    """Return a video of the caller's. Raises NotFound, also for one that belongs to somebody else."""
    video = await videos.get(scope, video_id) if VIDEO_ID.fullmatch(video_id) else None
    if video is None:
        raise NotFound(name="videoId")
    return video


@get("/videos", operation_id="LIST-videos")
async def list_videos(
    request: Request[Any, Any, Any], principal: NamedDependency[Principal], runtime: NamedDependency[Runtime]
) -> VideoList:
    """List the videos that match every filter, newest first unless asked otherwise."""
    return await list_of(request, principal, runtime)


async def list_of(
    request: Request[Any, Any, Any], principal: Principal, runtime: Runtime, *, discarded: bool = False
) -> VideoList:
    """Answer a list of videos, or of discarded ones."""
    query = Query(request.scope["query_string"])
    page = requested_page(query)
    sort_by = query.one_of("sortBy", ("title", "createdAt", "publishedAt", "updatedAt"), "createdAt")
    sort_order = query.one_of("sortOrder", ("asc", "desc"), "desc")
    wanted = VideoFilter(
        title=query.search("title"),
        description=query.search("description"),
        tags=query.array("tags"),
        metadata=tuple(Metadata(key, value) for key, value in query.mapping("metadata")),
        live_stream_id=query.text("liveStreamId"),
    )
    if len(wanted.tags) + len(wanted.metadata) > MOST_FILTERS:
        name = "tags[]" if len(wanted.tags) > len(wanted.metadata) else "metadata"
        query.faults.append(InvalidQueryParameter(name=name, detail=f"Filter by at most {MOST_FILTERS} at once."))
    query.check()
    found = await videos.page(
        principal.scope,
        wanted,
        cast("SortBy", sort_by),
        cast("Literal['asc', 'desc']", sort_order),
        page.number,
        page.size,
        discarded=discarded,
    )
    data = tuple(video_json(video, runtime, principal) for video in found.items)
    path = "/discarded/videos" if discarded else "/videos"
    return VideoList(data, paginate(path, query, page, len(data), found.total))


@get("/videos/{video_id:str}", operation_id="GET-video")
async def get_video(
    video_id: FromPath[str], principal: NamedDependency[Principal], runtime: NamedDependency[Runtime]
) -> VideoJson:
    """Read one video."""
    return video_json(await find_video(principal.scope, video_id), runtime, principal)


@get("/videos/{video_id:str}/status", operation_id="GET-video-status")
async def get_status(video_id: FromPath[str], principal: NamedDependency[Principal]) -> VideoStatus:
    """Tell how far the upload and the encoding of a video are."""
    video = await find_video(principal.scope, video_id)
    source = await sources.for_video(video.scope, video_id)
    made = await renditions.for_video(video.scope, video_id)
    upload = await parts.for_source(video.scope, source.id) if source is not None and source.resumable else None
    received = None if upload is None else (upload, await parts.received(video.scope, upload.id))
    watched = await playback.playback(video_id)
    found = video_status(video, source, made, watched is not None and watched.playable, received)
    wish = await transcripts.get(video.scope, video_id)
    return found if wish is None else msgspec.structs.replace(found, transcript=transcript_state(wish))
