"""The job `sound`: what is heard beside a copied picture, where browsers do not play the source's own sounds.

The picture is shown as soon as its first sound can be heard. Sounds encode many times faster than they play, and players
are told of all segments at once: a playlist that grew would make players take a video that is whole for one that is not,
and beside a picture of the type VOD there may not be one (RFC 8216, 6.2.4).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec

from reelkit.catalog import growing, work
from reelkit.catalog.renditions import Rendition
from reelkit.catalog.sources import Source
from reelkit.interfaces.event import RenditionEncoded, VideoPlayable
from reelkit.interfaces.media import AudioStream, Probe
from reelkit.interfaces.transcoder import DraftSegment, Sounds, SoundTask, TranscodeFailed
from reelkit.jobs.announce import Noted, announcing, facts
from reelkit.jobs.draft import closable
from reelkit.jobs.job import JobContext
from reelkit.jobs.planning import packager_of, planned
from reelkit.jobs.transfer import at_hand, read_file, store_bytes, store_file
from reelkit.media.mp4.index import MediaIndex, build_index
from reelkit.media.mp4.packager import Packager
from reelkit.media.mp4.promised import GrowingSound, MadeSegment, promised

if TYPE_CHECKING:
    from reelkit.jobs.runtime import Runtime

__all__ = ["sound", "sound_failed"]

AT_ONCE = 2
"""Sounds of one source that are encoded at the same time."""


class _Making(msgspec.Struct, frozen=True):
    """What every sound of a source is made of. path: its file, at hand; picture: its packager."""

    runtime: Runtime
    source: Source
    probe: Probe
    picture: Packager
    transcoder: Sounds
    path: Path


async def sound(runtime: Runtime, job: JobContext, payload: dict[str, Any]) -> None:
    """Make the sounds of the source `source_id`. One that cannot be made is noted, and the others are made."""
    source = await work.source(payload["source_id"])
    if source is None or source.status != "ingested" or source.probe is None:
        return
    picture = await packager_of(runtime.storage, source)
    if picture is None or not isinstance(runtime.transcoder, Sounds):
        return
    renditions = await work.plan(source.id, planned(source.probe, picture, runtime.transcoder).sounds, going_on=True)
    if renditions is None:
        return
    path = await at_hand(runtime.storage, source.storage_key, job.scratch)
    making = _Making(runtime, source, source.probe, picture, runtime.transcoder, path)
    missing = [rendition for rendition in renditions if rendition.status != "encoded"]
    done = dict.fromkeys((rendition.id for rendition in missing), 0.0)
    heard, turns = asyncio.Event(), asyncio.Semaphore(AT_ONCE)

    async def make(rendition: Rendition, folder: Path) -> None:
        def tell(value: float) -> None:
            done[rendition.id] = value
            job.progress(sum(done.values()) / len(done))

        if rendition is not missing[0]:
            # The one that players choose first has the machine for itself until somebody can hear it.
            await heard.wait()
        async with turns:
            try:
                await _make(making, rendition, folder, tell, heard)
            except TranscodeFailed as error:
                await work.fail_rendition(rendition.id, str(error))
            finally:
                heard.set()

    async with asyncio.TaskGroup() as group:
        for rendition in missing:
            folder = job.scratch / f"sound-{rendition.track}"
            await asyncio.to_thread(folder.mkdir)
            group.create_task(make(rendition, folder))
    await _show(runtime, source)


async def sound_failed(runtime: Runtime, payload: dict[str, Any], reason: str) -> None:
    """Note that there is no sound, and let the picture play without it."""
    source = await work.source(payload["source_id"])
    if source is None:
        return
    for rendition in await work.renditions_of(source.id):
        if rendition.kind == "audio":
            await work.fail_rendition(rendition.id, reason)
    await _show(runtime, source)


async def _show(runtime: Runtime, source: Source) -> None:
    """Let a picture that still waits play as it is."""
    async with announcing(runtime) as happened:
        await _shown(happened, source)


async def _shown(happened: Noted, source: Source) -> None:
    """Let the copied picture play if it waits, in the open transaction, and tell."""
    copy = await growing.show_copy(source.id)
    if copy is not None:
        await happened(VideoPlayable(**facts(source)))
        await happened(RenditionEncoded(**facts(source), encoding="hls", quality=copy.quality))


async def _make(
    making: _Making, rendition: Rendition, folder: Path, tell: Callable[[float], None], heard: asyncio.Event
) -> None:
    """Make one sound, from its beginning or where another attempt ended, and let it play meanwhile."""
    stream = next(stream for stream in making.probe.audio if stream.number == rendition.track)
    task = SoundTask(making.path, making.probe, stream, _seconds(making, stream), folder)
    whole, run = folder / "whole.mp4", uuid4().hex[:8]
    init, cutter, index = b"", None, None
    had = {segment.number for segment in await growing.segments_of(rendition.id)}
    async with aclosing(closable(making.transcoder.sound(task, tell))) as made:
        async for piece in made:
            data = await asyncio.to_thread(_take, piece, whole)
            if cutter is None or index is None:
                init = data
                index = await promised(init, task.duration)
                cutter = GrowingSound(await asyncio.to_thread(_on_clock, index, making.picture), init)
                continue
            for segment in await cutter.add(data):
                if segment.number in had:
                    heard.set()
                    continue
                if not await _publish(making, rendition, index, segment, run):
                    return
                heard.set()
    if cutter is None or not cutter.complete:
        raise TranscodeFailed("The sound ended before its time; the file may be damaged.")
    await _finish(making, rendition, whole, run)


def _seconds(making: _Making, stream: AudioStream) -> float:
    """Return when a sound ends on the clock of its source."""
    tracks = (track for track in making.picture.index.tracks if track.kind == "audio" and track.number == stream.number)
    return next((track.duration for track in tracks if track.duration > 0), making.probe.duration)


def _take(piece: DraftSegment, whole: Path) -> bytes:
    """Move a piece to the end of the file of all of them and return its bytes. Blocking."""
    data = piece.path.read_bytes()
    with whole.open("ab") as file:
        file.write(data)
    piece.path.unlink()
    return data


def _on_clock(index: MediaIndex, picture: Packager) -> Packager:
    return Packager(index, origin=picture.origin, cuts=picture.cut_times)


async def _publish(making: _Making, rendition: Rendition, index: MediaIndex, segment: MadeSegment, run: str) -> bool:
    """Store one segment and let the sound play so far; the first together with what playlists are written from.

    False when nobody wants it any more.
    """
    storage = making.runtime.storage
    key, promise = (f"{rendition.prefix}{run}/{name}" for name in (f"{segment.number}.m4s", "promise"))
    await store_bytes(storage, key, segment.data)
    if segment.number > 0:
        return await work.add_draft_segment(rendition.id, segment.number, segment.duration, key)
    await store_bytes(storage, promise, await asyncio.to_thread(index.to_bytes))
    # All that is known of it so far; what is measured in the end takes its place.
    rate = round(len(segment.data) * 8 / max(segment.duration, 1.0) * 1.5)
    async with announcing(making.runtime) as happened:
        added = await work.add_draft_segment(rendition.id, segment.number, segment.duration, key)
        added = (
            await growing.promise(rendition.id, index_key=promise, codecs=index.tracks[0].codecs, bandwidth=rate) and added
        )
        if added:
            await _shown(happened, making.source)
    return added


async def _finish(making: _Making, rendition: Rendition, whole: Path, run: str) -> None:
    """Store the whole sound as one file with its index, in the place of its segments."""
    index = await build_index(read_file(whole), (await asyncio.to_thread(whole.stat)).st_size)
    packager = await asyncio.to_thread(_on_clock, index, making.picture)
    peak, average = await asyncio.to_thread(packager.bandwidth, index.tracks[0])
    file, saved = f"{rendition.prefix}{run}/file", f"{rendition.prefix}{run}/index"
    await store_file(making.runtime.storage, file, whole)
    await store_bytes(making.runtime.storage, saved, await asyncio.to_thread(index.to_bytes))
    await growing.finish_sound(
        rendition.id,
        storage_key=file,
        index_key=saved,
        codecs=index.tracks[0].codecs,
        bandwidth=peak,
        average_bandwidth=average,
    )
