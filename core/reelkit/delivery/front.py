"""Media under /vod/: a small ASGI application in front of the framework, which would halve the rate of segments."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

import structlog

from reelkit.catalog.errors import DatabaseError
from reelkit.catalog.playback import Playback
from reelkit.delivery.answering import Answer, answer, answer_empty, answer_problem
from reelkit.delivery.asgi import ROUTE, App, Receive, Scope, Send
from reelkit.delivery.files import Files
from reelkit.delivery.library import Library
from reelkit.delivery.segments import Piece, Segments
from reelkit.interfaces.storage import NotStored, StorageError
from reelkit.problems import MethodNotAllowed, NotFound, NotReady, Problem, StorageFailing, UnrecognizedUrl

__all__ = ["Front"]

_PATH = re.compile(r"/vod/(vi[0-9A-Za-z]{1,62})/(.+)", re.ASCII)
_PIECE = re.compile(
    r"hls/(re[0-9A-Za-z]{1,62})/([a-z]{1,2}\d{0,3})/(?:(playlist\.m3u8)|(init\.mp4)|(\d{1,7})\.m4s)", re.ASCII
)
_TEXT = re.compile(r"(caption|chapter)s/([A-Za-z-]{2,35})\.vtt", re.ASCII)
_SUBTITLES = re.compile(r"hls/captions/([A-Za-z-]{2,35})\.m3u8", re.ASCII)
_SHEET = re.compile(r"storyboard/([0-9A-Za-z._-]{1,128})", re.ASCII)

log = structlog.get_logger("reelkit.delivery")

Find = Callable[[Playback], Awaitable[Answer | None]]


class Front:
    """Serves /vod/…; all else is for the application behind it, which also answers until `open` was called."""

    def __init__(self, behind: App) -> None:
        self._behind = behind
        self._library: Library | None = None

    def open(self, library: Library) -> None:
        """Begin to serve."""
        self._segments = Segments(library)
        self._files = Files(library)
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
        video_id, rest = match.groups()
        route, find = self._route(rest, scope["query_string"])
        scope[ROUTE] = f"/vod/{{videoId}}/{route}"
        if scope["method"] not in ("GET", "HEAD"):
            raise MethodNotAllowed
        try:
            view = await library.view(video_id)
            if view is None:
                raise NotFound(name="videoId")
            found = await find(view)
            if found is None:
                await _not_yet(send, view)
            else:
                await answer(scope, receive, send, found)
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
        if rest == "mp4/source.mp4":
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


async def _not_yet(send: Send, view: Playback) -> None:
    """Answer for a manifest with nothing in it. No body: the official uploader takes any other answer for playable."""
    failed = view.source is not None and view.source.status == "failed"
    await answer_empty(send, 404 if failed else 202, "no-store")
