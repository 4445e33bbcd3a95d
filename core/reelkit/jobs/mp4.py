"""The job `mp4`: a file to download of a source that is no MP4: its highest rendition and its sounds, put into one."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from reelkit.catalog import work
from reelkit.catalog.renditions import Rendition
from reelkit.catalog.sources import Source
from reelkit.interfaces.event import RenditionEncoded
from reelkit.interfaces.media import Probe
from reelkit.interfaces.storage import NotStored
from reelkit.interfaces.transcoder import Muxes, MuxTask, TranscodeFailed
from reelkit.jobs.announce import announcing, facts
from reelkit.jobs.job import JobContext, PermanentFailure
from reelkit.jobs.transfer import at_hand, store_file

if TYPE_CHECKING:
    from reelkit.jobs.runtime import Runtime

__all__ = ["MP4_CONTAINERS", "have_mp4", "is_made", "mp4", "mp4_failed"]

MP4_CONTAINERS = ("mov", "mp4")
"""A source of these is the file to download itself."""


def is_made(runtime: Runtime, probe: Probe) -> bool:
    """Tell whether an MP4 file has to be made of a source, and can be."""
    return probe.container not in MP4_CONTAINERS and isinstance(runtime.transcoder, Muxes)


async def have_mp4(runtime: Runtime, source: Source | None) -> None:
    """Have the file made, once all that it is made of is there; asked for twice it is made once."""
    if source is None or source.mp4_status != "waiting":
        return
    video = await work.video(source.video_id)
    if video is None or not video.mp4_support:
        return
    made = await work.renditions_of(source.id)
    if not any(one.status in ("waiting", "encoding") for one in made if one.kind in ("encoded", "audio")):
        await runtime.engine.submit("mp4", source.id, {"source_id": source.id})


async def mp4(runtime: Runtime, job: JobContext, payload: dict[str, Any]) -> None:
    """Make the file of the source `source_id`. Raises PermanentFailure when there is nothing to make it of."""
    source = await work.source(payload["source_id"])
    if source is None or source.probe is None or source.mp4_status != "waiting" or not isinstance(runtime.transcoder, Muxes):
        return
    made = [one for one in await work.renditions_of(source.id) if one.status == "encoded"]
    whole = [one for one in made if one.kind == "encoded"]
    if not whole:
        raise PermanentFailure("There is no rendition of which a file could be made.")
    # Of pictures one is enough, the highest; renditions without a quality are the tracks of sound alone.
    quality = whole[0].quality
    parts = [whole[0], *(one for one in made if one.kind == "audio")] if quality else whole
    folder = job.scratch / "made"
    await asyncio.to_thread(folder.mkdir)
    try:
        tracks = tuple([await _near(runtime, job, one) for one in parts])
        path = await runtime.transcoder.mux(MuxTask(tracks, source.probe.duration, folder), job.progress)
    except NotStored:
        raise PermanentFailure("The renditions are gone.") from None
    except TranscodeFailed as error:
        raise PermanentFailure(str(error)) from error
    key = f"{source.prefix}mp4-{uuid4().hex[:8]}"
    stored = await store_file(runtime.storage, key, path)
    async with announcing(runtime) as happened:
        if await work.publish_mp4(source.id, key, stored.size) and quality:
            await happened(RenditionEncoded(**facts(source), encoding="mp4", quality=quality))


async def mp4_failed(runtime: Runtime, payload: dict[str, Any], reason: str) -> None:  # noqa: ARG001 - as all kinds
    """Note that there will be no file; the video plays all the same."""
    await work.fail_mp4(payload["source_id"])


async def _near(runtime: Runtime, job: JobContext, rendition: Rendition) -> Path:
    folder = job.scratch / rendition.id
    await asyncio.to_thread(folder.mkdir)
    return await at_hand(runtime.storage, rendition.storage_key or "", folder)
