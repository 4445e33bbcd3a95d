"""Chapters over HTTP: one WebVTT file a language, whose cues are the parts of the video."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from reelkit.access.principal import Principal
from reelkit.api.pagination import Pagination
from reelkit.api.text_files import drop_text, find_text, list_texts, read_language, take_text
from reelkit.api.videos import find_video
from reelkit.catalog.text_tracks import TextTrack
from reelkit.jobs.runtime import Runtime

__all__ = ["HANDLERS", "ChapterJson", "ChapterList", "delete_chapter", "get_chapter", "list_chapters", "upload_chapter"]


class ChapterJson(msgspec.Struct, frozen=True):
    """The contract's `chapter`."""

    uri: str
    src: str
    language: str


class ChapterList(msgspec.Struct, frozen=True):
    """The contract's `chapters-list-response`."""

    data: tuple[ChapterJson, ...]
    pagination: Pagination


def chapter_json(track: TextTrack, base_url: str) -> ChapterJson:
    """Return the JSON of chapters. base_url: of the site, without a trailing slash."""
    return ChapterJson(
        uri=f"/videos/{track.video_id}/chapters/{track.language}",
        src=f"{base_url}/vod/{track.video_id}/chapters/{track.language}.vtt",
        language=track.language,
    )


@post(
    "/videos/{video_id:str}/chapters/{language:str}",
    operation_id="POST_videos-videoId-chapters-language",
    status_code=200,
    request_max_body_size=None,
)
async def upload_chapter(
    request: Request[Any, Any, Any],
    video_id: FromPath[str],
    language: FromPath[str],
    principal: NamedDependency[Principal],
    runtime: NamedDependency[Runtime],
) -> ChapterJson:
    """Take the chapters in a language; those that were there before are replaced."""
    video = await find_video(principal.scope, video_id)
    return await take_text(request, runtime, video, "chapter", read_language(language), chapter_json)


@get("/videos/{video_id:str}/chapters/{language:str}", operation_id="GET_videos-videoId-chapters-language")
async def get_chapter(
    video_id: FromPath[str],
    language: FromPath[str],
    principal: NamedDependency[Principal],
    runtime: NamedDependency[Runtime],
) -> ChapterJson:
    """Tell of the chapters in a language."""
    video = await find_video(principal.scope, video_id)
    return chapter_json(await find_text(video, "chapter", read_language(language)), runtime.site.site.base_url)


@get("/videos/{video_id:str}/chapters", operation_id="GET_videos-videoId-chapters")
async def list_chapters(
    request: Request[Any, Any, Any],
    video_id: FromPath[str],
    principal: NamedDependency[Principal],
    runtime: NamedDependency[Runtime],
) -> ChapterList:
    """List the chapters of a video by their language."""
    video = await find_video(principal.scope, video_id)
    tracks, pagination = await list_texts(request, video, "chapter")
    return ChapterList(tuple(chapter_json(track, runtime.site.site.base_url) for track in tracks), pagination)


@delete(
    "/videos/{video_id:str}/chapters/{language:str}",
    operation_id="DELETE_videos-videoId-chapters-language",
    status_code=204,
)
async def delete_chapter(
    video_id: FromPath[str],
    language: FromPath[str],
    principal: NamedDependency[Principal],
    runtime: NamedDependency[Runtime],
) -> None:
    """Remove the chapters in a language."""
    video = await find_video(principal.scope, video_id)
    await drop_text(runtime, video, "chapter", read_language(language), chapter_json)


HANDLERS = (upload_chapter, get_chapter, list_chapters, delete_chapter)
