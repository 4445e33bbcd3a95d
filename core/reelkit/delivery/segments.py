"""HLS of one video: master and media playlists, init and media segments, of packaged renditions and growing drafts."""

from __future__ import annotations

import asyncio
from typing import Literal

import msgspec

from reelkit.catalog.languages import language_name, language_tag
from reelkit.catalog.playback import Draft, Playback
from reelkit.catalog.renditions import Rendition
from reelkit.catalog.text_tracks import TextTrack
from reelkit.delivery.answering import IMMUTABLE, Answer
from reelkit.delivery.bodies import BytesBody, PlannedBody
from reelkit.delivery.caching import Cache
from reelkit.delivery.conditional import entity_tag
from reelkit.delivery.library import Library, Packaged
from reelkit.media.mp4.packager import SegmentPlan
from reelkit.media.mp4.tracks import Track
from reelkit.media.playlists import (
    AudioRendition,
    Segment,
    Subtitles,
    Variant,
    master_playlist,
    media_playlist,
    text_playlist,
)
from reelkit.problems import NotFound, NotReady

__all__ = ["DRAFT_TRACK", "PLAYLIST", "Piece", "Segments"]

PLAYLIST = "application/vnd.apple.mpegurl"
DRAFT_TRACK = "av"
"""Drafts are muxed: their one track in URLs."""
DRAFT_TARGET = 4
"""Target duration of drafts in seconds, which must not change while they grow; their segments last 2 s."""
DRAFT_BANDWIDTH = 1_200_000
"""Bits per second told of a draft before it was measured."""
TEXT_BYTES = 16 << 20
PLAN_BYTES = 16 << 20
"""Plans of segments that many watch at the same time."""
AUDIO_GROUP = "audio"
UNKNOWN_LANGUAGE = "und"
HELD_SECONDS = 15.0
"""How long a request waits for a segment that is not made yet; players give up after 20 s without a byte, and ask again.

Six times more they do: two minutes, in which the sound of two hours is made.
"""
HELD_STEP = 0.2
MANIFEST = "public, max-age=1"
"""Renditions join it one by one."""

Piece = Literal["playlist", "init"] | int
"""What of a track: its playlist, its init segment, or the segment of a number."""


class _PieceKey(msgspec.Struct, frozen=True):
    """Names a text or init segment of a packaged rendition. clock: see Library.packaged."""

    rendition: Rendition
    clock: Rendition | None
    track: str
    what: Literal["playlist", "init"]

    def __hash__(self) -> int:
        return hash((self.rendition.id, self.track, self.what))


class _PlanKey(msgspec.Struct, frozen=True):
    """Names a segment of a packaged rendition. clock: see Library.packaged."""

    rendition: Rendition
    clock: Rendition | None
    track: str
    number: int

    def __hash__(self) -> int:
        return hash((self.rendition.id, self.track, self.number))


class Segments:
    """Builds answers from views of videos."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._masters: Cache[_Master, BytesBody] = Cache(self._master, capacity=TEXT_BYTES, cost=_weight)
        self._plans: Cache[_PlanKey, SegmentPlan | None] = Cache(self._plan, capacity=PLAN_BYTES, cost=_size_of)
        self._texts: Cache[_PieceKey, BytesBody] = Cache(self._text, capacity=TEXT_BYTES, cost=_weight)

    async def manifest(self, view: Playback) -> Answer | None:
        """Return the master playlist, None while there is nothing to play. Raises NotFound when it failed, StorageError."""
        if view.failure is not None:
            raise NotFound(name="videoId", detail=view.failure or None)
        if not view.playable:
            return None
        pictures = tuple(rendition for rendition in view.renditions if rendition.kind != "audio")
        drafts = () if pictures else tuple(draft.rendition for draft in view.drafts if len(draft.segments) > 1)
        sounds = tuple(one for one in _sounds(view) if pictures)
        captions = view.texts_of("caption")
        wanted = _Master(pictures, sounds, _clock(view), drafts, _languages(view), view.growing, captions)
        body = await self._masters.get(wanted)
        return Answer(body, PLAYLIST, entity_tag(body.data), MANIFEST)

    async def subtitles(self, view: Playback, language: str) -> Answer:
        """Return the playlist of the captions of a language: one segment, as long as the video. Raises NotFound."""
        track = next((one for one in view.texts_of("caption") if one.language == language), None)
        probe = view.source.probe if view.source is not None else None
        if track is None or probe is None:
            raise NotFound(name="language")
        text = text_playlist(f"../../captions/{language}.vtt", probe.duration)
        return Answer(BytesBody(text.encode()), PLAYLIST, entity_tag(text), MANIFEST)

    async def piece(self, view: Playback, rendition_id: str, track: str, what: Piece) -> Answer | None:
        """Return one piece of a rendition, None when it has no such piece. Raises StorageError."""
        rendition = next((r for r in (*view.renditions, *_sounds(view)) if r.id == rendition_id), None)
        if rendition is None:
            draft = next((d for d in view.drafts if d.rendition.id == rendition_id), None)
            return None if draft is None or track != DRAFT_TRACK else await self._draft(draft, what)
        clock = _clock(view) if rendition.kind == "audio" else None
        packaged = await self._library.packaged(rendition, clock)
        found = _track(packaged, track)
        if found is None:
            return None
        tag = entity_tag(rendition.id, clock.id if clock else "", track, what)
        content_type = "video/mp4" if found.kind == "video" else "audio/mp4"
        if isinstance(what, int) and packaged.stored is None:
            return await self._growing(view, rendition_id, track, what, tag)
        if isinstance(what, int):
            assert packaged.stored is not None
            plan = await self._plans.get(_PlanKey(rendition, clock, track, what))
            if plan is None:
                return None
            return Answer(PlannedBody(plan.head, plan.ranges, packaged.stored), content_type, tag, IMMUTABLE)
        body = await self._texts.get(_PieceKey(rendition, clock, track, what))
        return Answer(body, PLAYLIST if what == "playlist" else content_type, tag, IMMUTABLE)

    async def _growing(self, view: Playback, rendition_id: str, track: str, number: int, tag: str) -> Answer | None:
        """Return a segment of a sound that is still made, and wait for it if need be, as it was told of already.

        Raises NotReady when it takes too long; players ask again.
        """
        loop = asyncio.get_running_loop()
        patience = loop.time() + HELD_SECONDS
        while True:
            sound = next((one for one in view.sounds if one.rendition.id == rendition_id), None)
            if sound is None:
                # It is whole now, or nobody could make it.
                return await self.piece(view, rendition_id, track, number)
            segment = next((one for one in sound.segments if one.number == number), None)
            if segment is not None:
                return Answer(await self._library.stored(segment.storage_key), "audio/mp4", tag, IMMUTABLE)
            packaged = await self._library.packaged(sound.rendition, _clock(view))
            if number >= len(packaged.packager.segments(packaged.packager.index.tracks[0])):
                return None
            if loop.time() >= patience:
                raise NotReady(detail="This part of the sound is still being made.")
            await asyncio.sleep(HELD_STEP)
            now = await self._library.view(view.video.video_id)
            if now is None:
                return None
            view = now

    async def _plan(self, key: _PlanKey) -> SegmentPlan | None:
        packaged = await self._library.packaged(key.rendition, key.clock)
        track = _track(packaged, key.track)
        assert track is not None
        try:
            return await asyncio.to_thread(packaged.packager.segment, track, key.number)
        except IndexError:
            return None

    async def _text(self, key: _PieceKey) -> BytesBody:
        packaged = await self._library.packaged(key.rendition, key.clock)
        track = _track(packaged, key.track)
        assert track is not None
        if key.what == "init":
            return BytesBody(await asyncio.to_thread(packaged.packager.init_segment, track))
        return BytesBody(await asyncio.to_thread(_media_text, packaged, track))

    async def _draft(self, draft: Draft, what: Piece) -> Answer | None:
        if what == "playlist":
            entries = [Segment(f"{s.number}.m4s", s.duration) for s in draft.segments if s.number > 0]
            longest = max((int(entry.duration + 0.5) for entry in entries), default=0)
            text = media_playlist(
                entries,
                init="init.mp4",
                ended=draft.complete,
                kind="VOD" if draft.complete else "EVENT",
                target_duration=max(DRAFT_TARGET, longest),
            )
            cache = "public, max-age=60" if draft.complete else "public, max-age=1"
            return Answer(BytesBody(text.encode()), PLAYLIST, entity_tag(text), cache)
        number = 0 if what == "init" else what
        segment = next((s for s in draft.segments if s.number == number), None)
        if segment is None or (what == 0):
            return None
        body = await self._library.stored(segment.storage_key)
        return Answer(body, "video/mp4", entity_tag(segment.storage_key), IMMUTABLE)

    async def _master(self, wanted: _Master) -> BytesBody:
        pictures = [await self._library.packaged(rendition) for rendition in wanted.pictures]
        sounds = [await self._library.packaged(rendition, wanted.clock) for rendition in wanted.sounds]
        return BytesBody((await asyncio.to_thread(_master_text, wanted, pictures, sounds)).encode())


class _Master(msgspec.Struct, frozen=True):
    """All that a master playlist depends on. sounds: encoded ones; languages: number and language of the source's."""

    pictures: tuple[Rendition, ...]
    sounds: tuple[Rendition, ...]
    clock: Rendition | None
    drafts: tuple[Rendition, ...]
    languages: tuple[tuple[int, str], ...]
    growing: bool
    captions: tuple[TextTrack, ...] = ()

    def __hash__(self) -> int:
        renditions = (*self.pictures, *self.sounds, *self.drafts)
        return hash((*(one.id for one in renditions), *(track.id for track in self.captions)))


def _sounds(view: Playback) -> tuple[Rendition, ...]:
    """Return the sounds that were encoded, and those that are still made. How far these are is left out: it changes."""
    made = [rendition for rendition in view.renditions if rendition.kind == "audio"]
    growing = [msgspec.structs.replace(sound.rendition, progress=0.0) for sound in view.sounds]
    return (*made, *growing)


def _languages(view: Playback) -> tuple[tuple[int, str], ...]:
    """Return number and language of the source's sounds, those that players should choose first in front."""
    probe = view.source.probe if view.source is not None else None
    return tuple((stream.number, stream.language) for stream in probe.audio) if probe is not None else ()


def _clock(view: Playback) -> Rendition | None:
    """Return the picture whose clock an encoded sound keeps: the copy, which its run follows, or any rung of that run."""
    return next((r for kind in ("copy", "encoded") for r in view.renditions if r.kind == kind), None)


def _track(packaged: Packaged, name: str) -> Track | None:
    packager = packaged.packager
    tracks = (packager.video_track, *packager.audio_tracks)
    return next((track for track in tracks if track is not None and track.name == name), None)


def _media_text(packaged: Packaged, track: Track) -> bytes:
    packager = packaged.packager
    entries = [Segment(f"{number}.m4s", duration) for number, duration in enumerate(packager.segments(track))]
    independent = track.kind == "audio" or packager.independent
    return media_playlist(entries, init="init.mp4", independent_segments=independent).encode()


def _master_text(wanted: _Master, pictures: list[Packaged], sounds: list[Packaged]) -> str:
    seen = list(zip(wanted.pictures, pictures, strict=True))
    audio: list[AudioRendition] = []
    if any(packaged.packager.video_track for packaged in pictures):
        audio = _audio_group(wanted, seen, list(zip(wanted.sounds, sounds, strict=True)))
    subtitles = [
        Subtitles(uri=f"captions/{c.language}.m3u8", name=c.language_name, language=c.language, default=c.shown)
        for c in wanted.captions
    ]
    variants = [_variant(rendition, packaged, bool(audio)) for rendition, packaged in seen]
    variants += [_draft_variant(draft) for draft in wanted.drafts]
    independent = all(packaged.packager.independent for packaged in pictures)
    return master_playlist(variants, audio, subtitles, independent_segments=independent, growing=wanted.growing)


def _variant(rendition: Rendition, packaged: Packaged, sounding: bool) -> Variant:
    """Describe a rendition; one without picture is a variant by its sound."""
    track = packaged.packager.video_track or packaged.packager.audio_tracks[0]
    return Variant(
        uri=f"{rendition.id}/{track.name}/playlist.m3u8",
        bandwidth=rendition.bandwidth or packaged.packager.bandwidth(track)[0],
        average_bandwidth=rendition.average_bandwidth,
        codecs=track.codecs,
        width=rendition.width,
        height=rendition.height,
        frame_rate=rendition.frame_rate,
        audio=AUDIO_GROUP if sounding else None,
        name=rendition.quality or None,
    )


def _draft_variant(draft: Rendition) -> Variant:
    return Variant(
        uri=f"{draft.id}/{DRAFT_TRACK}/playlist.m3u8",
        bandwidth=draft.bandwidth or DRAFT_BANDWIDTH,
        average_bandwidth=draft.average_bandwidth,
        codecs=draft.codecs,
        width=draft.width,
        height=draft.height,
        frame_rate=draft.frame_rate,
        name=draft.quality or None,
    )


def _audio_group(
    wanted: _Master, pictures: list[tuple[Rendition, Packaged]], sounds: list[tuple[Rendition, Packaged]]
) -> list[AudioRendition]:
    """Choose for each sound of the source where it comes from: encoded for every browser, else the copied source."""
    found: dict[int, tuple[Rendition, Packaged, Track]] = {}
    for rendition, packaged in pictures:
        if rendition.kind == "copy":
            found = {track.number: (rendition, packaged, track) for track in packaged.packager.heard}
    for rendition, packaged in sounds:
        found[rendition.track] = (rendition, packaged, packaged.packager.index.tracks[0])
    named = [(number, language) for number, language in wanted.languages if number in found]
    group = []
    for place, (number, language) in enumerate(named, 1):
        rendition, packaged, track = found[number]
        # What is measured of a sound that is still made is noted with it.
        growing = packaged.stored is None
        rates = (rendition.bandwidth, rendition.average_bandwidth) if growing else packaged.packager.bandwidth(track)
        tag = language_tag(language)
        group.append(
            AudioRendition(
                uri=f"{rendition.id}/{track.name}/playlist.m3u8",
                name=f"Audio {place}" if tag is None else language_name(tag) if len(named) > 1 else tag,
                bandwidth=rates[0],
                average_bandwidth=rates[1],
                codecs=track.codecs,
                group=AUDIO_GROUP,
                language=tag or UNKNOWN_LANGUAGE,
                default=place == 1,
                channels=track.channels,
            )
        )
    return group


def _size_of(plan: SegmentPlan | None) -> int:
    """Estimate the memory of a plan: two small integers and a tuple take about 120 bytes."""
    return 512 if plan is None else 512 + len(plan.head) + 120 * len(plan.ranges)


def _weight(body: BytesBody) -> int:
    return body.size + 512
