"""Videos that an upload creates: there before its first byte, gone again when nothing of it stays."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from reelkit.api.changes import Changing
from reelkit.api.removal import remove_soon
from reelkit.api.video_json import video_json
from reelkit.api.video_payloads import NewVideoPayload, check_creation
from reelkit.catalog import sources, transcripts, videos
from reelkit.catalog.scope import Scope
from reelkit.catalog.videos import NewVideo, Video
from reelkit.interfaces.event import VideoCreated
from reelkit.jobs.announce import announcing, facts
from reelkit.jobs.erasing import erase
from reelkit.jobs.runtime import Runtime

__all__ = ["created_video", "remove_video"]


@asynccontextmanager
async def created_video(runtime: Runtime, scope: Scope, payload: NewVideoPayload) -> AsyncIterator[Video]:
    """Create a video as POST /videos does; it is removed again if the block raises and nothing of its file stays."""
    edit = Changing(runtime, scope, "video", "create")
    given = await edit.propose(payload)
    check_creation(given)
    values = msgspec.structs.asdict(given)
    new = NewVideo(
        **{name: value for name, value in values.items() if name in NewVideo.__struct_fields__},
        language_origin="api" if given.language else None,
    )
    async with announcing(runtime) as happened:
        video = await videos.create(scope, new)
        if video.transcript or video.transcript_summary:
            await transcripts.want(scope, video.video_id)
        await happened(VideoCreated(**facts(video)))
    await edit.made(video_json(video, runtime), id=video.video_id)
    try:
        yield video
    except BaseException:
        source = await sources.for_video(scope, video.video_id)
        if source is None or source.status == "failed":
            await remove_video(runtime, video)
        raise


async def remove_video(runtime: Runtime, video: Video) -> None:
    """Remove a video that nobody knows of yet."""
    for prefix in await erase(runtime, video) or ():
        remove_soon(runtime.storage, prefix)
