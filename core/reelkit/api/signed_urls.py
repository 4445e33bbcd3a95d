"""Signed URLs: addresses of one video that open it for a time, on some domains, in some countries, from some addresses."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from litestar import Request, post
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import FromPath

from reelkit.access.playback import LONGEST, Grant
from reelkit.access.policies import checked
from reelkit.access.principal import Principal
from reelkit.api.payloads import read_payload
from reelkit.api.playback_policies import check_countries
from reelkit.api.video_json import VideoAssets, atom, iframe
from reelkit.api.videos import find_video
from reelkit.catalog.videos import Video
from reelkit.interfaces.playback import PlaybackPolicy
from reelkit.jobs.runtime import Runtime
from reelkit.problems import AccessDenied, InvalidAttribute

__all__ = ["NewSignedUrl", "SignedUrl", "sign_url"]

MOST_SECONDS = 366 * 86400
DOMAINS = 10
"""Of one signed URL: they are written into every address of its playlists."""


class NewSignedUrl(msgspec.Struct, frozen=True, rename="camel"):
    """What to sign. expiresIn: seconds, or expiresAt; lists limit it beside what limits the video; empty: no more."""

    expires_in: Annotated[int, msgspec.Meta(ge=1, le=MOST_SECONDS)] | None = None
    expires_at: datetime | None = None
    allowed_domains: tuple[str, ...] = ()
    allow_no_referrer: bool = False
    allowed_countries: tuple[str, ...] = ()
    allowed_ips: tuple[str, ...] = ()
    viewer_id: Annotated[str, msgspec.Meta(max_length=100)] = ""
    """Whom it is for, in your words: plugins are told, and whoever has the address can read it."""


class SignedUrl(msgspec.Struct, frozen=True, rename="camel"):
    """Addresses that open a video. session: what they carry as `avh`."""

    video_id: str
    expires_at: str
    viewer_id: str
    session: str
    assets: VideoAssets


@post("/videos/{video_id:str}/signed-urls", status_code=201, operation_id="POST_videos-videoId-signed-urls")
async def sign_url(
    request: Request[Any, Any, Any],
    video_id: FromPath[str],
    principal: NamedDependency[Principal],
    runtime: NamedDependency[Runtime],
    state: State,
) -> SignedUrl:
    """Sign addresses of a video. Nothing is kept: they work until they expire, or until the key is revoked."""
    video = await find_video(principal.scope, video_id)
    given = read_payload(await request.body() or b"{}", NewSignedUrl)
    if not principal.streaming:
        raise AccessDenied(detail=f"The tier {principal.tier!r} may not stream, so nothing that it signs would play.")
    now = int(runtime.rights.now())
    limits = checked(
        PlaybackPolicy(
            allowed_domains=given.allowed_domains,
            allowed_countries=given.allowed_countries,
            allowed_ips=given.allowed_ips,
        )
    )
    check_countries(state.countries, limits.allowed_countries)
    if len(given.allowed_domains) > DOMAINS:
        raise InvalidAttribute(
            name="allowedDomains", detail=f"A signed URL names at most {DOMAINS} domains.", range=(0, DOMAINS)
        )
    grant = Grant(
        expires=_expires(given, now, runtime.site.playback.signed_url_seconds),
        key_id=principal.signs_for,
        domains=limits.allowed_domains or (),
        no_referrer=given.allow_no_referrer,
        countries=limits.allowed_countries or (),
        ips=limits.allowed_ips or (),
        viewer=given.viewer_id,
    )
    session = runtime.rights.sign(video_id, grant)
    if len(session) > LONGEST - 8:  # what the embed page adds
        raise InvalidAttribute(name="allowedDomains", detail="These limits are too long for an address; name fewer.")
    return SignedUrl(
        video_id=video_id,
        expires_at=atom(datetime.fromtimestamp(grant.expires, UTC)),
        viewer_id=given.viewer_id,
        session=session,
        assets=_assets(video, runtime.site.site.base_url, session),
    )


def _expires(given: NewSignedUrl, now: int, usual: int) -> int:
    """Return when it is to expire, seconds since 1970. Raises InvalidAttribute."""
    if given.expires_at is None:
        return now + (given.expires_in or usual)
    if given.expires_in is not None:
        raise InvalidAttribute(name="expiresAt", detail="Give either expiresIn or expiresAt.")
    if given.expires_at.tzinfo is None:
        raise InvalidAttribute(name="expiresAt", detail="Write the time with its zone, for example 2030-01-31T18:00:00Z.")
    expires = int(given.expires_at.timestamp())
    if not now < expires <= now + MOST_SECONDS:
        raise InvalidAttribute(name="expiresAt", detail=f"This must be in the future, by at most {MOST_SECONDS} seconds.")
    return expires


def _assets(video: Video, base_url: str, session: str) -> VideoAssets:
    media, player = f"{base_url}/vod/{video.video_id}", f"{base_url}/embed/vod/{video.video_id}?avh={session}"
    return VideoAssets(
        hls=f"{media}/hls/manifest.m3u8?avh={session}",
        iframe=iframe(player),
        player=player,
        thumbnail=f"{media}/thumbnail.jpg?avh={session}",
        mp4=f"{media}/mp4/source.mp4?avh={session}" if video.mp4_support else None,
    )
