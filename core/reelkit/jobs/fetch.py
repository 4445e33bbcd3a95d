"""The job `fetch`: bring the source of a video from an address on the web, or from another video."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from reelkit.catalog import sources, videos, work
from reelkit.catalog.checksums import Checksum
from reelkit.catalog.errors import DatabaseError
from reelkit.catalog.sources import Source, SourceTaken
from reelkit.catalog.videos import Video
from reelkit.interfaces.event import SourceUploaded, VideoFailed
from reelkit.interfaces.storage import NotStored, StorageFull
from reelkit.jobs.announce import announcing, facts
from reelkit.jobs.job import JobContext, PermanentFailure
from reelkit.outbound import OutboundFailed, OutboundLimits, OutboundRefused, OutboundTooLarge

if TYPE_CHECKING:
    from reelkit.jobs.runtime import Runtime

__all__ = ["fetch", "fetch_failed"]

CONNECT, SILENCE = 10.0, 30.0
"""Seconds that a host may take to answer at all, and be silent afterwards."""
BEAT = 20.0
"""Seconds between two signs of life in the catalog."""
GIVEN_UP = "The source was given up while it was brought here."
PASSING = (408, 425, 429)
"""Of the client errors, those that may be gone at the next try."""


async def fetch(runtime: Runtime, job: JobContext, payload: dict[str, Any]) -> None:
    """Bring the source of the video `video_id` and have it looked into. Raises PermanentFailure."""
    video = await work.video(payload["video_id"])
    if video is None or not video.fetching:
        return
    source = await _begin(video)
    if source is None:
        return
    if source.status == "uploading":
        try:
            await _bring(runtime, job, video, source)
        except BaseException:
            # Nothing of a broken attempt stays; the next one begins anew.
            with suppress(Exception):
                await sources.remove(source.scope, source.id)
            raise
    await runtime.engine.submit("ingest", source.id, {"source_id": source.id})
    await videos.fetched(video.scope, video.video_id)


async def fetch_failed(runtime: Runtime, payload: dict[str, Any], reason: str) -> None:
    """Note that a source could not be brought, and tell."""
    video = await work.video(payload["video_id"])
    if video is None or not video.fetching:
        return
    source = await _begin(video)
    async with announcing(runtime) as happened:
        if source is not None and await work.fail_source(source.id, reason):
            await happened(VideoFailed(**facts(source), reason=reason))
    await videos.fetched(video.scope, video.video_id)


async def _begin(video: Video) -> Source | None:
    """Open the source of a video anew, or return the one that an earlier attempt has stored; None when it is gone."""
    for _ in range(2):
        begun = await sources.begin(video.scope, video.video_id, _filename(video))
        if not isinstance(begun, SourceTaken):
            return begun
        if begun.source.status != "uploading":
            return begun.source
        # Nobody but this job uploads into the video: its last attempt died.
        await sources.remove(begun.source.scope, begun.source.id)
    return None


async def _bring(runtime: Runtime, job: JobContext, video: Video, source: Source) -> None:
    """Store the bytes and note that they are there. Raises PermanentFailure when trying again would not help."""
    checksum = Checksum()
    async with AsyncExitStack() as opened:
        await opened.enter_async_context(_beating(source))
        size, body = await _open(runtime, video, opened)

        async def followed() -> AsyncIterator[bytes]:
            async for chunk in checksum.follow(body):
                if size:
                    job.progress(min(checksum.size / size, 1.0))
                yield chunk
            if checksum.size == 0:
                raise PermanentFailure("There is nothing at the address: the file is empty.")

        try:
            stored = await runtime.storage.put(source.storage_key, followed(), size)
        except (OutboundRefused, OutboundTooLarge) as error:
            raise PermanentFailure(str(error)) from error
        except NotStored as error:
            raise PermanentFailure("The source of the other video is gone.") from error
        except StorageFull as error:
            raise PermanentFailure("There is no room left for this file.") from error
    async with announcing(runtime) as happened:
        there = await sources.uploaded(source.scope, source, stored.size, str(checksum))
        if there:
            await happened(SourceUploaded(**facts(source), size=stored.size))
    if not there:
        # A process that started meanwhile took it for an upload that nobody feeds.
        raise OutboundFailed(GIVEN_UP)


async def _open(runtime: Runtime, video: Video, opened: AsyncExitStack) -> tuple[int | None, AsyncIterator[bytes]]:
    """Return the size, if it is known, and the bytes of what is to be brought."""
    if video.origin == "copy":
        other = await sources.for_video(video.scope, video.origin_uri or "")
        if other is None or other.checksum is None:
            raise PermanentFailure("The other video has no source any more.")
        return other.size, runtime.storage.read(other.storage_key)
    from reelkit.outbound import Outbound

    site = runtime.site
    limits = OutboundLimits(
        connect=CONNECT, read=SILENCE, total=site.limits.fetch_minutes * 60.0, size=site.limits.source_bytes
    )
    client = await opened.enter_async_context(Outbound(site.network.allow_private, limits=limits))
    try:
        answer = await opened.enter_async_context(client.open("GET", video.origin_uri or ""))
    except OutboundRefused as error:
        raise PermanentFailure(str(error)) from error
    if answer.status != 200:
        said = f"{urlsplit(answer.url).hostname} answered {answer.status}."
        if answer.status < 500 and answer.status not in PASSING:
            raise PermanentFailure(said)
        raise OutboundFailed(said)
    length = answer.headers.get("content-length", "")
    size = int(length) if length.isdecimal() else None
    if size is not None and size > limits.size:
        raise PermanentFailure(f"The file has {size} bytes, larger than {limits.size} bytes is not taken.")
    return size, answer.chunks()


def _filename(video: Video) -> str:
    if video.origin == "copy":
        return video.title[:255]
    return unquote(urlsplit(video.origin_uri or "").path).rpartition("/")[2][:255] or "file"


@asynccontextmanager
async def _beating(source: Source) -> AsyncIterator[None]:
    """Say that the source is on its way; when it was removed meanwhile, stop. Raises OutboundFailed."""

    async def beat() -> None:
        alive = True
        while alive:
            await asyncio.sleep(BEAT)
            with suppress(DatabaseError):  # it may answer the next one
                alive = await sources.beat(source.scope, source.id)
        patience.reschedule(0.0)

    task = asyncio.create_task(beat())
    try:
        async with asyncio.timeout(None) as patience:
            yield
    except TimeoutError:
        if patience.expired():
            raise OutboundFailed(GIVEN_UP) from None
        raise
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
