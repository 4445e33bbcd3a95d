"""/discarded/videos: videos that were deleted where the site keeps them for a while, to be listed and restored."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from litestar import Request, get, patch
from litestar.di import NamedDependency
from litestar.params import FromPath

from reelkit.access.principal import Principal
from reelkit.api.changes import Changing
from reelkit.api.payloads import read_payload
from reelkit.api.video_json import VideoJson, video_json
from reelkit.api.videos import VIDEO_ID, VideoList, list_of
from reelkit.catalog import videos
from reelkit.catalog.scope import Scope
from reelkit.catalog.videos import Video
from reelkit.jobs.runtime import Runtime
from reelkit.problems import InvalidAttribute, NotFound

__all__ = ["DiscardedUpdatePayload", "get_discarded", "list_discarded", "restore_video"]


class DiscardedUpdatePayload(msgspec.Struct, frozen=True):
    """The contract's `discarded-video-update-payload`."""

    discarded: bool


class Restored(msgspec.Struct, frozen=True):
    """What plugins see of it."""

    discarded: Literal[False] = False


@get("/discarded/videos", operation_id="LIST-discarded-videos")
async def list_discarded(
    request: Request[Any, Any, Any], principal: NamedDependency[Principal], runtime: NamedDependency[Runtime]
) -> VideoList:
    """List the discarded videos that match every filter."""
    return await list_of(request, principal, runtime, discarded=True)


@get("/discarded/videos/{video_id:str}", operation_id="GET-discarded-video")
async def get_discarded(
    video_id: FromPath[str], principal: NamedDependency[Principal], runtime: NamedDependency[Runtime]
) -> VideoJson:
    """Read one discarded video."""
    return _shown(runtime, await _find(principal.scope, video_id))


@patch("/discarded/videos/{video_id:str}", operation_id="PATCH-discarded-video")
async def restore_video(
    request: Request[Any, Any, Any],
    video_id: FromPath[str],
    principal: NamedDependency[Principal],
    runtime: NamedDependency[Runtime],
) -> VideoJson:
    """Bring a discarded video back, as it was."""
    video = await _find(principal.scope, video_id)
    given = read_payload(await request.body(), DiscardedUpdatePayload)
    if given.discarded:
        raise InvalidAttribute(name="discarded", detail="Value must be false.")
    edit = Changing(runtime, video.scope, "video", "update", id=video_id, before=_shown(runtime, video))
    await edit.propose(Restored())
    restored = await videos.restore(video.scope, video_id)
    if restored is None:
        raise NotFound(name="videoId")
    shown = _shown(runtime, restored, principal)
    await edit.made(shown)
    return shown


async def _find(scope: Scope, video_id: str) -> Video:
    video = await videos.get_discarded(scope, video_id) if VIDEO_ID.fullmatch(video_id) else None
    if video is None:
        raise NotFound(name="videoId")
    return video


def _shown(runtime: Runtime, video: Video, by: Principal | None = None) -> VideoJson:
    return video_json(video, runtime, by)
