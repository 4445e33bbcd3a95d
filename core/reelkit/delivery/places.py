"""What the addresses under /vod/ stand for."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from functools import lru_cache

import msgspec

from reelkit.access.viewer import What
from reelkit.catalog.playback import Playback
from reelkit.delivery.answering import Answer
from reelkit.delivery.files import Files
from reelkit.delivery.segments import Piece, Segments
from reelkit.problems import NotFound, UnrecognizedUrl

__all__ = ["PLAYLIST_ROUTE", "SOURCE_ROUTE", "Place", "Places"]

_PATH = re.compile(r"/vod/(vi[0-9A-Za-z]{1,62})/(?:token/([^/]{1,64})/)?(.+)", re.ASCII)
_PIECE = re.compile(
    r"hls/(re[0-9A-Za-z]{1,62})/([a-z]{1,2}\d{0,3})/(?:(playlist\.m3u8)|(init\.mp4)|(\d{1,7})\.m4s)", re.ASCII
)
_TEXT = re.compile(r"(caption|chapter)s/([A-Za-z0-9-]{2,35})\.vtt", re.ASCII)
_SUBTITLES = re.compile(r"hls/captions/([A-Za-z0-9-]{2,35})\.m3u8", re.ASCII)
_SHEET = re.compile(r"storyboard/([0-9A-Za-z._-]{1,128})", re.ASCII)

Find = Callable[[Playback], Awaitable[Answer | None]]

REMEMBERED = 2048
"""Addresses that are read once for many viewers; each takes about 1 KiB."""

MANIFEST_ROUTE = "hls/manifest.m3u8"
PLAYLIST_ROUTE = "hls/{renditionId}/{track}/playlist.m3u8"
SOURCE_ROUTE = "mp4/source.mp4"
SESSION_ROUTE = "session"
# Who reads a playlist watches, unlike who asks for the manifest until it is there.
_WATCHED: dict[str, What] = {
    MANIFEST_ROUTE: "playlist",
    PLAYLIST_ROUTE: "playlist",
    SOURCE_ROUTE: "file",
    SESSION_ROUTE: "session",
}
"""Routes that lead to pictures and sound; what they lead to is not asked about again."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """What an address stands for. rest: the path below the video; route: its template; find: None for a session alone."""

    video_id: str
    token: str | None
    rest: str
    route: str
    template: str
    """Of the whole path."""
    find: Find | None
    what: What | None
    plays: bool
    """It is or leads straight to pictures and sound, so who asks for it takes a place of their key."""


class Places:
    """Reads addresses, one a process."""

    def __init__(self, segments: Segments, files: Files) -> None:
        self._segments = segments
        self._files = files
        self._read = lru_cache(REMEMBERED)(self._place)

    def at(self, path: str, query: bytes) -> Place:
        """Return what an address stands for. query: of it. Raises UnrecognizedUrl."""
        return self._read(path, b"dl=1" in query and b"dl=1" in query.split(b"&"))

    def _place(self, path: str, download: bool) -> Place:
        match = _PATH.fullmatch(path)
        if match is None:
            raise UnrecognizedUrl
        video_id, token, rest = match.groups()
        route, find = (SESSION_ROUTE, None) if rest == SESSION_ROUTE else self._route(rest, download)
        return Place(
            video_id=video_id,
            token=token,
            rest=rest,
            route=route,
            template=f"/vod/{{videoId}}/{'' if token is None else 'token/{token}/'}{route}",
            find=find,
            what=_WATCHED.get(route),
            plays=route.startswith(("hls/", "mp4/")) and route != MANIFEST_ROUTE,
        )

    def _route(self, rest: str, download: bool) -> tuple[str, Find]:
        """Return the template of a path below a video, and what finds what it stands for."""
        if piece := _PIECE.fullmatch(rest):
            rendition, track, playlist, init, number = piece.groups()
            if playlist:
                return PLAYLIST_ROUTE, self._piece(rendition, track, "playlist")
            if init:
                return "hls/{renditionId}/{track}/init.mp4", self._piece(rendition, track, "init")
            return "hls/{renditionId}/{track}/{number}.m4s", self._piece(rendition, track, int(number))
        if rest == MANIFEST_ROUTE:
            return rest, self._segments.manifest
        if rest == SOURCE_ROUTE:
            return rest, lambda view: self._files.source(view, download)
        if rest == "thumbnail.jpg":
            return rest, self._files.poster
        if text := _TEXT.fullmatch(rest):
            kind, language = text.groups()
            return f"{kind}s/{{language}}.vtt", lambda view: self._files.text(view, kind, language)
        if subtitles := _SUBTITLES.fullmatch(rest):
            language = subtitles[1]
            return "hls/captions/{language}.m3u8", lambda view: self._segments.subtitles(view, language)
        if sheet := _SHEET.fullmatch(rest):
            name = sheet[1]
            return "storyboard/{name}", lambda view: self._files.storyboard(view, name)
        raise UnrecognizedUrl

    def _piece(self, rendition: str, track: str, what: Piece) -> Find:
        async def find(view: Playback) -> Answer | None:
            found = await self._segments.piece(view, rendition, track, what)
            if found is None:
                raise NotFound(name="renditionId")
            return found

        return find
