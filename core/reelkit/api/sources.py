"""POST /videos/{videoId}/source: the bytes of a video, in one request of any size or in parts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl

from litestar import Request, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from reelkit.access.principal import Principal
from reelkit.api.parts import kept_alive, same_bytes, take_part
from reelkit.api.parts_problems import ContentRangeAlreadyInitiated, RangeMismatch
from reelkit.api.parts_rules import LARGEST, Piece, content_range
from reelkit.api.receiving import Upload, declared_length, open_upload
from reelkit.api.sources_finish import look_into, storage_told
from reelkit.api.video_json import VideoJson, video_json
from reelkit.api.videos import find_video
from reelkit.catalog import sources
from reelkit.catalog.checksums import Checksum
from reelkit.catalog.sources import Source, SourceTaken
from reelkit.catalog.videos import Video
from reelkit.interfaces.event import SourceUploaded
from reelkit.jobs.announce import Noted, facts, noting
from reelkit.jobs.runtime import Runtime
from reelkit.problems import NotFound, SourceAlreadyCopied, SourceAlreadyDownloaded, SourceAlreadyUploaded

__all__ = ["file_limit", "refuse_brought", "take_source", "upload_source"]


@post(
    "/videos/{video_id:str}/source", status_code=201, request_max_body_size=None, operation_id="POST_videos-videoId-source"
)
async def upload_source(
    request: Request[Any, Any, Any],
    video_id: FromPath[str],
    principal: NamedDependency[Principal],
    runtime: NamedDependency[Runtime],
) -> VideoJson:
    """Take the file of a video, or one part of it: stream it to storage and answer the video."""
    video = await find_video(principal.scope, video_id)
    piece = content_range(request.headers.get("content-range"), runtime.site.limits.source_bytes)
    query = dict(parse_qsl(request.scope["query_string"].decode("utf-8", "replace")))
    upload = await open_upload(request.receive, request.headers, query, file_limit(runtime, piece))
    await take_source(runtime, video, piece, upload, declared_length(request.headers))
    return video_json(video, runtime, principal)


def file_limit(runtime: Runtime, piece: Piece | None) -> int:
    """Return the bytes that the file of one request may have."""
    limit = runtime.site.limits.source_bytes
    return limit if piece is None or piece.is_whole else min(limit, LARGEST)


async def take_source(
    runtime: Runtime, video: Video, piece: Piece | None, upload: Upload, declared: int | None, token: str | None = None
) -> None:
    """Take the file of a video, or one part of it: store it, note it in the catalog, have it looked into when it is whole.

    declared: bytes of the request, for the status; token: the upload token it came with. Raises SourceAlreadyUploaded,
    ContentRangeAlreadyInitiated, InvalidFile when the file is known bad at once, and what `take_part` raises.
    """
    refuse_brought(video)
    if piece is not None and not piece.is_whole:
        await take_part(runtime, video, piece, upload, token)
        return
    size = None if piece is None else piece.size
    begun = await sources.begin(video.scope, video.video_id, upload.filename, size or declared)
    if begun is None:
        raise NotFound(name="videoId")
    if isinstance(begun, SourceTaken):
        await _take_again(runtime, video, piece, upload, begun.source, token)
        return
    happened = await _store(runtime, begun, upload, size)
    await look_into(runtime, begun, happened)


def refuse_brought(video: Video) -> None:
    """Return when a video takes uploads. Raises SourceAlreadyDownloaded, SourceAlreadyCopied."""
    if video.origin == "url":
        raise SourceAlreadyDownloaded()
    if video.origin == "copy":
        raise SourceAlreadyCopied()


async def _take_again(
    runtime: Runtime, video: Video, piece: Piece | None, upload: Upload, present: Source, token: str | None
) -> None:
    """Take a whole file into a video that has a source or an upload: nothing to do if it is the same once more.

    Raises SourceAlreadyUploaded, ContentRangeAlreadyInitiated.
    """
    if present.resumable and piece is not None:
        await take_part(runtime, video, piece, upload, token)
        return
    if present.resumable and present.status == "uploading":
        raise ContentRangeAlreadyInitiated("Go on with the parts that are missing, or delete the video.")
    # Clients that send `part 1/1` try again when an answer is lost.
    repeated = piece is not None and present.size is not None and present.checksum is not None
    if not repeated or not await same_bytes(upload, present.size or 0, present.checksum or ""):
        raise SourceAlreadyUploaded()


async def _store(runtime: Runtime, source: Source, upload: Upload, size: int | None) -> Noted:
    """Stream the file to storage and note that it is there, which is to be told; if anything fails, nothing of it stays."""
    checksum = Checksum()
    try:
        taken = SourceAlreadyUploaded(detail="Another upload took the place of this one.")
        async with kept_alive(lambda: sources.beat(source.scope, source.id), taken) as alive:
            chunks = alive(checksum.follow(_exactly(upload, size)))
            with storage_told(source.id):
                stored = await runtime.storage.put(source.storage_key, chunks)
        async with noting(runtime) as happened:
            there = await sources.uploaded(source.scope, source, stored.size, str(checksum))
            if there:
                await happened(SourceUploaded(**facts(source), size=stored.size))
        if not there:
            raise NotFound(name="videoId", detail="The video was deleted while its file was uploaded.")
        return happened
    except BaseException:
        with suppress(Exception):
            await asyncio.shield(sources.remove(source.scope, source.id))
        raise


async def _exactly(upload: Upload, size: int | None) -> AsyncIterator[bytes]:
    """Yield a file that must be of the size that its Content-Range told."""
    seen = 0
    async for chunk in upload:
        seen += len(chunk)
        yield chunk
    if size is not None and seen != size:
        raise RangeMismatch(f"The header tells {size} bytes, the file has {seen}.", (size, size))
