"""What an answer of an origin is: a playlist that has to be rewritten, or something to pass on as it is."""

from __future__ import annotations

import re
from typing import Literal

__all__ = ["ENOUGH", "Kind", "kind_of"]

Kind = Literal["hls", "dash", "json"]
ENOUGH = 1024
"""First bytes that tell as much as all of them do."""

_TYPES: dict[str, Kind] = {
    "application/vnd.apple.mpegurl": "hls",
    "application/x-mpegurl": "hls",
    "application/mpegurl": "hls",
    "audio/mpegurl": "hls",
    "audio/x-mpegurl": "hls",
    "video/mpegurl": "hls",
    "application/dash+xml": "dash",
    "video/vnd.mpeg.dash.mpd": "dash",
    "application/vnd.apple.steering-list": "json",
}
_SUFFIXES: dict[str, Kind] = {"m3u8": "hls", "m3u": "hls", "mpd": "dash"}

_HLS = re.compile(rb"\s*#EXTM3U(?:\s|\Z)")
# The root, or the root of a remote part; anything may stand before it but another element.
_DASH = re.compile(
    rb"\s*(?:<\?(?:[^?]|\?(?!>))*+\?>\s*|<!--(?:[^-]|-(?!->))*+-->\s*|<![A-Za-z][^>]*+>\s*)*+"
    rb"<(?:[A-Za-z_][\w.-]*:)?(?:MPD|Period|AdaptationSet|EventStream|Patch)[\s/>]"
)
_JSON = re.compile(rb'\s*\{(?=[^\0]*"(?:PATHWAY-PRIORITY|RELOAD-URI|ASSETS)"\s*:)')


def kind_of(content_type: str, first_bytes: bytes, path: str) -> Kind | Literal["other"]:
    """Tell what an answer is. content_type: also with parameters; first_bytes: ENOUGH, or all; path: of the URL.

    The bytes decide where they can, as they do in players, which ask neither for the type nor for the name; type and
    name make it a playlist too, which is refused when it is not one, instead of passed on to who may see another in it.
    json: a content steering manifest or a list of interstitials.
    """
    start = first_bytes[:ENOUGH].removeprefix(b"\xef\xbb\xbf")
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        # Browsers decode what begins so as UTF-16, whatever its type says.
        start = start[: len(start) & ~1].decode("utf-16", "ignore").encode("utf-8", "replace")
    if _HLS.match(start):
        return "hls"
    if _DASH.match(start):
        return "dash"
    plain = content_type.partition(";")[0].strip().lower()
    if plain in _TYPES:
        return _TYPES[plain]
    if plain.startswith(("video/", "image/", "audio/")):
        return "other"
    if (plain.endswith("json") or not plain) and _JSON.match(start):
        return "json"
    return _SUFFIXES.get(path.rpartition(".")[2].lower(), "other")
