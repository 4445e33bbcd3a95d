"""What viewers may see of a video, by its id alone: viewers have no project. One call gives all that manifests need."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from reelkit.catalog import player_themes
from reelkit.catalog.packing import storable
from reelkit.catalog.player_themes import PlayerTheme, PlayerThemeRow, theme_of
from reelkit.catalog.renditions import DraftSegment, DraftSegmentRow, Rendition, RenditionRow, in_order
from reelkit.catalog.scope import Scope, unscoped
from reelkit.catalog.sources import Source, SourceRow, source_of
from reelkit.catalog.text_tracks import Kind, TextTrack, TextTrackRow, track_of
from reelkit.catalog.videos import COLUMNS, Video, VideoRow, video_of

__all__ = ["Draft", "Playback", "logo", "playback", "theme"]


class Draft(msgspec.Struct, frozen=True):
    """A rendition that can be played while it grows. complete: it grows no more."""

    rendition: Rendition
    segments: tuple[DraftSegment, ...]
    """In order; number 0 is the init segment."""

    @property
    def complete(self) -> bool:
        """No segment will follow."""
        return self.rendition.status == "encoded"


class Playback(msgspec.Struct, frozen=True):
    """A video as players see it. renditions: those that are encoded, highest first, drafts apart."""

    video: Video
    source: Source | None
    renditions: tuple[Rendition, ...]
    drafts: tuple[Draft, ...]
    texts: tuple[TextTrack, ...] = ()
    """Captions and chapters, by language."""
    sounds: tuple[Draft, ...] = ()
    """Sounds that are still made, by number: all segments are known, those that are listed here can be had."""
    growing: bool = False
    """More renditions are to come."""
    lazy: bool = False
    """Some of them wait for somebody to watch, or for a time when nothing else is due."""
    failure: str | None = None
    """Why it will never play, for people, "" when that is for the uploader alone; None while it plays or still may."""

    def texts_of(self, kind: Kind) -> tuple[TextTrack, ...]:
        """Return the captions or the chapters that a player can read."""
        return tuple(track for track in self.texts if track.kind == kind and track.well_formed)

    @property
    def scope(self) -> Scope:
        """Whose the video is."""
        return self.video.scope

    @property
    def playable(self) -> bool:
        """A player that asks now has something to show."""
        return any(r.kind != "audio" for r in self.renditions) or any(len(draft.segments) > 1 for draft in self.drafts)


async def playback(video_id: str) -> Playback | None:
    """Return what viewers of a video get; None when there is none. Whether it is public is for the caller to ask."""
    if not storable(video_id):
        return None
    videos, sources, rows, texts = await asyncio.gather(
        unscoped(VideoRow).select(*COLUMNS).where(VideoRow.id == video_id, VideoRow.discarded_at.is_null()).run(),
        unscoped(SourceRow).select().where(SourceRow.video_id == video_id).run(),
        unscoped(RenditionRow).select().where(RenditionRow.video_id == video_id).run(),
        unscoped(TextTrackRow).select().where(TextTrackRow.video_id == video_id).order_by(TextTrackRow.language).run(),
    )
    if not videos:
        return None
    source = source_of(sources[0]) if sources else None
    # Each read is a snapshot of its own: a source that was just replaced must not lend its renditions to the new one.
    all_rows = [row for row in rows if source is not None and row["source_id"] == source.id]
    current = [row for row in all_rows if row["status"] != "failed"]
    drafts = [row for row in current if row["kind"] == "draft"]
    encoded = [row for row in current if row["kind"] != "draft" and row["status"] == "encoded"]
    if any(row["kind"] == "copy" and row["status"] == "waiting" for row in current):
        # It waits for its sound, and so do its smaller sizes.
        encoded = []
    sounds = [row for row in current if row["kind"] == "audio" and row["status"] == "encoding" and row["index_key"]]
    segments: dict[str, list[DraftSegment]] = {row["id"]: [] for row in (*drafts, *sounds)}
    if segments:
        query = unscoped(DraftSegmentRow).select().where(DraftSegmentRow.rendition_id.is_in(list(segments)))
        for row in await query.order_by(DraftSegmentRow.number):
            segments[row["rendition_id"]].append(DraftSegment(row["number"], row["duration"], row["storage_key"]))
    if any(not segments[row["id"]] for row in sounds):
        # It has become whole since, and must not be missing from a playlist: the first segment comes with the promise.
        return await playback(video_id)
    view = Playback(
        video_of(videos[0]),
        source,
        in_order(encoded),
        tuple(Draft(rendition, tuple(segments[rendition.id])) for rendition in in_order(drafts)),
        tuple(track_of(row) for row in texts),
        tuple(Draft(one, tuple(segments[one.id])) for one in in_order(sounds)),
        lazy=any(row["kind"] == "copy" for row in current)
        and any(row["status"] == "waiting" and row["kind"] == "encoded" for row in current),
        growing=any(row["status"] in ("waiting", "encoding") and row["kind"] != "draft" for row in current),
    )
    if view.playable or any(row["status"] in ("waiting", "encoding") for row in current):
        return view
    return msgspec.structs.replace(view, failure=_failure(source, all_rows))


def _failure(source: Source | None, renditions: list[dict[str, Any]]) -> str | None:
    """Tell why a source that nothing is made of any more does not play."""
    if source is not None and source.status == "failed":
        # Of bytes that never came only the uploader is told: it may name hosts, and settings of the site.
        return (source.failure or "") if source.checksum else ""
    # A draft is only the first try.
    failed = (row["failure"] or "" for row in renditions if row["status"] == "failed" and row["kind"] != "draft")
    return next(failed, None)


async def theme(video: Video) -> PlayerTheme | None:
    """Return how the player of a video looks; None for the default."""
    return None if video.player_id is None else await player_themes.get(video.scope, video.player_id)


async def logo(player_id: str) -> PlayerTheme | None:
    """Return the theme whose logo viewers may see; None when there is none, or it has no logo."""
    row = await unscoped(PlayerThemeRow).one(PlayerThemeRow.id == player_id) if storable(player_id) else None
    return None if row is None or row["logo_key"] is None else theme_of(row)
