"""The job `transcode`: the ladder of a source and its images, in one run, each rendition published by itself."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec

from reelkit.catalog import work
from reelkit.catalog.playback import playback
from reelkit.catalog.renditions import Rendition
from reelkit.catalog.sources import Source
from reelkit.interfaces.event import RenditionEncoded, VideoFailed, VideoPlayable
from reelkit.interfaces.media import Ladder, Probe
from reelkit.interfaces.transcoder import Outputs, Sounds, TranscodeFailed, TranscodeTask
from reelkit.jobs.announce import announcing, facts
from reelkit.jobs.job import JobContext, PermanentFailure
from reelkit.jobs.laziness import REST, is_due
from reelkit.jobs.mp4 import have_mp4
from reelkit.jobs.planning import Plan, plan_of
from reelkit.jobs.transfer import at_hand, read_file, store_bytes, store_file
from reelkit.media.mp4.index import build_index
from reelkit.media.mp4.packager import Packager

if TYPE_CHECKING:
    from reelkit.jobs.runtime import Runtime

__all__ = ["transcode", "transcode_failed"]

REPORT_SECONDS = 1.0
"""How often progress is written to the renditions."""


async def transcode(runtime: Runtime, job: JobContext, payload: dict[str, Any]) -> None:
    """Encode what the source `source_id` still lacks, in one run. Raises PermanentFailure when it cannot be encoded.

    `part`: of a ladder that is made lazily; None: all of it.
    """
    await _encode(runtime, job, payload)
    await have_mp4(runtime, await work.source(payload["source_id"]))


async def _encode(runtime: Runtime, job: JobContext, payload: dict[str, Any]) -> None:
    part = payload.get("part")
    source = await work.source(payload["source_id"])
    if source is None or source.status != "ingested" or source.probe is None:
        return
    plan = await plan_of(runtime.storage, source, source.probe, runtime.transcoder)
    renditions = await work.plan(source.id, [one for one in plan.encoded if is_due(one.quality, part)])
    if renditions is None:
        return
    missing = [rendition for rendition in renditions if rendition.status != "encoded"]
    images = source.probe.video is not None and source.poster_key is None and part != REST
    if not (missing or images):
        return
    if not await work.start([rendition.id for rendition in missing]):
        return
    ladder = _remaining(plan, missing)
    outputs = await _run(runtime, job, source, source.probe, ladder, missing, images)
    for rendition, path in _in_order(missing, ladder, outputs):
        await _publish(runtime, source, rendition, path)
    if images:
        await _publish_images(runtime, source, outputs)


async def transcode_failed(runtime: Runtime, payload: dict[str, Any], reason: str) -> None:
    """Note that renditions could not be made; tell it when the video cannot be played at all."""
    source = await work.source(payload["source_id"])
    if source is None:
        return
    # Those of a copied picture have a job of their own.
    apart = source.packageable and isinstance(runtime.transcoder, Sounds)
    kinds = ("encoded",) if apart else ("encoded", "audio")
    async with announcing(runtime) as happened:
        renditions = await work.renditions_of(source.id)
        for rendition in renditions:
            if rendition.kind in kinds and is_due(rendition.quality, payload.get("part")):
                await work.fail_rendition(rendition.id, reason)
        watched = await playback(source.video_id)
        # A copy that waits for its sound plays in any case.
        if watched is not None and not watched.playable and not any(rendition.kind == "copy" for rendition in renditions):
            await happened(VideoFailed(**facts(source), reason=reason))
    # Of what there is; where there is nothing, that is told.
    await have_mp4(runtime, source)


def _remaining(plan: Plan, missing: list[Rendition]) -> Ladder:
    """Return the ladder without what an earlier attempt published."""
    names = {rendition.quality for rendition in missing if rendition.kind == "encoded"}
    numbers = {rendition.track for rendition in missing if rendition.kind == "audio" or rendition.width == 0}
    return msgspec.structs.replace(
        plan.ladder,
        rungs=tuple(rung for rung in plan.ladder.rungs if rung.name in names),
        sounds=tuple(number for number in plan.ladder.sounds if number in numbers),
    )


async def _run(
    runtime: Runtime,
    job: JobContext,
    source: Source,
    probe: Probe,
    ladder: Ladder,
    missing: list[Rendition],
    images: bool,
) -> Outputs:
    path = await at_hand(runtime.storage, source.storage_key, job.scratch)
    folder = job.scratch / "made"
    await asyncio.to_thread(folder.mkdir)
    task = TranscodeTask(path, probe, ladder, folder, poster=images, storyboard=images)
    async with _reporting(job, [rendition.id for rendition in missing]) as tell:
        try:
            return await runtime.transcoder.run(task, tell)
        except TranscodeFailed as error:
            raise PermanentFailure(str(error)) from error


@contextlib.asynccontextmanager
async def _reporting(job: JobContext, ids: list[str]) -> AsyncIterator[Callable[[float], None]]:
    """Hand out a function that takes 0..1 and is cheap to call; renditions show it about once a second."""
    latest = 0.0

    def tell(value: float) -> None:
        nonlocal latest
        latest = max(latest, value)
        job.progress(latest)

    async def write() -> None:
        written = 0.0
        while True:
            await asyncio.sleep(REPORT_SECONDS)
            if latest != written:
                written = latest
                with contextlib.suppress(Exception):  # Progress is for people to look at; the work goes on without it.
                    await work.progress(ids, written)

    writing = asyncio.create_task(write())
    try:
        yield tell
    finally:
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)


def _in_order(missing: list[Rendition], ladder: Ladder, outputs: Outputs) -> list[tuple[Rendition, Path]]:
    """Pair renditions with their files: sounds first, which the others need, then from small to large."""
    sounds = dict(zip(ladder.sounds, outputs.sounds, strict=True))
    files = {output.rung.name: output.path for output in outputs.renditions if output.rung is not None}
    pairs: list[tuple[Rendition, Path]] = []
    for rendition in reversed(missing):
        if rendition.kind == "audio" or rendition.width == 0:
            pairs.insert(0, (rendition, sounds[rendition.track]))
        else:
            pairs.append((rendition, files[rendition.quality]))
    return pairs


async def _publish(runtime: Runtime, source: Source, rendition: Rendition, path: Path) -> None:
    """Store one file with its index, then let it join the master playlist."""
    size = (await asyncio.to_thread(path.stat)).st_size
    index = await build_index(read_file(path), size)
    packager = await asyncio.to_thread(Packager, index)
    track = packager.video_track or (packager.audio_tracks[0] if packager.audio_tracks else index.tracks[0])
    if (refusal := await asyncio.to_thread(packager.refusal, track)) is not None:
        raise PermanentFailure(f"The rendition {rendition.quality or 'audio'} cannot be packaged: {refusal}")
    peak, average = await asyncio.to_thread(packager.bandwidth, track)
    watched = await playback(source.video_id)
    file, saved = f"{rendition.prefix}file", f"{rendition.prefix}index"
    await store_file(runtime.storage, file, path)
    await store_bytes(runtime.storage, saved, await asyncio.to_thread(index.to_bytes))
    async with announcing(runtime) as happened:
        published = await work.publish(
            rendition.id,
            storage_key=file,
            index_key=saved,
            codecs=track.codecs,
            bandwidth=peak,
            average_bandwidth=average,
            frame_rate=float(track.frame_rate) or None,
        )
        if not published or rendition.kind == "audio":
            return
        if watched is not None and not watched.playable:
            await happened(VideoPlayable(**facts(source)))
        if rendition.quality:
            await happened(RenditionEncoded(**facts(source), encoding="hls", quality=rendition.quality))


async def _publish_images(runtime: Runtime, source: Source, outputs: Outputs) -> None:
    """Store the poster and the storyboard under a name of their own and show them."""
    folder = f"{source.project}/{source.video_id}/image/{uuid4().hex[:12]}"
    keys: list[str] = []
    for path in (*([outputs.poster] if outputs.poster else []), *outputs.storyboard):
        await store_file(runtime.storage, f"{folder}/{path.name}", path)
        keys.append(f"{folder}/{path.name}")
    sheets = [key for key in keys if key.endswith(".jpg") and key != keys[0]] if outputs.poster else keys[:-1]
    await work.publish_images(
        source.id,
        poster_key=keys[0] if outputs.poster else None,
        storyboard_keys=sheets,
        storyboard_vtt_key=keys[-1] if outputs.storyboard else None,
    )
