"""What is to become of a source: its ladder, and the renditions that are noted for it. The same answer on every attempt."""

from __future__ import annotations

import asyncio

import msgspec

from reelkit.catalog.renditions import Kind, NewRendition
from reelkit.catalog.sources import Source
from reelkit.interfaces.media import Ladder, Probe
from reelkit.interfaces.storage import Storage
from reelkit.interfaces.transcoder import Sounds, Transcoder
from reelkit.jobs.transfer import content
from reelkit.media.ladder import FASTEST, compliant, draft_rung, plan, quality, sounds_to_encode
from reelkit.media.mp4.index import MediaIndex
from reelkit.media.mp4.packager import Packager

__all__ = ["Plan", "copied", "draft_of", "packager_of", "plan_of", "planned", "playable_as_is"]


class Plan(msgspec.Struct, frozen=True):
    """A ladder and its renditions. encoded: one a rung, in the ladder's order, then its sounds.

    sounds: those of a copied picture, which are made apart from the ladder: it must not play in silence for long.
    """

    ladder: Ladder
    encoded: tuple[NewRendition, ...]
    sounds: tuple[NewRendition, ...] = ()


def playable_as_is(packager: Packager, probe: Probe, transcoder: Transcoder) -> bool:
    """Tell whether every browser can play segments that are cut from the source. Blocking: looks at every sample.

    Where the transcoder can make sound while it plays, the picture is enough.
    """
    if probe.video is None or packager.video_track is None or not isinstance(transcoder, Sounds):
        return packager.can_package is None and (probe.video is None or compliant(probe.video))
    return packager.refusal(packager.video_track) is None and compliant(probe.video)


def planned(probe: Probe, packager: Packager | None, transcoder: Transcoder) -> Plan:
    """Plan the renditions of a source. packager: of one that is playable as it is."""
    cuts: list[float] = []
    if packager is not None and packager.video_track is not None:
        # Key frames are wanted on the clock of the source; segments begin on that of the presentation.
        cuts = [float(packager.origin) + time for time in packager.cut_times[:-1]]
    copied = () if packager is None else [track.number for track in packager.heard]
    ladder = plan(probe, cuts, copyable=packager is not None, copied_sounds=copied)
    rate = 0.0 if probe.video is None else min(float(probe.video.frame_rate), FASTEST)
    encoded = [
        NewRendition(kind="encoded", quality=rung.name, width=rung.width, height=rung.height, frame_rate=rate)
        for rung in ladder.rungs
    ]
    # Sound without picture is a rendition in its own right, not the sound of others.
    kind: Kind = "encoded" if probe.video is None else "audio"
    sounds = tuple(NewRendition(kind=kind, track=number) for number in ladder.sounds)
    if ladder.copy_video and isinstance(transcoder, Sounds):
        return Plan(ladder=msgspec.structs.replace(ladder, sounds=()), encoded=tuple(encoded), sounds=sounds)
    return Plan(ladder=ladder, encoded=(*encoded, *sounds))


async def plan_of(storage: Storage, source: Source, probe: Probe, transcoder: Transcoder) -> Plan:
    """Plan the renditions of an ingested source, whose index is read from the storage. Raises NotStored."""
    return planned(probe, await packager_of(storage, source), transcoder)


async def packager_of(storage: Storage, source: Source) -> Packager | None:
    """Return the packager of a source that is playable as it is, None for others. Raises NotStored."""
    if not source.packageable or source.index_key is None:
        return None
    index = await content(storage, source.index_key)
    return await asyncio.to_thread(lambda: Packager(MediaIndex.from_bytes(index)))


def copied(source: Source, probe: Probe, packager: Packager, index_key: str) -> NewRendition:
    """Describe the rendition that the source itself is. Blocking: measures every segment."""
    track = packager.video_track or packager.audio_tracks[0]
    peak, average = packager.bandwidth(track)
    return NewRendition(
        kind="copy",
        # A picture that has a sound waits until that is heard.
        status="encoded" if packager.heard or not sounds_to_encode(probe, ()) else "waiting",
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
