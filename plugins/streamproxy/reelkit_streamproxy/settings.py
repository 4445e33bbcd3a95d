"""[plugins.streamproxy]: which origins the proxy may ask, with which headers, and how much of its time and room they get."""

from __future__ import annotations

import re
from typing import Annotated, Literal

import msgspec

from reelkit_streamproxy.patterns import host_of_pattern

__all__ = ["CONTENT_TYPES", "Origin", "Settings"]

Count = Annotated[int, msgspec.Meta(ge=1)]
Natural = Annotated[int, msgspec.Meta(ge=0)]
Seconds = Annotated[float, msgspec.Meta(gt=0)]
Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
ContentType = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9!#$&^_.+-]*/(\*|[a-z0-9][a-z0-9!#$&^_.+-]*)$")]

CONTENT_TYPES = (
    "video/*",
    "audio/*",
    "image/jpeg",
    "image/png",
    "image/webp",
    "application/mp4",
    "application/dash+xml",
    "application/vnd.apple.mpegurl",
    "application/x-mpegurl",
    "application/mpegurl",
    "application/vnd.apple.steering-list",
    "application/json",
    "application/octet-stream",
    "binary/octet-stream",
    "application/ttml+xml",
    "application/x-subrip",
    "text/vtt",
    "text/plain",
    "text/xml",
    "application/xml",
)
"""What players fetch, under the names that servers give it. No page, style sheet, script or SVG is among it."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_VALUE = re.compile(r"[\x21-\x7e\x80-\xff]([\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?")

_PATH = re.compile(r"/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*")
_DOTS = re.compile(r"/(\.|%2e){1,2}(/|$)", re.IGNORECASE)

_TRAVEL = {"host", "connection", "content-length", "transfer-encoding", "te", "trailer", "upgrade", "keep-alive", "expect"}
_NOT_THEIRS = _TRAVEL | {"range", "if-range", "accept-encoding", "proxy-authorization", "proxy-connection"}
"""Headers that say how a message travels or what part of it is asked for: the proxy's own business."""


class Origin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[plugins.streamproxy.origins.NAME]: one place that may be asked."""

    host: str
    """`cdn.example.org`, `192.0.2.1`, `[2001:db8::1]`, or `*.example.org` for every name below example.org, not itself."""
    schemes: tuple[Literal["https", "http"], ...] = ("https",)
    port: Port | None = None
    """None: 443 of https, 80 of http."""
    path: str = "/"
    """What the path must begin with, whole segments: `/live` allows /live and /live/a, not /livery."""
    headers: dict[str, str] = {}
    """Added to each request to this origin; never shown."""

    def __post_init__(self) -> None:
        """Raise ValueError for what can match nothing or cannot be sent."""
        host_of_pattern(self.host)
        if not _PATH.fullmatch(self.path) or _DOTS.search(self.path):
            raise ValueError("path must begin with a slash and be written as in URLs: no dot segments, no query")
        if not self.schemes:
            raise ValueError('schemes must name "https", "http" or both')
        seen: set[str] = set()
        for name, value in self.headers.items():
            if not _TOKEN.fullmatch(name):
                raise ValueError(f"{name!r} is no name of a header")
            if name.lower() in _NOT_THEIRS:
                raise ValueError(f"the header {name} is the proxy's own")
            if name.lower() in seen:
                raise ValueError(f"the header {name} is there twice")
            if not _VALUE.fullmatch(value):
                raise ValueError(f"the value of the header {name} is empty or cannot be sent: line ends, control characters")
            seen.add(name.lower())

    def __repr__(self) -> str:
        """Tell the names of the headers, but not their values."""
        shown = {name: getattr(self, name) for name in self.__struct_fields__}
        shown["headers"] = dict.fromkeys(self.headers, "…")
        return f"Origin({', '.join(f'{name}={value!r}' for name, value in shown.items())})"


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[plugins.streamproxy]"""

    origins: dict[str, Origin] = {}
    """Who may be asked, by a name for people; empty: nobody, and every request to the proxy is refused."""

    link_hours: Annotated[float, msgspec.Meta(gt=0, le=24 * 7)] = 12.0
    """How long the links in a playlist work, at least. A live stream that is watched for longer has to be opened anew."""

    playlist_bytes: Annotated[int, msgspec.Meta(ge=1024, le=64 * 1024**2)] = 8 * 1024**2
    """The largest playlist or manifest that is read."""
    response_bytes: Count = 16 * 1024**3
    """The largest body that is passed on."""
    origin_connections: Count = 256
    """Requests to one host that are under way at once, of each worker; those beyond it wait, and at last get 503."""
    connect_seconds: Seconds = 5.0
    """How long connecting may take, and waiting for others before it."""
    first_byte_seconds: Seconds = 10.0
    """From the request to the head of the answer."""
    idle_seconds: Seconds = 20.0
    """How long an origin may be silent in the middle of a body."""
    total_seconds: Seconds = 6 * 3600.0
    """How long one answer may take from start to end."""
    redirects: Annotated[int, msgspec.Meta(ge=0, le=10)] = 4
    """How many are followed; each must lead to an origin of the list."""
    nesting: Annotated[int, msgspec.Meta(ge=1, le=32)] = 6
    """How many playlists may lead from the one that was asked for to the next one; a master and its media are two."""

    cache_bytes: Natural = 256 * 1024**2
    """Room on the disk for segments that several viewers ask for; 0: nothing is kept."""
    cache_entry_bytes: Count = 16 * 1024**2
    """Larger bodies are passed on and not kept."""

    content_types: tuple[ContentType, ...] = CONTENT_TYPES
    """What may be passed on, in lower case; `video/*` is every video."""

    @property
    def link_seconds(self) -> int:
        """How long a link works, at least."""
        return max(1, round(self.link_hours * 3600))
