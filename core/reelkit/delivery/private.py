"""Answers about private videos: the session that admits a viewer goes on to every address in them."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from reelkit.delivery.answering import Answer, CutOff
from reelkit.delivery.bodies import Body, BytesBody
from reelkit.delivery.conditional import entity_tag
from reelkit.delivery.segments import PLAYLIST

__all__ = ["carry_in_cues", "carry_in_playlist", "not_shared", "private", "with_query"]

STORYBOARD_BYTES = 4 << 20
"""Of its cues; a storyboard of ours has some 100 KiB."""

Carry = Callable[[bytes, str, str], bytes]

_LINK = re.compile(rb'^([^#\s][^\r\n]*)|(?<=[,:])(URI=")([^"\r\n]*)', re.MULTILINE)
_SHEET = re.compile(rb"^([^\s#]+\.jpg)(?=#xywh=)", re.MULTILINE)


def with_query(address: str, session: str | None) -> str:
    """Return an address that carries a session on, if there is one."""
    return address if session is None else f"{address}?avh={session}"


async def private(found: Answer, session: str, base: str = "") -> Answer:
    """Return an answer for one viewer alone.

    base: from the address that was asked for to the one that the links are relative to, with a slash at its end.
    Raises StorageError.
    """
    carry: Carry | None = None
    if found.content_type == PLAYLIST:
        carry = carry_in_playlist
    elif found.links:
        carry = carry_in_cues
    if carry is None:
        return not_shared(found)
    data = carry(await _bytes(found.body), session, base)
    return not_shared(msgspec.structs.replace(found, body=BytesBody(data), tag=entity_tag(found.tag, session, base)))


def not_shared(found: Answer) -> Answer:
    """Return an answer that no cache hands to another viewer, who may not be let in."""
    return msgspec.structs.replace(found, cache=found.cache.replace("public", "private"))


def carry_in_playlist(playlist: bytes, session: str, base: str = "") -> bytes:
    """Return a playlist of ours whose every URI leads on with the session."""
    before, after = base.encode(), b"?avh=" + session.encode()
    return _LINK.sub(lambda link: (link[2] or b"") + before + (link[3] if link[1] is None else link[1]) + after, playlist)


def carry_in_cues(cues: bytes, session: str, base: str = "") -> bytes:
    """Return the cues of a storyboard whose every sheet is asked for with the session."""
    before, after = base.encode(), b"?avh=" + session.encode()
    return _SHEET.sub(lambda sheet: before + sheet[1] + after, cues)


async def _bytes(body: Body) -> bytes:
    if isinstance(body, BytesBody):
        return body.data
    if body.size > STORYBOARD_BYTES:
        raise CutOff("the cues of a storyboard are too long to carry a session")
    return b"".join([chunk async for chunk in body.read(0, body.size)])
