"""Why a video plays or does not: a request that is only thought of, answered by what answers real ones.

It goes the whole way as HEAD, which leaves tokens as they are, and whatever judges it notes each check.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
from litestar import Request, get
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import FromPath

from reelkit.access.playback import TOKEN
from reelkit.access.principal import Principal
from reelkit.access.viewer import Check, Told
from reelkit.catalog import playback, renditions, sources, videos
from reelkit.catalog.renditions import Rendition
from reelkit.catalog.sources import Source
from reelkit.catalog.videos import Video
from reelkit.delivery.asgi import App, Message, Scope
from reelkit.delivery.viewers import AT, CASE, COUNTRY
from reelkit.playback_rules import read_country
from reelkit.problems import InvalidQueryParameter, NotFound, Problem, every

__all__ = ["Explanation", "explain_access"]

MANIFEST = "hls/manifest.m3u8"
PAGE = "page"
_PATH = re.compile(r"[A-Za-z0-9._/-]{1,200}", re.ASCII)
LONGEST = 4096
"""Characters of one parameter."""


class Explanation(msgspec.Struct, frozen=True, rename="camel"):
    """What a request would be answered, and why. playable: a player that is let in has something to show."""

    video_id: str
    path: str
    status: int
    allowed: bool
    """Every check is in order; the status says whether there is something to get."""
    playable: bool
    checks: tuple[Check, ...]


@get("/videos/{video_id:str}/explain-access", operation_id="GET_videos-videoId-explain-access")
async def explain_access(
    request: Request[Any, Any, Any], video_id: FromPath[str], principal: NamedDependency[Principal], state: State
) -> Explanation:
    """Tell what a viewer's request would be answered, check by check. Nothing is used up.

    `at` is for playback tokens, sessions and signed URLs. Nothing is said of places among `concurrent_streams`.
    """
    video = await videos.get(principal.scope, video_id) if video_id.isalnum() and len(video_id) <= 64 else None
    if video is None:
        raise NotFound(name="videoId")
    thought = _read(request.query_params, video)
    told = Told()
    told.passed("video", "The video exists.")
    playable = await _tell_state(video, told)
    status = await _answered(state.front, thought, told)
    return Explanation(video_id, thought["path"], status, told.problem is None, playable, tuple(told.checks))


def _read(query: Any, video: Video) -> dict[str, Any]:
    """Return the scope of the request that is asked about. Raises InvalidQueryParameter with all faults."""
    faults: list[Problem] = []

    def wrong(name: str, detail: str) -> None:
        faults.append(InvalidQueryParameter(name=name, detail=detail))

    given = {name: query.get(name, "") for name in ("path", "token", "session", "referer", "origin", "ip", "country", "at")}
    for name, value in given.items():
        if len(value) > LONGEST or not value.isprintable():
            wrong(name, f"This may have at most {LONGEST} characters, and no control characters.")
            given[name] = ""
    path = given["path"] or MANIFEST
    if not _PATH.fullmatch(path):
        wrong("path", f"Write `{PAGE}` or what follows the id in an address of media, for example `{MANIFEST}`.")
        path = MANIFEST
    if given["ip"]:
        try:
            ip_address(given["ip"])
        except ValueError:
            wrong("ip", "This is no IP address.")
    country: str | None = None
    if given["country"]:
        try:
            country = read_country(given["country"])
        except ValueError as error:
            wrong("country", f"{error}.")
    at: float | None = None
    if given["at"]:
        try:
            at = datetime.fromisoformat(given["at"].replace(" ", "+")).astimezone(UTC).timestamp()
        except (ValueError, OverflowError):
            wrong("at", "Write a time such as 2030-01-31T18:00:00Z.")
    if faults:
        raise every(faults)
    return _scope(video.video_id, path, given, at, country)


def _scope(video_id: str, path: str, given: dict[str, str], at: float | None, country: str | None) -> dict[str, Any]:
    """Return a scope of ASGI."""
    token, session = given["token"], given["session"]
    asked: dict[str, str] = {"avh": session} if session else {}
    base = f"/embed/vod/{video_id}" if path == PAGE else f"/vod/{video_id}/{path}"
    if token and TOKEN.fullmatch(token) and path != PAGE:
        base = f"/vod/{video_id}/token/{token}/{path}"
    elif token:
        asked["token"] = token
    headers = [(b"host", b"")]
    for name in ("origin", "referer"):
        if given[name]:
            headers.append((name.encode(), given[name].encode("latin-1", "replace")))
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "HEAD",
        "scheme": "http",
        "path": base,
        "raw_path": quote(base).encode(),
        "root_path": "",
        "query_string": urlencode(asked, safe="=").encode(),
        "headers": headers,
        "client": (given["ip"], 0) if given["ip"] else None,
        "server": None,
        "extensions": {},
        "state": {},
        AT: at,
        COUNTRY: country,
    }


async def _tell_state(video: Video, told: Told) -> bool:
    """Note whether there is something to play, and if not, why not yet or never; return it."""
    view = await playback.playback(video.video_id)
    if view is not None and view.playable:
        draft = not any(rendition.kind != "audio" for rendition in view.renditions)
        told.passed("playable", "It can be played, so far by a draft." if draft else "It can be played.")
        return True
    source = await sources.for_video(video.scope, video.video_id)
    made = await renditions.for_video(video.scope, video.video_id)
    told.failed("playable", _why_not(video, source, made))
    return False


def _why_not(video: Video, source: Source | None, made: tuple[Rendition, ...]) -> str:
    """Say why nothing can be played."""
    if source is None:
        return "Its source is being fetched." if video.fetching else "It has no source: nothing was uploaded."
    if source.status == "failed":
        return f"Its source cannot be used: {source.failure or 'no reason is known'}"
    if source.status in ("uploading", "uploaded"):
        fetched = " from its address" if video.fetching else ""
        return (
            f"Its source is still on its way{fetched}." if source.status == "uploading" else "Its source waits to be read."
        )
    if source.status == "ingesting":
        return "Its source is being read."
    failed = next((rendition for rendition in made if rendition.status == "failed"), None)
    if failed is not None:
        return f"Its {failed.quality or failed.kind} rendition could not be made: {failed.failure or 'no reason is known'}"
    if not made:
        return "Its renditions are still to be planned."
    return "Its renditions are being made; the first one is not ready yet."


async def _answered(front: App, scope: Scope, told: Told) -> int:
    """Return the status that a request is answered with, its checks noted."""
    status = 0
    scope[CASE] = told

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]

    # In a task of its own, whose context variables are not those of the request that asks.
    await asyncio.create_task(_awaited(front(scope, receive, send)))
    return status


async def _awaited(answer: Awaitable[None]) -> None:
    await answer
