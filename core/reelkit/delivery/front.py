"""Media under /vod/: a small ASGI application in front of the framework, which would halve the rate of segments."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import ClassVar

import structlog

from reelkit.access.admission import Admission, Admitted
from reelkit.access.metering import Meter, metered
from reelkit.access.principal import Principal
from reelkit.access.streams import Streams
from reelkit.access.viewer import Viewer
from reelkit.catalog.errors import DatabaseError
from reelkit.catalog.playback import Playback
from reelkit.delivery.answering import Answer, answer, answer_elsewhere, answer_empty, answer_json, answer_problem
from reelkit.delivery.asgi import ROUTE, App, Receive, Scope, Send
from reelkit.delivery.files import Files
from reelkit.delivery.library import Library
from reelkit.delivery.private import not_shared, private
from reelkit.delivery.segments import Piece, Segments
from reelkit.delivery.texts import Texts
from reelkit.delivery.viewers import CASE, What, viewer_of
from reelkit.interfaces.storage import NotStored, StorageError
from reelkit.jobs.laziness import Attention
from reelkit.problems import MethodNotAllowed, NotFound, NotReady, Problem, StorageFailing, UnrecognizedUrl

__all__ = ["Front"]

_PATH = re.compile(r"/vod/(vi[0-9A-Za-z]{1,62})/(?:token/([^/]{1,64})/)?(.+)", re.ASCII)
_PIECE = re.compile(
    r"hls/(re[0-9A-Za-z]{1,62})/([a-z]{1,2}\d{0,3})/(?:(playlist\.m3u8)|(init\.mp4)|(\d{1,7})\.m4s)", re.ASCII
)
_TEXT = re.compile(r"(caption|chapter)s/([A-Za-z-]{2,35})\.vtt", re.ASCII)
_SUBTITLES = re.compile(r"hls/captions/([A-Za-z-]{2,35})\.m3u8", re.ASCII)
_SHEET = re.compile(r"storyboard/([0-9A-Za-z._-]{1,128})", re.ASCII)

log = structlog.get_logger("reelkit.delivery")

Find = Callable[[Playback], Awaitable[Answer | None]]

SOURCE = "mp4/source.mp4"
_PLAYLIST = "hls/{renditionId}/{track}/playlist.m3u8"
"""Who reads one of these watches, unlike who asks for the manifest until it is there."""
_WATCHED: dict[str, What] = {
    "hls/manifest.m3u8": "playlist",
    "hls/{renditionId}/{track}/playlist.m3u8": "playlist",
    SOURCE: "file",
    "session": "session",
}
"""Routes that lead to pictures and sound; what they lead to is not asked about again."""


class _OnlyRead(MethodNotAllowed):
    """Media is not changed at its addresses."""

    headers: ClassVar = {"allow": "GET, HEAD, OPTIONS"}


class Front:
    """Serves /vod/…; all else is for the application behind it, which also answers until `open` was called."""

    def __init__(self, behind: App) -> None:
        self._behind = behind
        self._library: Library | None = None

    def open(self, library: Library, admission: Admission, streams: Streams, meter: Meter, attention: Attention) -> None:
        """Begin to serve."""
        self._segments = Segments(library)
        self._files = Files(library)
        self._texts = Texts()
        self._admission = admission
        self._streams = streams
        self._meter = meter
        self._attention = attention
        self._library = library

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._library is None or not scope["path"].startswith("/vod/"):
            await self._behind(scope, receive, send)
            return
        try:
            await self._serve(scope, receive, send, self._library)
        except Problem as problem:
            await answer_problem(scope, send, problem)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, library: Library) -> None:
        match = _PATH.fullmatch(scope["path"])
        if match is None:
            raise UnrecognizedUrl
        video_id, token, rest = match.groups()
        opens = rest == "session"
        route, find = (rest, _nothing) if opens else self._route(rest, scope["query_string"])
        scope[ROUTE] = f"/vod/{{videoId}}/{'' if token is None else 'token/{token}/'}{route}"
        if scope["method"] not in ("GET", "HEAD"):
            raise _OnlyRead
        try:
            view = await library.view(video_id)
            if view is None:
                raise NotFound(name="videoId")
            viewer = viewer_of(scope, _WATCHED.get(route))
            admitted = await self._admission.admit(view.video, viewer, token)
            if admitted.principal is not None:
                send = await self._count(viewer, admitted, rest, send)
            if admitted.token_key is not None and token is not None:
                await self._redeem(scope, receive, send, view, admitted, token, rest, find)
                return
            session = self._admission.carry(view.video, admitted)
            if opens:
                if session is None:
                    raise NotFound(name="videoId")
                await answer_json(scope, send, {"session_token": session})
            elif session is not None and admitted.session is None and viewer.token is not None and route == SOURCE:
                await _elsewhere(scope, send, "source.mp4", session)
            else:
                found = self._texts.get(scope["path"], session, view)
                if found is None:
                    found = await find(view)
                    if found is not None and session is not None:
                        found = await private(found, session)
                    elif found is not None and admitted.limited:
                        found = not_shared(found)
                    if found is not None:
                        self._texts.keep(scope["path"], session, view, found)
                await _give(scope, receive, send, view, found)
            if view.lazy and route == _PLAYLIST and not viewer.case.explains:
                await self._attention.watched(view)
        except NotStored as error:
            # A rendition that was just replaced, or a video that was just deleted; anything else is worth a look.
            log.warning("media is gone", video=video_id, key=error.key)
            library.forget(video_id)
            raise NotFound(name="videoId") from error
        except StorageError as error:
            log.error("storage failed", video=video_id, error=str(error))
            raise StorageFailing from error
        except DatabaseError as error:
            log.error("database failed", video=video_id, error=str(error))
            raise NotReady from error

    async def _count(self, viewer: Viewer, admitted: Admitted, rest: str, send: Send) -> Send:
        """Take a place of the key that somebody watches on, and return a send that counts for it. Raises Problem."""
        principal = admitted.principal
        assert principal is not None
        if viewer.case.explains:
            await self._explain_count(viewer, principal)
            return send
        # A manifest or a token only leads there, by a session that names the viewer from then on.
        if rest.startswith(("hls/", "mp4/")) and rest != "hls/manifest.m3u8" and admitted.token_key is None:
            await self._streams.hold(principal, admitted.viewer or viewer.client)
        await self._meter.check(principal)
        return metered(send, lambda count: self._meter.charge(principal, count))

    async def _explain_count(self, viewer: Viewer, principal: Principal) -> None:
        """Note whether a key may take more bytes; no place is taken, so nothing is said of those."""
        try:
            await self._meter.check(principal)
        except Problem as problem:
            viewer.case.refused("bytes", problem, problem.detail or problem.title)
            raise
        viewer.case.passed("bytes", "The key has not taken all bytes of its tier this month.")

    async def _redeem(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        view: Playback,
        admitted: Admitted,
        token: str,
        rest: str,
        find: Find,
    ) -> None:
        """Answer the first request that comes with a token, and open its session. HEAD leaves the token as it is."""
        found = None if rest == "session" else await find(view)
        if found is None and rest != "session":
            # Nothing was given for it, so it stays good: the uploader asks for the manifest until there is one.
            await _not_yet(send, view)
            return
        session = await self._admission.redeem(view.video, admitted, token, look=scope["method"] == "HEAD")
        up = "../" * (rest.count("/") + 2)
        if found is None:
            await answer_json(scope, send, {"session_token": session})
        elif rest == SOURCE and (scope["method"] != "HEAD" or CASE in scope):
            # Not for HEAD: its answer would hand out a session, and the token stays good for the next one.
            await _elsewhere(scope, send, up + rest, session)
        else:
            folder = rest[: rest.rfind("/") + 1]
            await answer(scope, receive, send, await private(found, session, up + folder))

    def _route(self, rest: str, query: bytes) -> tuple[str, Find]:
        """Return the template of a path below a video, and what finds what it stands for. Raises UnrecognizedUrl."""
        if piece := _PIECE.fullmatch(rest):
            rendition, track, playlist, init, number = piece.groups()
            if playlist:
                return "hls/{renditionId}/{track}/playlist.m3u8", self._piece(rendition, track, "playlist")
            if init:
                return "hls/{renditionId}/{track}/init.mp4", self._piece(rendition, track, "init")
            return "hls/{renditionId}/{track}/{number}.m4s", self._piece(rendition, track, int(number))
        if rest == "hls/manifest.m3u8":
            return rest, self._segments.manifest
        if rest == SOURCE:
            download = b"dl=1" in query.split(b"&")
            return rest, lambda view: self._files.source(view, download)
        if rest == "thumbnail.jpg":
            return rest, self._files.poster
        if text := _TEXT.fullmatch(rest):
            return f"{text[1]}s/{{language}}.vtt", lambda view: self._files.text(view, text[1], text[2])
        if subtitles := _SUBTITLES.fullmatch(rest):
            return "hls/captions/{language}.m3u8", lambda view: self._segments.subtitles(view, subtitles[1])
        if sheet := _SHEET.fullmatch(rest):
            return "storyboard/{name}", lambda view: self._files.storyboard(view, sheet[1])
        raise UnrecognizedUrl

    def _piece(self, rendition: str, track: str, what: Piece) -> Find:
        async def find(view: Playback) -> Answer | None:
            found = await self._segments.piece(view, rendition, track, what)
            if found is None:
                raise NotFound(name="renditionId")
            return found

        return find


async def _nothing(_: Playback) -> None:
    """Stand for what has no bytes of its own."""


async def _elsewhere(scope: Scope, send: Send, path: str, session: str) -> None:
    """Send a player on to where a file is for this session: it asks for one part after the other, and a token ends."""
    download = "&dl=1" if b"dl=1" in scope["query_string"].split(b"&") else ""
    await answer_elsewhere(send, f"{path}?avh={session}{download}")


async def _give(scope: Scope, receive: Receive, send: Send, view: Playback, found: Answer | None) -> None:
    if found is None:
        await _not_yet(send, view)
    else:
        await answer(scope, receive, send, found)


async def _not_yet(send: Send, view: Playback) -> None:
    """Answer for a manifest with nothing in it. No body: the official uploader takes any other answer for playable."""
    failed = view.source is not None and view.source.status == "failed"
    await answer_empty(send, 404 if failed else 202, "no-store")
