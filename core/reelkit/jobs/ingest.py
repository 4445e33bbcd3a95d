"""The job `ingest`: look into an uploaded file, make it playable at once where that is possible, and have the rest made."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from reelkit.catalog import doomed, transcripts, work
from reelkit.catalog.renditions import Rendition
from reelkit.catalog.sources import Source
from reelkit.interfaces.event import RenditionEncoded, VideoFailed, VideoPlayable
from reelkit.interfaces.media import Probe
from reelkit.interfaces.storage import NotStored
from reelkit.interfaces.transcoder import Sounds
from reelkit.jobs.announce import Noted, announcing, facts
from reelkit.jobs.captions import caption_what_waits
from reelkit.jobs.clip import shortened
from reelkit.jobs.job import JobContext, PermanentFailure
from reelkit.jobs.laziness import submit_ladder
from reelkit.jobs.mp4 import MP4_CONTAINERS, is_made
from reelkit.jobs.planning import copied, draft_of, planned, playable_as_is
from reelkit.jobs.thumbnail import take_wanted
from reelkit.jobs.transfer import at_hand, read_object, store_bytes
from reelkit.media.mp4.errors import Mp4Error, NotMp4
from reelkit.media.mp4.index import MediaIndex, build_index
from reelkit.media.mp4.packager import Packager
from reelkit.media.probe import Unreadable, probe, probe_of_index

if TYPE_CHECKING:
    from reelkit.jobs.runtime import Runtime

__all__ = ["ingest", "ingest_failed"]

PROBE_SECONDS = 60.0


async def ingest(runtime: Runtime, job: JobContext, payload: dict[str, Any]) -> None:
    """Look into the source `source_id`. Raises PermanentFailure with the reason why it cannot be used."""
    source = await work.source(payload["source_id"])
    if source is None or source.status == "failed":
        return
    if source.status != "ingested":
        await work.ingesting(source.id)
        try:
            await _look_into(runtime, job, source)
        except (Unreadable, Mp4Error) as error:
            await _refuse(runtime, source, str(error))
        except NotStored:
            raise PermanentFailure("The uploaded file is gone.") from None
        source = await work.source(source.id)
    if source is not None and source.status == "ingested" and source.probe is not None:
        await _have_the_rest_made(runtime, source, source.probe)


async def ingest_failed(runtime: Runtime, payload: dict[str, Any], reason: str) -> None:
    """Note that a source could not be looked into, and tell."""
    source = await work.source(payload["source_id"])
    async with announcing(runtime) as happened:
        if source is not None and await work.fail_source(source.id, reason):
            await happened(VideoFailed(**facts(source), reason=reason))


async def _look_into(runtime: Runtime, job: JobContext, source: Source) -> None:
    index = await _index(runtime, source)
    job.progress(0.5)
    if index is not None:
        found = probe_of_index(index)
        if (part := await shortened(runtime, job, source, found)) is not None:
            await _look_into(runtime, job, part)
            return
        packager = await asyncio.to_thread(Packager, index)
        if await asyncio.to_thread(playable_as_is, packager, found, runtime.transcoder):
            await _check(runtime, source, found)
            await _publish_as_is(runtime, source, found, packager, index)
            return
    path = await at_hand(runtime.storage, source.storage_key, job.scratch)
    found = await probe(path, PROBE_SECONDS)
    if index is None and (part := await shortened(runtime, job, source, found)) is not None:
        await _look_into(runtime, job, part)
        return
    await _check(runtime, source, found)
    renditions = (*draft_of(found), *planned(found, None, runtime.transcoder).encoded)
    async with announcing(runtime) as happened:
        published = await work.publish_source(
            source.id, found, index_key=None, packageable=False, renditions=renditions, mp4=is_made(runtime, found)
        )
        await _tell_of_mp4(happened, source, found, published)


async def _index(runtime: Runtime, source: Source) -> MediaIndex | None:
    """Index the file where it lies; None when it is no MP4. Raises Mp4Error when it is a bad one."""
    size = source.size if source.size is not None else (await runtime.storage.stat(source.storage_key)).size
    try:
        return await build_index(read_object(runtime.storage, source.storage_key), size)
    except NotMp4:
        return None


async def _publish_as_is(runtime: Runtime, source: Source, found: Probe, packager: Packager, index: MediaIndex) -> None:
    # A name of its own for every attempt, because keys are never written twice.
    key = f"{source.prefix}index-{uuid4().hex[:8]}"
    await store_bytes(runtime.storage, key, await asyncio.to_thread(index.to_bytes))
    top = await asyncio.to_thread(copied, source, found, packager, key)
    plan = planned(found, packager, runtime.transcoder)
    renditions = (top, *plan.encoded, *plan.sounds)
    async with announcing(runtime) as happened:
        published = await work.publish_source(source.id, found, index_key=key, packageable=True, renditions=renditions)
        if published is None:
            return
        if top.status == "encoded":
            await happened(VideoPlayable(**facts(source)))
        if top.quality and top.status == "encoded":
            await happened(RenditionEncoded(**facts(source), encoding="hls", quality=top.quality))
        await _tell_of_mp4(happened, source, found, published)


async def _tell_of_mp4(happened: Noted, source: Source, found: Probe, published: Iterable[Rendition] | None) -> None:
    """Tell that the MP4 file can be had, where it can: it is the source itself, and counts as of the highest quality."""
    video = await work.video(source.video_id)
    heights = [int(one.quality.removesuffix("p")) for one in published or () if one.quality]
    if heights and video is not None and video.mp4_support and found.container in MP4_CONTAINERS:
        await happened(RenditionEncoded(**facts(source), encoding="mp4", quality=f"{max(heights)}p"))


async def _have_the_rest_made(runtime: Runtime, source: Source, found: Probe) -> None:
    if not source.packageable and found.video is not None:
        await runtime.engine.submit("draft", source.id, {"source_id": source.id})
    renditions = await work.renditions_of(source.id)
    apart = source.packageable and isinstance(runtime.transcoder, Sounds)
    if apart and any(one.kind == "audio" for one in renditions):
        await runtime.engine.submit("sound", source.id, {"source_id": source.id})
    if found.video is not None or not source.packageable:
        await submit_ladder(runtime.engine, source, renditions, lazy=runtime.site.jobs.ladder == "lazy")
    if (video := await work.video(source.video_id)) is not None:
        await take_wanted(runtime, video)
        await caption_what_waits(runtime, await transcripts.get(video.scope, video.video_id))


async def _check(runtime: Runtime, source: Source, found: Probe) -> None:
    """Refuse what is too long, or what nobody here can encode."""
    longest = runtime.site.limits.duration_minutes * 60
    if found.duration > longest:
        await _refuse(runtime, source, f"The video lasts {_clock(found.duration)}; this site accepts {_clock(longest)}.")
    if not runtime.transcoder.can(found):
        await _refuse(runtime, source, "The video is in a format that this site cannot encode.")


async def _refuse(runtime: Runtime, source: Source, reason: str) -> None:
    """Fail a source whose bytes are of no use, and let go of them. Raises PermanentFailure."""
    async with announcing(runtime) as happened:
        if await work.fail_source(source.id, reason):
            await doomed.doom([source.prefix])
            await happened(VideoFailed(**facts(source), reason=reason))
    raise PermanentFailure(reason)


def _clock(seconds: float) -> str:
    """Format a length as people read it: 26:10:00."""
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
