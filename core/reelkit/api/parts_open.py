"""The upload that a part belongs to: found, or opened by whichever part comes first."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from weakref import WeakValueDictionary

import structlog

from reelkit.api.parts_storage import multipart_of
from reelkit.catalog import parts, parts_sweep, sources
from reelkit.catalog.ids import new_id
from reelkit.catalog.parts import Mode, PartialUpload
from reelkit.catalog.sources import SourceTaken
from reelkit.catalog.videos import Video
from reelkit.interfaces.storage import StorageError
from reelkit.jobs.runtime import Runtime
from reelkit.problems import NotFound, NotReady, SourceAlreadyUploaded

__all__ = ["discard", "forget", "open_upload_in_parts", "take_back"]

log = structlog.get_logger("reelkit.uploads")

_opening: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
"""By video: of twenty first parts at once one begins an upload in the storage, and the others need not."""


async def open_upload_in_parts(
    runtime: Runtime,
    video: Video,
    mode: Mode,
    filename: str,
    *,
    token: str | None = None,
    total: int | None = None,
    size: int | None = None,
    metadata: str = "",
    concat: str = "",
    exclusive: bool = False,
) -> PartialUpload:
    """Return the upload of a video's source, which may be complete already; opens it when there is none.

    total, size: see `parts.begin`. exclusive: there must be none yet. Raises SourceAlreadyUploaded, NotFound when the
    video is gone.
    """
    lock = _opening.setdefault(video.video_id, asyncio.Lock())
    async with lock:
        for _ in range(5):
            present = await _present(runtime, video, mode, exclusive)
            if present is not None:
                return present
            source_id = new_id("so")
            key = sources.storage_key(video.scope, video.video_id, source_id)
            multipart = multipart_of(runtime.storage)
            opened = await multipart.begin(key)
            begun = None
            try:
                begun = await parts.begin(
                    video.scope,
                    video.video_id,
                    source_id,
                    opened,
                    mode=mode,
                    filename=filename,
                    total=total,
                    size=size,
                    token=token,
                    metadata=metadata,
                    concat=concat,
                )
            finally:
                if not isinstance(begun, tuple):
                    with suppress(StorageError):
                        await multipart.abort(key, opened)
            if begun is None:
                raise NotFound(name="videoId")
            if not isinstance(begun, SourceTaken):
                return begun[1]
    raise NotReady(detail="Too many requests open an upload of this video at once.")


async def _present(runtime: Runtime, video: Video, mode: Mode, exclusive: bool) -> PartialUpload | None:
    """Return the upload that goes on or went well; None when one may be opened. Raises SourceAlreadyUploaded."""
    source = await sources.for_video(video.scope, video.video_id)
    if source is None or source.status == "failed":
        return None
    upload = await parts.for_source(video.scope, source.id) if source.resumable else None
    if upload is None:
        if source.status == "uploading" and not source.resumable and source.updated_at < sources.stale_before():
            return None
        raise SourceAlreadyUploaded()
    if not upload.joined and (exclusive or upload.mode != mode) and await discard(runtime, upload):
        return None
    if exclusive or (upload.joined and upload.mode != mode):
        raise SourceAlreadyUploaded()
    return upload


async def discard(runtime: Runtime, upload: PartialUpload) -> bool:
    """Take back an upload of which nothing is here or on its way; False when something is."""
    if not await parts.discard_unbegun(upload.scope, upload):
        return False
    await forget(runtime, upload)
    return True


async def take_back(runtime: Runtime, upload: PartialUpload) -> None:
    """Remove an upload with whatever is here of it, and the source that it was to be."""
    if upload.source_id is not None:
        await sources.remove(upload.scope, upload.source_id)
    await forget(runtime, upload)


async def forget(runtime: Runtime, upload: PartialUpload) -> None:
    """Have the storage forget the parts of an upload, then forget it here; what fails is tried again by the next sweep."""
    try:
        if not upload.joined:
            await multipart_of(runtime.storage).abort(upload.storage_key, upload.storage_upload)
        if upload.tail_key is not None:
            await runtime.storage.delete(upload.tail_key)
        if upload.source_id is None:
            # Made to be a part of another one, which has a copy. Nothing else is in its folder, but what a killed process
            # could not remove.
            folder = upload.storage_key.removesuffix("file")
            for stored in [found async for found in runtime.storage.list(folder)]:
                await runtime.storage.delete(stored.key)
    except StorageError as error:
        log.warning("parts are forgotten later", upload=upload.id, error=str(error))
        return
    await parts_sweep.forget(upload)
