"""Answering from the cache: the whole of an entry, one range of it, or that the viewer has it already (RFC 9110, 13, 14)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping

from reelkit import OutboundFailed

from reelkit_streamproxy.cache import Kept
from reelkit_streamproxy.passing import passed_on
from reelkit_streamproxy.sending import Receive, Scope, Send, send_bytes, stream

__all__ = ["answer_kept"]

PIECE = 1 << 20

_RANGE = re.compile(r"bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})", re.ASCII | re.IGNORECASE)
_TAG = re.compile(r'(?:W/)?"[^"]*"')


async def answer_kept(
    scope: Scope, receive: Receive, send: Send, kept: Kept, start: bytes, conditions: Mapping[str, str]
) -> None:
    """Answer GET or HEAD with 200, 206, 304 or 416, and close the entry. start: of its bytes; conditions: of the request."""
    try:
        entry = kept.entry
        headers = [*passed_on(entry.headers, entry.headers["content-type"])]
        if _is_current(entry.headers, conditions):
            await send({"type": "http.response.start", "status": 304, "headers": headers})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        if "accept-ranges" not in entry.headers:
            headers.append((b"accept-ranges", b"bytes"))
        first, stop, status = 0, entry.size, 200
        if scope["method"] == "GET" and "range" in conditions and _still_holds(entry.headers, conditions):
            asked = _range(conditions["range"], entry.size)
            if asked is not None and asked[0] >= asked[1]:
                await send_bytes(scope, send, 416, [*headers, (b"content-range", b"bytes */%d" % entry.size)])
                return
            if asked is not None:
                (first, stop), status = asked, 206
                headers.append((b"content-range", b"bytes %d-%d/%d" % (first, stop - 1, entry.size)))
        headers.append((b"content-length", b"%d" % (stop - first)))
        if scope["method"] == "HEAD":
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        rest = _Rest(kept, first, stop)
        piece = start if status == 200 else start[first:stop]
        rest.at += len(piece)
        if not piece and first < stop:
            piece = await rest.read()
        await stream(receive, send, status, headers, piece, rest, stop - first)
    finally:
        kept.close()


class _Rest:
    def __init__(self, kept: Kept, at: int, stop: int) -> None:
        self._kept, self.at, self._stop = kept, at, stop

    async def read(self) -> bytes:
        stop = min(self._stop, self.at + PIECE)
        if self.at >= stop:
            return b""
        try:
            piece = await asyncio.to_thread(self._kept.read, self.at, stop)
        except OSError as error:
            raise OutboundFailed(str(error)) from error
        self.at = stop
        return piece


def _is_current(headers: Mapping[str, str], conditions: Mapping[str, str]) -> bool:
    """Tell whether the viewer has these bytes; If-None-Match stands before If-Modified-Since (13.2.2)."""
    if (wanted := conditions.get("if-none-match")) is not None:
        tag = headers.get("etag", "").removeprefix("W/")
        return wanted.strip() == "*" or (bool(tag) and any(t.removeprefix("W/") == tag for t in _TAG.findall(wanted)))
    since = conditions.get("if-modified-since")
    return since is not None and since == headers.get("last-modified")


def _still_holds(headers: Mapping[str, str], conditions: Mapping[str, str]) -> bool:
    wanted = conditions.get("if-range")
    if wanted is None:
        return True
    tag = headers.get("etag", "")
    return wanted == (tag if tag.startswith('"') else headers.get("last-modified"))


def _range(text: str, size: int) -> tuple[int, int] | None:
    """Return (start, stop), stop exclusive; an empty one when it lies outside; None for what may be ignored."""
    found = _RANGE.fullmatch(text.strip())
    if found is None or found[1] + found[2] == "":
        return None
    if not found[1]:
        return (max(0, size - int(found[2])), size) if int(found[2]) else (size, size)
    if found[2] and int(found[2]) < int(found[1]):
        return None
    return int(found[1]), min(size, int(found[2]) + 1) if found[2] else size
