"""/videos/{videoId}/thumbnail: the picture of a video, uploaded or taken from it; before there is a source as well."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import msgspec
from litestar import Request, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from reelkit.access.principal import Principal
from reelkit.api.changes import Changing
from reelkit.api.payloads import read_payload
from reelkit.api.pictures import as_jpeg, receive_picture
from reelkit.api.video_json import VideoJson, video_json
from reelkit.api.videos import find_video
from reelkit.catalog import videos
from reelkit.jobs.runtime import Runtime
from reelkit.jobs.thumbnail import take_wanted
from reelkit.jobs.transfer import store_bytes
from reelkit.problems import InvalidAttribute, NotFound

__all__ = ["PickPayload", "pick_thumbnail", "upload_thumbnail"]

_TIMECODE = re.compile(r"\d{2,3}:[0-5]\d:[0-5]\d(\.\d{1,3}|:\d{1,3})?|\d{1,7}(\.\d{1,3})?", re.ASCII)


class PickPayload(msgspec.Struct, frozen=True):
    """The contract's `video-thumbnail-pick-payload`. timecode: `HH:MM:SS[.mmm]`, `HH:MM:SS:frame`, or seconds."""

    timecode: str


class Uploaded(msgspec.Struct, frozen=True):
    """What plugins see of a picture: its kind."""

    thumbnail: str


@post(
    "/videos/{video_id:str}/thumbnail",
    operation_id="POST_videos-videoId-thumbnail",
    status_code=200,
    request_max_body_size=None,
)
async def upload_thumbnail(
    request: Request[Any, Any, Any],
    video_id: FromPath[str],
    principal: NamedDependency[Principal],
    runtime: NamedDependency[Runtime],
) -> VideoJson:
    """Show a picture of the client's, kept as a new JPEG."""
    video = await find_video(principal.scope, video_id)
    shown = video_json(video, runtime, principal)
    received = await receive_picture(request)
    edit = Changing(runtime, video.scope, "video", "update", id=video_id, before=shown)
    await edit.propose(Uploaded(received.kind))
    key = f"{video.prefix}image/thumbnail-{uuid4().hex[:12]}.jpg"
    await store_bytes(runtime.storage, key, await as_jpeg(received))
    if not await videos.set_thumbnail(video.scope, video_id, key=key):
        raise NotFound(name="videoId")
    await edit.made(shown)
    return shown


@patch("/videos/{video_id:str}/thumbnail", operation_id="PATCH_videos-videoId-thumbnail")
async def pick_thumbnail(
    request: Request[Any, Any, Any],
    video_id: FromPath[str],
    principal: NamedDependency[Principal],
    runtime: NamedDependency[Runtime],
) -> VideoJson:
    """Have a frame of the video shown; it is taken by a job, as soon as there is a source."""
    video = await find_video(principal.scope, video_id)
    shown = video_json(video, runtime, principal)
    edit = Changing(runtime, video.scope, "video", "update", id=video_id, before=shown)
    given = await edit.propose(read_payload(await request.body(), PickPayload))
    if not _TIMECODE.fullmatch(given.timecode):
        detail = "Write HH:MM:SS, HH:MM:SS.mmm, HH:MM:SS:frame or a number of seconds."
        raise InvalidAttribute(name="timecode", detail=detail)
    if not await videos.set_thumbnail(video.scope, video_id, timecode=given.timecode):
        raise NotFound(name="videoId")
    await take_wanted(runtime, await find_video(video.scope, video_id))
    await edit.made(shown)
    return shown
