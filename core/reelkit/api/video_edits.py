"""PATCH and DELETE /videos/{videoId}: change a video, and let go of it."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, delete, patch
from litestar.di import NamedDependency
from litestar.params import FromPath

from reelkit.access.principal import Principal
from reelkit.api import player_themes
from reelkit.api.changes import Changing
from reelkit.api.payloads import read_payload
from reelkit.api.removal import remove_soon
from reelkit.api.video_json import VideoJson, video_json
from reelkit.api.video_payloads import VideoUpdatePayload, check_update
from reelkit.api.videos import find_video
from reelkit.catalog import sources, summaries, text_tracks, transcripts, videos
from reelkit.catalog.videos import Video, VideoEdit
from reelkit.jobs.captions import caption_what_waits
from reelkit.jobs.erasing import erase
from reelkit.jobs.mp4 import have_mp4
from reelkit.jobs.runtime import Runtime
from reelkit.jobs.summary import summarise_what_waits
from reelkit.problems import NotFound, SummaryAlreadyExists

__all__ = ["delete_video", "update_video"]


@patch("/videos/{video_id:str}", operation_id="PATCH-video")
async def update_video(
    request: Request[Any, Any, Any],
    video_id: FromPath[str],
    principal: NamedDependency[Principal],
    runtime: NamedDependency[Runtime],
) -> VideoJson:
    """Change what the body names of a video."""
    video = await find_video(principal.scope, video_id)
    edit = Changing(runtime, video.scope, "video", "update", id=video_id, before=video_json(video, runtime))
    body = await request.body()
    given = await edit.propose(read_payload(body, VideoUpdatePayload))
    check_update(given, msgspec.json.decode(body))
    await player_themes.check(video.scope, given.player_id)
    if given.transcript_summary is True and await summaries.exists(video.scope, video_id):
        raise SummaryAlreadyExists(name="transcriptSummary", detail="Delete the summary of this video first.")
    values = msgspec.structs.asdict(given)
    wanted = {name: value for name, value in values.items() if name in VideoEdit.__struct_fields__}
    if given.language is not msgspec.UNSET:
        wanted["language_origin"] = "api" if given.language else None
    wanted["summary_attributes"] = given.transcript_summary_attributes
    changed = await videos.update(video.scope, video_id, VideoEdit(**wanted))
    if changed is None:
        raise NotFound(name="videoId")
    await _rewish(runtime, video, given, changed)
    if given.mp4_support is True:
        await have_mp4(runtime, await sources.for_video(changed.scope, video_id))
    shown = video_json(changed, runtime, principal)
    await edit.made(shown)
    return shown


async def _rewish(runtime: Runtime, before: Video, given: VideoUpdatePayload, now: Video) -> None:
    """Have captions written that are wanted only now, or anew in the language that the video is said to be in."""
    spoken = given.language is not msgspec.UNSET and now.language != before.language
    if given.transcript is True or given.transcript_summary is True or (spoken and now.transcript):
        listed = await text_tracks.page(now.scope, now.video_id, "caption", 1, 1)
        if given.transcript is not True and not spoken and listed.total:
            await summarise_what_waits(runtime, now.scope, now.video_id)
        else:
            await caption_what_waits(runtime, await transcripts.want(now.scope, now.video_id))
    elif given.transcript is False:
        await transcripts.drop(now.scope, now.video_id)


@delete("/videos/{video_id:str}", operation_id="DELETE-video", status_code=204)
async def delete_video(
    video_id: FromPath[str], principal: NamedDependency[Principal], runtime: NamedDependency[Runtime]
) -> None:
    """Remove a video for good, or, where the site restores videos, discard it."""
    video = await find_video(principal.scope, video_id)
    edit = Changing(runtime, video.scope, "video", "delete", id=video_id, before=video_json(video, runtime))
    await edit.propose(None)
    if runtime.site.videos.restore:
        if await videos.discard(video.scope, video_id) is None:
            raise NotFound(name="videoId")
    else:
        prefixes = await erase(runtime, video)
        if prefixes is None:
            raise NotFound(name="videoId")
        for prefix in prefixes:
            remove_soon(runtime.storage, prefix)
    await edit.made()
