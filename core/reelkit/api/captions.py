"""Captions over HTTP: one WebVTT file a language, one of them shown unless the viewer chooses otherwise."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from reelkit.access.principal import Principal
from reelkit.api.changes import Changing
from reelkit.api.pagination import Pagination
from reelkit.api.payloads import read_payload
from reelkit.api.text_files import drop_text, find_text, list_texts, read_language, take_text
from reelkit.api.videos import find_video
from reelkit.catalog import text_tracks
from reelkit.catalog.text_tracks import TextTrack
from reelkit.jobs.runtime import Runtime
from reelkit.problems import NotFound

__all__ = [
    "HANDLERS",
    "CaptionJson",
    "CaptionList",
    "CaptionUpdate",
    "delete_caption",
    "get_caption",
    "list_captions",
    "update_caption",
    "upload_caption",
]


class CaptionJson(msgspec.Struct, frozen=True):
    """The contract's `caption`. languageName: what the language calls itself."""

    uri: str
    src: str
    srclang: str
    language_name: str = msgspec.field(name="languageName")
    default: bool


class CaptionList(msgspec.Struct, frozen=True):
    """The contract's `captions-list-response`."""

    data: tuple[CaptionJson, ...]
    pagination: Pagination


class CaptionUpdate(msgspec.Struct, frozen=True):
    """The contract's `captions-update-payload`."""

    default: bool | msgspec.UnsetType = msgspec.UNSET


def caption_json(track: TextTrack, base_url: str) -> CaptionJson:
    """Return the JSON of a caption. base_url: of the site, without a trailing slash."""
    return CaptionJson(
        uri=f"/videos/{track.video_id}/captions/{track.language}",
        src=f"{base_url}/vod/{track.video_id}/captions/{track.language}.vtt",
        srclang=track.language,
        language_name=track.language_name,
        default=track.shown,
    )


@post(
    "/videos/{video_id:str}/captions/{language:str}",
    operation_id="POST_videos-videoId-captions-language",
    status_code=200,
    request_max_body_size=None,
)
async def upload_caption(
    request: Request[Any, Any, Any],
    video_id: FromPath[str],
    language: FromPath[str],
    principal: NamedDependency[Principal],
    runtime: NamedDependency[Runtime],
) -> CaptionJson:
    """Take the captions of a language; those that were there before are replaced."""
    video = await find_video(principal.scope, video_id)
    return await take_text(request, runtime, video, "caption", read_language(language), caption_json)


@get("/videos/{video_id:str}/captions/{language:str}", operation_id="GET_videos-videoId-captions-language")
async def get_caption(
    video_id: FromPath[str],
    language: FromPath[str],
    principal: NamedDependency[Principal],
    runtime: NamedDependency[Runtime],
) -> CaptionJson:
    """Tell of the captions of a language."""
    video = await find_video(principal.scope, video_id)
    return caption_json(await find_text(video, "caption", read_language(language)), runtime.site.site.base_url)


@get("/videos/{video_id:str}/captions", operation_id="GET_videos-videoId-captions")
async def list_captions(
    request: Request[Any, Any, Any],
    video_id: FromPath[str],
    principal: NamedDependency[Principal],
    runtime: NamedDependency[Runtime],
) -> CaptionList:
    """List the captions of a video by their language."""
    video = await find_video(principal.scope, video_id)
    tracks, pagination = await list_texts(request, video, "caption")
    return CaptionList(tuple(caption_json(track, runtime.site.site.base_url) for track in tracks), pagination)


@patch("/videos/{video_id:str}/captions/{language:str}", operation_id="PATCH_videos-videoId-captions-language")
async def update_caption(
    request: Request[Any, Any, Any],
    video_id: FromPath[str],
    language: FromPath[str],
    principal: NamedDependency[Principal],
    runtime: NamedDependency[Runtime],
) -> CaptionJson:
    """Choose whether players show the captions of a language by themselves; one of a video at most is shown."""
    video = await find_video(principal.scope, video_id)
    known, base_url = read_language(language), runtime.site.site.base_url
    found = await find_text(video, "caption", known)
    given = read_payload(await request.body(), CaptionUpdate)
    before = caption_json(found, base_url)
    edit = Changing(runtime, video.scope, "caption", "update", id=found.id, before=before)
    given = await edit.propose(given)
    if isinstance(given.default, msgspec.UnsetType):
        return before
    changed = await text_tracks.show(video.scope, video_id, "caption", known, given.default)
    if changed is None:
        raise NotFound(name="language")
    after = caption_json(changed, base_url)
    await edit.made(after)
    return after


@delete(
    "/videos/{video_id:str}/captions/{language:str}",
    operation_id="DELETE_videos-videoId-captions-language",
    status_code=204,
)
async def delete_caption(
    video_id: FromPath[str],
    language: FromPath[str],
    principal: NamedDependency[Principal],
    runtime: NamedDependency[Runtime],
) -> None:
    """Remove the captions of a language."""
    video = await find_video(principal.scope, video_id)
    await drop_text(runtime, video, "caption", read_language(language), caption_json)


HANDLERS = (upload_caption, get_caption, list_captions, update_caption, delete_caption)
