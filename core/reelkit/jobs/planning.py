"""What is to become of a source: its ladder, and the renditions that are noted for it. The same answer on every attempt."""

from __future__ import annotations

import asyncio

import msgspec

from reelkit.catalog.renditions import NewRendition
from reelkit.catalog.sources import Source
from reelkit.interfaces.media import Ladder, Probe
from reelkit.interfaces.storage import Storage
from reelkit.jobs.transfer import content
from reelkit.media.ladder import FASTEST, compliant, draft_rung, plan, quality
from reelkit.media.mp4.index import MediaIndex
from reelkit.media.mp4.packager import Packager

__all__ = ["Plan", "copied", "draft_of", "plan_of", "planned", "playable_as_is"]


class Plan(msgspec.Struct, frozen=True):
    """A ladder and its renditions. encoded: one a rung, in the ladder's order, then the sound if that is encoded."""

    ladder: Ladder
    encoded: tuple[NewRendition, ...]


def playable_as_is(packager: Packager, probe: Probe) -> bool:
    """Tell whether every browser can play segments that are cut from the source. Blocking: looks at every sample."""
    return packager.can_package is None and (probe.video is None or compliant(probe.video))


def planned(probe: Probe, packager: Packager | None) -> Plan:
    """Plan the renditions of a source. packager: of one that is playable as it is."""
    cuts: list[float] = []
    if packager is not None and packager.video_track is not None:
        # Key frames are wanted on the clock of the source; segments begin on that of the presentation.
        cuts = [float(packager.origin) + time for time in packager.cut_times[:-1]]
    ladder = plan(probe, cuts, copyable=packager is not None)
    rate = 0.0 if probe.video is None else min(float(probe.video.frame_rate), FASTEST)
    encoded = [
        NewRendition(kind="encoded", quality=rung.name, width=rung.width, height=rung.height, frame_rate=rate)
        for rung in ladder.rungs
    ]
    if ladder.audio == "encode":
        # Sound without picture is a rendition in its own right, not the sound of others.
        encoded.append(NewRendition(kind="encoded" if probe.video is None else "audio"))
    return Plan(ladder=ladder, encoded=tuple(encoded))


async def plan_of(storage: Storage, source: Source, probe: Probe) -> Plan:
    """Plan the renditions of an ingested source, whose index is read from the storage. Raises NotStored."""
    packager: Packager | None = None
    if source.packageable and source.index_key is not None:
        index = MediaIndex.from_bytes(await content(storage, source.index_key))
        packager = await asyncio.to_thread(Packager, index)
    return planned(probe, packager)


def copied(source: Source, probe: Probe, packager: Packager, index_key: str) -> NewRendition:
    """Describe the rendition that the source itself is. Blocking: measures every segment."""
    track = packager.video_track or packager.audio_tracks[0]
    peak, average = packager.bandwidth(track)
    return NewRendition(
        kind="copy",
        status="encoded",
        quality="" if probe.video is None else quality(probe.video.width, probe.video.height),
        width=track.width,
        height=track.height,
        frame_rate=float(track.frame_rate),
        codecs=track.codecs,
        bandwidth=peak,
        average_bandwidth=average,
        storage_key=source.storage_key,
        index_key=index_key,
    )


def draft_of(probe: Probe) -> tuple[NewRendition, ...]:
    """Describe the draft of a source that is not playable as it is; sound alone has none."""
    if probe.video is None:
        return ()
    rung = draft_rung(probe.video)
    rate = min(float(probe.video.frame_rate), FASTEST)
    return (NewRendition(kind="draft", quality=rung.name, width=rung.width, height=rung.height, frame_rate=rate),)
