"""The job `draft`: something to watch at once, of a source that has to be encoded first. It grows while it plays."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from reelkit.catalog import work
from reelkit.catalog.renditions import Rendition
from reelkit.catalog.sources import Source
from reelkit.interfaces.event import VideoPlayable
from reelkit.interfaces.media import Probe
from reelkit.interfaces.transcoder import DraftSegment, DraftTask, TranscodeFailed
from reelkit.jobs.announce import announcing, facts
from reelkit.jobs.job import JobContext, PermanentFailure
from reelkit.jobs.planning import draft_of
from reelkit.jobs.transfer import at_hand, read_file, store_file
from reelkit.media.ladder import draft_rung
from reelkit.media.mp4.index import build_index

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from reelkit.jobs.runtime import Runtime

__all__ = ["closable", "draft", "draft_failed"]


async def draft(runtime: Runtime, job: JobContext, payload: dict[str, Any]) -> None:
    """Make the draft of the source `source_id`. Raises PermanentFailure when it cannot be encoded."""
    source = await work.source(payload["source_id"])
    if source is None or source.status != "ingested" or source.probe is None or source.probe.video is None:
        return
    planned = await work.plan(source.id, draft_of(source.probe))
    if planned is None or planned[0].status == "encoded":
        return
    # Before anything is stored, so that the next attempt has names of its own however early this one ends.
    if not await work.start([planned[0].id]):
        return
    path = await at_hand(runtime.storage, source.storage_key, job.scratch)
    task = DraftTask(path, source.probe, draft_rung(source.probe.video), job.scratch)
    segments = runtime.transcoder.draft(task, job.progress)
    try:
        # Closed here and now, so that no encoder outlives the job.
        async with aclosing(closable(segments)) as made:
            async for segment in made:
                if not await _publish(runtime, source, source.probe, planned[0], segment):
                    return
    except TranscodeFailed as error:
        raise PermanentFailure(str(error)) from error
    await work.finish_draft(planned[0].id)


async def draft_failed(_runtime: Runtime, payload: dict[str, Any], reason: str) -> None:
    """Note that there is no draft; the ladder, which is made anyway, tells whether the video has failed."""
    for rendition in await work.renditions_of(payload["source_id"]):
        if rendition.kind == "draft":
            await work.fail_rendition(rendition.id, reason)


async def _publish(runtime: Runtime, source: Source, probe: Probe, rendition: Rendition, segment: DraftSegment) -> bool:
    """Store one segment and let the draft play so far. False when nobody wants it any more."""
    if segment.number == 0:
        await _describe(probe, rendition, segment)
    key = f"{rendition.prefix}{'init.mp4' if segment.number == 0 else f'{segment.number}.m4s'}"
    await store_file(runtime.storage, key, segment.path)
    await asyncio.to_thread(segment.path.unlink)
    async with announcing(runtime) as happened:
        added = await work.add_draft_segment(rendition.id, segment.number, segment.duration, key)
        if added and segment.number == 1:
            await happened(VideoPlayable(**facts(source)))
    return added


async def _describe(probe: Probe, rendition: Rendition, init: DraftSegment) -> None:
    """Note what a master playlist says of the draft: its codecs, and the most that it can take."""
    size = (await asyncio.to_thread(init.path.stat)).st_size
    index = await build_index(read_file(init.path), size)
    assert probe.video is not None
    most = draft_rung(probe.video).max_rate + 128_000
    codecs = ",".join(track.codecs for track in index.tracks)
    await work.describe_draft(rendition.id, codecs=codecs, bandwidth=most, average_bandwidth=most)


def closable(segments: Any) -> AsyncGenerator[DraftSegment, None]:
    """Return an iterator that has aclose, as those of transcoders that are async generators do."""
    if hasattr(segments, "aclose"):
        return segments  # type: ignore[no-any-return]  # it was looked at the line above

    async def closing() -> AsyncGenerator[DraftSegment, None]:
        async for segment in segments:
            yield segment

    return closing()
