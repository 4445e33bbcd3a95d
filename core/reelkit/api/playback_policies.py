"""What the owner of a video limits its playback to: where it may be embedded, in which countries, from which addresses."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, delete, get, put
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import FromPath

from reelkit.access.countries import Countries
from reelkit.access.policies import checked, limits_of
from reelkit.access.principal import Principal
from reelkit.api.changes import Changing
from reelkit.api.payloads import read_payload
from reelkit.api.videos import find_video
from reelkit.catalog import videos
from reelkit.interfaces.playback import PlaybackPolicy
from reelkit.jobs.runtime import Runtime
from reelkit.problems import InvalidAttribute, NotFound

__all__ = ["HANDLERS", "check_countries"]


class InEffect(msgspec.Struct, frozen=True, rename="camel"):
    """What holds for a video: its own policy, and the site's where it says nothing. Empty: no limit."""

    allowed_domains: tuple[str, ...]
    allow_no_referrer: bool
    allowed_countries: tuple[str, ...]
    allowed_ips: tuple[str, ...]


class PlaybackPolicyJson(msgspec.Struct, frozen=True, rename="camel"):
    """The policy of a video. null: as the site says; an empty list: no limit."""

    video_id: str
    allowed_domains: tuple[str, ...] | None
    allow_no_referrer: bool | None
    allowed_countries: tuple[str, ...] | None
    allowed_ips: tuple[str, ...] | None
    in_effect: InEffect


@get("/videos/{video_id:str}/playback-policy", operation_id="GET_videos-videoId-playback-policy")
async def get_policy(
    video_id: FromPath[str], principal: NamedDependency[Principal], runtime: NamedDependency[Runtime]
) -> PlaybackPolicyJson:
    """Tell what playback of a video is limited to."""
    video = await find_video(principal.scope, video_id)
    return _shown(video_id, video.playback_policy, runtime)


@put("/videos/{video_id:str}/playback-policy", operation_id="PUT_videos-videoId-playback-policy")
async def put_policy(
    request: Request[Any, Any, Any],
    video_id: FromPath[str],
    principal: NamedDependency[Principal],
    runtime: NamedDependency[Runtime],
    state: State,
) -> PlaybackPolicyJson:
    """Limit playback of a video; what is absent or null is as the site says. Everywhere within 2 s."""
    video = await find_video(principal.scope, video_id)
    before = _shown(video_id, video.playback_policy, runtime)
    edit = Changing(runtime, video.scope, "playback-policy", "update", id=video_id, before=before)
    given = checked(await edit.propose(read_payload(await request.body(), PlaybackPolicy)))
    check_countries(state.countries, given.allowed_countries)
    if not await videos.set_playback_policy(video.scope, video_id, given):
        raise NotFound(name="videoId")
    shown = _shown(video_id, given, runtime)
    await edit.made(shown)
    return shown


@delete("/videos/{video_id:str}/playback-policy", operation_id="DELETE_videos-videoId-playback-policy", status_code=204)
async def delete_policy(
    video_id: FromPath[str], principal: NamedDependency[Principal], runtime: NamedDependency[Runtime]
) -> None:
    """Have a video played as the site says."""
    video = await find_video(principal.scope, video_id)
    before = _shown(video_id, video.playback_policy, runtime)
    edit = Changing(runtime, video.scope, "playback-policy", "delete", id=video_id, before=before)
    await edit.propose(None)
    if not await videos.set_playback_policy(video.scope, video_id, None):
        raise NotFound(name="videoId")
    await edit.made()


def check_countries(countries: Countries, wanted: tuple[str, ...] | None) -> None:
    """Return when countries can be told, should any be wanted. Raises InvalidAttribute."""
    if wanted and not countries.known:
        detail = "No plugin of this site tells countries, so nobody could watch. Configure one, e.g. [plugins.geoip]."
        raise InvalidAttribute(name="allowedCountries", detail=detail)


def _shown(video_id: str, policy: PlaybackPolicy | None, runtime: Runtime) -> PlaybackPolicyJson:
    own = policy or PlaybackPolicy()
    site = runtime.site.playback
    limits = limits_of(site, policy)
    no_referrer = site.allow_no_referrer if own.allow_no_referrer is None else own.allow_no_referrer
    return PlaybackPolicyJson(
        video_id=video_id,
        **msgspec.structs.asdict(own),
        in_effect=InEffect(limits.domains, no_referrer, limits.countries, limits.ips),
    )


HANDLERS = (get_policy, put_policy, delete_policy)
