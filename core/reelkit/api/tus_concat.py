"""Concatenation of tus: partial uploads, each stored as an object, become the source of one video."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import msgspec
import structlog

from reelkit.api.parts import kept_alive
from reelkit.api.parts_open import forget
from reelkit.api.parts_storage import multipart_of
from reelkit.api.sources_finish import look_into
from reelkit.api.tus_headers import ids_of
from reelkit.api.tus_problems import NotConcatenable
from reelkit.catalog import parts, sources, work
from reelkit.catalog.checksums import Checksum
from reelkit.catalog.ids import new_id
from reelkit.catalog.parts import PartialUpload
from reelkit.catalog.scope import Scope
from reelkit.interfaces.event import SourceUploaded
from reelkit.interfaces.storage import KeyTaken, StorageError
from reelkit.jobs.announce import facts, noting
from reelkit.jobs.runtime import Runtime
from reelkit.problems import Problem

__all__ = ["concatenate", "concatenate_soon", "partials_of"]

PATIENCE = 20.0
"""Seconds for which an answer waits until the uploads are concatenated."""

log = structlog.get_logger("reelkit.uploads")

_under_way: set[asyncio.Task[None]] = set()
"""The event loop itself holds tasks weakly."""


async def partials_of(scope: Scope, concat: str) -> list[PartialUpload]:
    """Return the uploads that `final;…` names, in order. Raises NotConcatenable unless each is a complete partial one."""
    found: list[PartialUpload] = []
    for id in ids_of(concat):
        upload = await parts.get(scope, id)
        if upload is None or upload.concat != "partial":
            raise NotConcatenable(name="Upload-Concat", detail=f"There is no partial upload {id[:100]}.")
        if not upload.joined:
            raise NotConcatenable(name="Upload-Concat", detail=f"The partial upload {id} is not complete.")
        found.append(upload)
    return found


async def concatenate_soon(runtime: Runtime, final: PartialUpload) -> None:
    """Begin to concatenate and return when it is done, or after a while: HEAD tells the offset once it is."""

    async def work() -> None:
        await concatenate(runtime, final)

    task = asyncio.create_task(work())
    _under_way.add(task)
    task.add_done_callback(_under_way.discard)
    await asyncio.wait([task], timeout=PATIENCE)


async def concatenate(runtime: Runtime, final: PartialUpload) -> None:
    """Write the object of a final upload from its partial ones, and have it looked into; what fails is tried again later.

    Objects of a storage cannot be joined in place, so every byte is read and written once more, beside the event loop.
    """
    scope, holder = final.scope, new_id("ho")
    if final.source_id is None or not await parts.hold(scope, final.id, holder):
        return
    try:
        async with kept_alive(lambda: parts.hold(scope, final.id, holder)):
            source, now = await sources.get(scope, final.source_id), await parts.get(scope, final.id)
            if source is None or now is None or now.joined:
                return
            partials = await partials_of(scope, final.concat)
            checksum = Checksum()

            async def chunks() -> AsyncIterator[bytes]:
                for partial in partials:
                    async for chunk in runtime.storage.read(partial.storage_key):
                        yield chunk

            size = sum(partial.total or 0 for partial in partials)
            try:
                await runtime.storage.put(final.storage_key, checksum.follow(chunks()), size)
            except KeyTaken:
                # Written before, by a process that died before it could say so.
                async for _ in checksum.follow(runtime.storage.read(final.storage_key)):
                    pass
            async with noting(runtime) as happened:
                there = await parts.joined(scope, final.id, source, size, str(checksum))
                if there:
                    await happened(SourceUploaded(**facts(source), size=size))
            if not there:
                return
        with suppress(StorageError):
            await multipart_of(runtime.storage).abort(final.storage_key, final.storage_upload)
        for partial in partials:
            await forget(runtime, partial)
        with suppress(Problem):  # told by the video's status
            await look_into(runtime, msgspec.structs.replace(source, status="uploaded", size=size), happened)
    except NotConcatenable as gone:
        # Terminated meanwhile, or joined by another final upload: no later try finds them either.
        await work.fail_source(final.source_id, gone.detail or gone.title)
    except Exception as error:
        log.error("uploads are concatenated later", video=final.video_id, exc_info=error)
    finally:
        await asyncio.shield(parts.let_go(scope, final.id, holder))
