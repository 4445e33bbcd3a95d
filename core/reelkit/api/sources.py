"""POST /videos/{videoId}/source: the bytes of a video, in one request of any size."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import parse_qsl

import structlog
from litestar import Request, post

from reelkit.access.principal import Principal
from reelkit.api.checksum import Checksum
from reelkit.api.receiving import Upload, declared_length, open_upload
from reelkit.api.removal import remove_soon
from reelkit.api.video_json import VideoJson, video_json
from reelkit.api.videos import find_video
from reelkit.catalog import sources, work
from reelkit.catalog.sources import Source, SourceTaken
from reelkit.catalog.videos import Video
from reelkit.interfaces.event import SourceUploaded
from reelkit.interfaces.storage import StorageFull, StorageUnavailable
from reelkit.jobs.announce import announce, facts
from reelkit.jobs.runtime import Runtime
from reelkit.problems import (
    ContentRangeMalformed,
    InvalidFile,
    NotFound,
    PartsNotSupported,
    SourceAlreadyUploaded,
    StorageFailing,
    StorageIsFull,
    UploadIncomplete,
)

__all__ = ["upload_source", "whole_file"]

BEAT = 20.0
"""Seconds between two signs of life of an upload in the catalog."""
VERDICT = 1.5
"""Seconds for which an answer waits for the first look into the file, so that a bad one is refused at once."""

_CONTENT_RANGE = re.compile(r"\s*(?:part\s+(\d+)/(\d+|\*)|bytes\s+(\d+)-(\d+)/(\d+|\*))\s*", re.IGNORECASE | re.ASCII)

log = structlog.get_logger("reelkit.uploads")


@post("/videos/{video_id:str}/source", status_code=201, request_max_body_size=None)
async def upload_source(request: Request[Any, Any, Any], video_id: str, principal: Principal, runtime: Runtime) -> VideoJson:
    """Take the file of a video: stream it to storage, note it in the catalog, have it looked into, answer the video."""
    video = await find_video(principal.scope, video_id)
    size = whole_file(request.headers.get("content-range"))
    upload = await open_upload(
        request.receive,
        request.headers,
        dict(parse_qsl(request.scope["query_string"].decode("utf-8", "replace"))),
        runtime.site.limits.source_bytes,
    )
    source = await _begin(video, upload, size or declared_length(request.headers))
    stored = await _store(runtime, source, upload, size)
    await _look_into(runtime, source, stored)
    return video_json(video, runtime.site.site.base_url)


def whole_file(content_range: str | None) -> int | None:
    """Return the size that a Content-Range which covers the whole file tells, None when it tells none.

    Raises ContentRangeMalformed, PartsNotSupported for one part of several.
    """
    if not content_range:
        return None
    match = _CONTENT_RANGE.fullmatch(content_range)
    if match is None:
        raise ContentRangeMalformed(name="Content-Range", detail='Send "part N/TOTAL" or "bytes A-B/TOTAL".')
    part, parts, first, last, total = match.groups()
    if part is not None:
        if (part, parts) == ("1", "1"):
            return None
        raise PartsNotSupported(name="Content-Range", detail="Send the whole file in one request; it may be of any size.")
    if int(first) > int(last) or (total != "*" and int(last) >= int(total)):
        raise ContentRangeMalformed(name="Content-Range", detail="The range lies outside of the file.")
    if int(first) == 0 and total != "*" and int(last) + 1 == int(total):
        return int(total)
    raise PartsNotSupported(name="Content-Range", detail="Send the whole file in one request; it may be of any size.")


async def _begin(video: Video, upload: Upload, size: int | None) -> Source:
    """Open the source, or find that another client was first."""
    begun = await sources.begin(video.scope, video.video_id, upload.filename, size)
    if begun is None:
        raise NotFound(name="videoId")
    if isinstance(begun, SourceTaken):
        raise SourceAlreadyUploaded()
    return begun


async def _store(runtime: Runtime, source: Source, upload: Upload, size: int | None) -> int:
    """Stream the file to storage, note that it is there and return its size; if anything goes wrong, nothing of it stays."""
    checksum = Checksum()
    try:
        async with _beating(source) as body:
            chunks = body(checksum.follow(_exactly(upload, size)))
            stored = await runtime.storage.put(source.storage_key, chunks)
        if not await sources.uploaded(source.scope, source, stored.size, checksum.hexdigest()):
            raise NotFound(name="videoId", detail="The video was deleted while its file was uploaded.")
        return stored.size
    except BaseException as error:
        with suppress(Exception):
            await asyncio.shield(sources.remove(source.scope, source.id))
        if isinstance(error, StorageFull):
            raise StorageIsFull(name="file") from error
        if isinstance(error, StorageUnavailable):
            log.error("storage failed", source=source.id, error=str(error))
            raise StorageFailing(name="file") from error
        raise


async def _exactly(upload: Upload, size: int | None) -> AsyncIterator[bytes]:
    """Yield a file that must be of the size that its Content-Range told."""
    seen = 0
    async for chunk in upload:
        seen += len(chunk)
        yield chunk
    if size is not None and seen != size:
        raise UploadIncomplete(name="Content-Range", detail=f"The header tells {size} bytes, the file has {seen}.")


@asynccontextmanager
async def _beating(source: Source) -> AsyncIterator[Any]:
    """Say that the upload goes on while the block runs; the body that it wraps stops when its place was taken."""
    lost = False

    async def beat() -> None:
        nonlocal lost
        while not lost:
            await asyncio.sleep(BEAT)
            with suppress(Exception):  # a database that does not answer now may do so at the next beat
                lost = not await sources.beat(source.scope, source.id)

    async def body(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for chunk in chunks:
            if lost:
                raise SourceAlreadyUploaded(detail="Another upload took the place of this one.")
            yield chunk

    task = asyncio.create_task(beat())
    try:
        yield body
    finally:
        task.cancel()


async def _look_into(runtime: Runtime, source: Source, size: int) -> None:
    """Have the file probed and indexed, and wait a moment for the outcome. Raises InvalidFile when it is already known bad.

    From here on the bytes are acknowledged: a job that cannot be kept now is kept by the next sweep.
    """
    try:
        await runtime.engine.submit("ingest", source.id, {"source_id": source.id})
    except Exception as error:
        log.error("ingest is submitted later", source=source.id, exc_info=error)
        return
    await announce(runtime, SourceUploaded(**facts(source), size=size))
    try:
        outcome = await runtime.engine.wait("ingest", source.id, VERDICT)
    except (TimeoutError, LookupError):
        return
    if outcome.state == "failed":
        reason = outcome.failure or "The file cannot be read."
        # Whoever reads the answer may upload again at once.
        await work.fail_source(source.id, reason)
        remove_soon(runtime.storage, source.prefix)
        raise InvalidFile(name="file", detail=reason)
