"""How a video looks in JSON: fields and names of the contract's `video`, also where other resources carry one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from html import escape

import msgspec

from reelkit.access.principal import Principal
from reelkit.catalog.videos import Metadata, Video
from reelkit.jobs.runtime import Runtime

__all__ = ["VideoAssets", "VideoJson", "VideoSource", "atom", "iframe", "video_json"]


class LiveStreamLink(msgspec.Struct, frozen=True):
    """The contract's `video-source-live-stream-link`."""

    rel: str
    uri: str


class VideoLiveStream(msgspec.Struct, frozen=True, rename="camel"):
    """The live stream that a video was recorded from."""

    live_stream_id: str
    links: tuple[LiveStreamLink, ...]


class VideoSource(msgspec.Struct, frozen=True, rename="camel"):
    """Where its bytes come from. uri: relative to the host; type: upload, url, copy or liveStream."""

    uri: str
    type: str = "upload"
    live_stream: VideoLiveStream | msgspec.UnsetType = msgspec.UNSET


class VideoAssets(msgspec.Struct, frozen=True, omit_defaults=True):
    """Addresses that exist before the files do. iframe: HTML to paste."""

    hls: str
    iframe: str
    player: str
    thumbnail: str
    mp4: str | None = None


class VideoJson(msgspec.Struct, frozen=True, rename="camel"):
    """The contract's `video`."""

    video_id: str
    title: str
    description: str
    public: bool
    panoramic: bool
    mp4_support: bool
    tags: tuple[str, ...]
    metadata: tuple[Metadata, ...]
    created_at: str
    published_at: str
    updated_at: str
    language: str | None
    language_origin: str | None
    source: VideoSource
    assets: VideoAssets | None
    discarded: bool = False
    discarded_at: str | None = None
    deletes_at: str | None = None
    player_id: str | msgspec.UnsetType = msgspec.UNSET


def atom(moment: datetime) -> str:
    """Return a date as the strictest client reads it: whole seconds and a numeric offset."""
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def iframe(player: str) -> str:
    """Return the HTML to paste, as the contract has it. player: the address of the page in it."""
    return (
        f'<iframe src="{escape(player)}" width="100%" height="100%" frameborder="0" scrolling="no" '
        'allowfullscreen="true"></iframe>'
    )


def video_json(video: Video, runtime: Runtime, by: Principal | None = None) -> VideoJson:
    """Return the JSON of a video; the addresses of a private one get a new token, which opens one session.

    by: whom it is shown to; the token works no longer than their key.
    """
    gone, site = video.discarded_at, runtime.site
    token = (
        None if video.public or gone is not None else runtime.rights.mint(video.video_id, "" if by is None else by.signs_for)
    )
    return VideoJson(
        video_id=video.video_id,
        title=video.title,
        description=video.description,
        public=video.public,
        panoramic=video.panoramic,
        mp4_support=video.mp4_support,
        tags=video.tags,
        metadata=video.metadata,
        created_at=atom(video.created_at),
        published_at=atom(video.published_at),
        updated_at=atom(video.updated_at),
        language=video.language,
        language_origin=video.language_origin,
        source=_source(video),
        assets=_assets(video, site.site.base_url, token) if gone is None else None,
        discarded=gone is not None,
        discarded_at=None if gone is None else atom(gone),
        deletes_at=None if gone is None else atom(gone + timedelta(days=site.videos.restore_days)),
        player_id=video.player_id or msgspec.UNSET,
    )


def _source(video: Video) -> VideoSource:
    uri = f"/videos/{video.video_id}/source"
    if video.live_stream_id is None:
        return VideoSource(uri, video.origin)
    link = LiveStreamLink("self", f"/live-streams/{video.live_stream_id}")
    return VideoSource(uri, "liveStream", VideoLiveStream(video.live_stream_id, (link,)))


def _assets(video: Video, base_url: str, token: str | None) -> VideoAssets:
    media, player = f"{base_url}/vod/{video.video_id}", f"{base_url}/embed/vod/{video.video_id}"
    if token is not None:
        media, player = f"{media}/token/{token}", f"{player}?token={token}"
    return VideoAssets(
        hls=f"{media}/hls/manifest.m3u8",
        iframe=iframe(player),
        player=player,
        thumbnail=f"{media}/thumbnail.jpg",
        mp4=f"{media}/mp4/source.mp4" if video.mp4_support else None,
    )
