"""POST /videos: an empty video to upload into, or one whose source is brought from an address or from another video."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import msgspec
from litestar import Request, Response, post
from litestar.di import NamedDependency

from reelkit.access.principal import Principal
from reelkit.api import player_themes, watermarks
from reelkit.api.changes import Changing
from reelkit.api.payloads import read_payload
from reelkit.api.video_json import VideoJson, video_json
from reelkit.api.video_payloads import NewVideoPayload, check_creation
from reelkit.api.videos import VIDEO_ID
from reelkit.catalog import sources, transcripts, videos
from reelkit.catalog.scope import Scope
from reelkit.catalog.videos import NewVideo, Origin
from reelkit.interfaces.event import VideoCreated
from reelkit.jobs.announce import announce, facts, noting
from reelkit.jobs.engine import JobsUnavailable
from reelkit.jobs.runtime import Runtime
from reelkit.outbound import OutboundRefused
from reelkit.problems import InvalidAttribute

__all__ = ["create_video"]


@post("/videos", operation_id="POST-video", status_code=201)
async def create_video(
    request: Request[Any, Any, Any], principal: NamedDependency[Principal], runtime: NamedDependency[Runtime]
) -> Response[VideoJson]:
    """Create a video: 201, or 202 when a job is to bring its source."""
    edit = Changing(runtime, principal.scope, "video", "create")
    given = await edit.propose(read_payload(await request.body(), NewVideoPayload))
    check_creation(given)
    await player_themes.check(principal.scope, given.player_id)
    if given.watermark is not None:
        await watermarks.check(principal.scope, given.watermark.id)
    origin: Origin = "upload" if given.source is None else await _origin(principal.scope, given.source)
    values = msgspec.structs.asdict(given)
    new = NewVideo(
        **{name: value for name, value in values.items() if name in NewVideo.__struct_fields__},
        language_origin="api" if given.language else None,
        origin=origin,
        origin_uri=given.source,
        fetching=given.source is not None,
        summary_attributes=given.transcript_summary_attributes,
    )
    async with noting(runtime) as happened:
        video = await videos.create(principal.scope, new)
        if video.transcript or video.transcript_summary:
            await transcripts.want(video.scope, video.video_id)
        await happened(VideoCreated(**facts(video)))
    if video.fetching:
        # Should this process die before, or it cannot be kept now: whoever expires videos submits it again.
        with suppress(JobsUnavailable):
            await runtime.engine.submit("fetch", video.video_id, {"video_id": video.video_id})
    await announce(runtime, happened)
    shown = video_json(video, runtime, principal)
    await edit.made(shown, id=video.video_id)
    return Response(shown, status_code=202 if video.fetching else 201)


async def _origin(scope: Scope, source: str) -> Origin:
    """Tell what kind of place a source is. Raises InvalidAttribute for one that cannot be used."""
    if VIDEO_ID.fullmatch(source):
        if await videos.get(scope, source) is None:
            raise InvalidAttribute(name="source", detail="There is no video of this id.")
        other = await sources.for_video(scope, source)
        if other is None or other.checksum is None:
            raise InvalidAttribute(name="source", detail="The video of this id has no source that could be copied.")
        return "copy"
    from reelkit.outbound import checked_url

    try:
        checked_url(source)
    except OutboundRefused as error:
        raise InvalidAttribute(name="source", detail=f"Give a URL or the id of a video. {error}") from None
    return "url"
