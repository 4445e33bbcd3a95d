"""Captions and chapters as they come in: a file of WebVTT, and the language that its address names."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from litestar import Request

from reelkit.api.changes import Changing
from reelkit.api.pagination import Pagination, paginate, requested_page
from reelkit.api.queries import Query
from reelkit.api.receiving import Upload, open_upload
from reelkit.api.removal import remove_soon
from reelkit.catalog import text_tracks
from reelkit.catalog.languages import canonical
from reelkit.catalog.text_tracks import Kind, TextTrack
from reelkit.catalog.videos import Video
from reelkit.jobs.runtime import Runtime
from reelkit.jobs.transfer import store_bytes
from reelkit.media.webvtt import read_text, well_formed
from reelkit.problems import InvalidAttribute, NotFound

__all__ = ["drop_text", "find_text", "list_texts", "read_language", "take_text"]

MAX_BYTES = 10 << 20
"""Of one file of text: a day of dense captions is about 3 MB."""

_LANGUAGE = re.compile(r"[A-Za-z0-9-]{2,35}", re.ASCII)
"""Of regions some are three digits, as in es-419."""


J = TypeVar("J", bound=msgspec.Struct)
AsJson = Callable[[TextTrack, str], J]
"""Returns the JSON of a file; the second argument is the base URL of the site."""


class TextUpload(msgspec.Struct, frozen=True, rename="camel"):
    """What plugins are shown of an upload. text: of the file, WebVTT; they may edit it, the others are what they are."""

    video_id: str
    language: str
    text: str


def read_language(language: str) -> str:
    """Return the tag in a path as BCP 47 writes it. Raises InvalidAttribute."""
    if not _LANGUAGE.fullmatch(language):
        raise InvalidAttribute(name="language", detail="The language must contain only letters and dashes.")
    known = canonical(language)
    if known is None:
        raise InvalidAttribute(name="language", detail=f"The language {language} is not valid.")
    return known


async def whole_upload(request: Request[Any, Any, Any], limit: int) -> tuple[Upload, bytes]:
    """Return the only file of a form, with its other fields complete. Raises the Problems of uploads."""
    upload = await open_upload(request.receive, request.headers, {}, limit)
    data = bytearray()
    async for chunk in upload:
        data += chunk
    return upload, bytes(data)


async def take_text(
    request: Request[Any, Any, Any], runtime: Runtime, video: Video, kind: Kind, language: str, as_json: AsJson[J]
) -> J:
    """Store an uploaded file of text and let it take the place of the one of its language, if there is one.

    Raises the Problems of uploads, NotFound, StorageError, and what a plugin refuses with.
    """
    _, data = await whole_upload(request, MAX_BYTES)
    scope, video_id, base_url = video.scope, video.video_id, runtime.site.site.base_url
    before = await text_tracks.get(scope, video_id, kind, language)
    if before is None:
        edit = Changing(runtime, scope, kind, "create")
    else:
        edit = Changing(runtime, scope, kind, "update", id=before.id, before=as_json(before, base_url))
    given = await edit.propose(TextUpload(video_id, language, await asyncio.to_thread(read_text, data)))
    key, kept = text_tracks.new_key(scope, video_id, kind), given.text.encode("utf-8", "replace")
    await store_bytes(runtime.storage, key, kept)
    try:
        put = await text_tracks.put(
            scope, video_id, kind, language, storage_key=key, size=len(kept), well_formed=well_formed(given.text)
        )
    except BaseException:
        remove_soon(runtime.storage, key)
        raise
    if put is None:
        raise NotFound(name="videoId")
    shown = as_json(put, base_url)
    await edit.made(shown, id=put.id)
    return shown


async def find_text(video: Video, kind: Kind, language: str) -> TextTrack:
    """Return the file of a language. Raises NotFound."""
    found = await text_tracks.get(video.scope, video.video_id, kind, language)
    if found is None:
        raise NotFound(name="language")
    return found


async def list_texts(request: Request[Any, Any, Any], video: Video, kind: Kind) -> tuple[tuple[TextTrack, ...], Pagination]:
    """Return the page of a video's files that a query asks for, by their language."""
    query = Query(request.scope["query_string"])
    page = requested_page(query)
    query.check()
    found = await text_tracks.page(video.scope, video.video_id, kind, page.number, page.size)
    pages = paginate(f"/videos/{video.video_id}/{kind}s", query, page, len(found.items), found.total)
    return found.items, pages


async def drop_text(runtime: Runtime, video: Video, kind: Kind, language: str, as_json: AsJson[J]) -> None:
    """Remove the file of a language. Raises NotFound, and what a plugin refuses with."""
    found = await find_text(video, kind, language)
    before = as_json(found, runtime.site.site.base_url)
    edit = Changing(runtime, video.scope, kind, "delete", id=found.id, before=before)
    await edit.propose(None)
    removed = await text_tracks.remove(video.scope, video.video_id, kind, language)
    if removed is None:
        raise NotFound(name="language")
    remove_soon(runtime.storage, removed.storage_key)
    await edit.made()
