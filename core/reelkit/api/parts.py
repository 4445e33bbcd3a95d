"""One part of a source: claimed, streamed to the storage, recorded, and joined with the others when it was the last one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import msgspec
import structlog

from reelkit.api.parts_open import discard, open_upload_in_parts
from reelkit.api.parts_problems import PartAlreadySent, PartBusy, RangeMismatch, RangeOverlap
from reelkit.api.parts_rules import SMALLEST, Piece, check_piece, check_size
from reelkit.api.parts_storage import multipart_of
from reelkit.api.receiving import Upload
from reelkit.api.sources_finish import look_into, storage_told
from reelkit.catalog import parts, sources
from reelkit.catalog.checksums import Checksum, composite
from reelkit.catalog.ids import new_id
from reelkit.catalog.parts import Claim, InTheWay, PartialUpload, Standing, UploadPart
from reelkit.catalog.videos import Video
from reelkit.interfaces.event import SourceUploaded
from reelkit.interfaces.storage import KeyTaken, NotStored, Part
from reelkit.jobs.announce import facts, noting
from reelkit.jobs.runtime import Runtime
from reelkit.problems import EmptyFile, NotFound, Problem, UploadIncomplete

__all__ = ["bytes_of", "join", "kept_alive", "same_bytes", "take_part"]

BEAT = 5.0
"""Seconds between two signs of life of a part in the catalog."""
PATIENCE = 25.0
"""Seconds for which a part waits for another request that sends the same one."""

log = structlog.get_logger("reelkit.uploads")

_misjudged: dict[str, None] = {}
"""Videos whose forms go on behind the file, so that a part's length is not known before its end; the last thousand."""


class LengthMisjudged(Exception):
    """The file of a form is not as long as the form promised."""


async def take_part(runtime: Runtime, video: Video, piece: Piece, upload: Upload, token: str | None = None) -> None:
    """Take one part of a video's source; after the last one the file is joined and looked into.

    token: the upload token that it came with. Raises the Problems of `parts_rules`, SourceAlreadyUploaded, PartAlreadySent,
    RangeOverlap, PartBusy, InvalidFile when the whole is known bad at once, and what receiving and storing raise.
    """
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while True:
        whole = await open_upload_in_parts(runtime, video, piece.mode, upload.filename, token=token)
        try:
            claimed = await parts.claim(
                video.scope, whole.id, piece.number, piece.start, piece.size, lambda stands: check_piece(piece, stands)
            )
        except Problem:
            await discard(runtime, whole)
            raise
        if isinstance(claimed, Claim | UploadPart):
            break
        if isinstance(claimed, InTheWay) and claimed.stored is not None:
            other = claimed.stored
            raise RangeOverlap(f"{other.size} bytes from byte {other.start} on are here already.")
        if asyncio.get_running_loop().time() > deadline:
            raise PartBusy(name="Content-Range", detail="Send it again in a moment.")
        await asyncio.sleep(0.25 if isinstance(claimed, InTheWay) else 0)
    if isinstance(claimed, UploadPart):
        await _compare(piece, claimed, upload)
        stands = await parts.standing(video.scope, whole.id)
    else:
        stands = await _receive(runtime, whole, claimed, piece, upload)
    if stands is not None and stands.complete and not stands.upload.joined:
        await join(runtime, stands.upload)


async def _compare(piece: Piece, stored: UploadPart, upload: Upload) -> None:
    """Return when a part is the same as what is here, as after a lost answer. Raises PartAlreadySent, RangeOverlap."""
    if await same_bytes(bytes_of(upload, may_be_empty=stored.size == 0), stored.size, stored.checksum):
        return
    if piece.mode == "part":
        raise PartAlreadySent(f"Other bytes came as part {piece.number} before.")
    raise RangeOverlap("Other bytes came for this range before.")


async def same_bytes(upload: AsyncIterable[bytes], size: int, checksum: str) -> bool:
    """Read a stream to its end and tell whether it is as long as told, and has this checksum."""
    follow = Checksum()
    async for _ in follow.follow(_read_on(upload)):
        pass
    return follow.size == size and str(follow) == checksum


async def _read_on(upload: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    async for chunk in upload:
        yield chunk


async def _receive(runtime: Runtime, whole: PartialUpload, claim: Claim, piece: Piece, upload: Upload) -> Standing | None:
    """Store and record a claimed part; if anything goes wrong nothing of it counts, nor the upload if it was its first."""
    recorded = False
    try:
        stands = await _store(runtime, whole, claim, piece, upload)
        recorded = True
        if stands is None:
            raise NotFound(name="videoId", detail="The video was deleted while this part was uploaded.")
        return stands
    finally:
        if not recorded:
            await asyncio.shield(_let_go(runtime, whole, claim))


async def _let_go(runtime: Runtime, whole: PartialUpload, claim: Claim) -> None:
    with suppress(Exception):  # a claim that nobody renews ends by itself
        await parts.release(whole.scope, claim)
        await discard(runtime, whole)


async def _store(runtime: Runtime, whole: PartialUpload, claim: Claim, piece: Piece, upload: Upload) -> Standing | None:
    checksum = Checksum()
    size = piece.size
    if size is None and whole.video_id not in _misjudged:
        size = upload.length or None
    start = piece.start if piece.mode == "bytes" else await _place(whole, piece, size)
    storage = multipart_of(runtime.storage)
    try:
        async with kept_alive(lambda: parts.keep_claim(whole.scope, claim)) as alive:
            chunks = bytes_of(upload, may_be_empty=piece.is_last(whole.total))
            body = checksum.follow(alive(_exactly(chunks, piece, size)))
            with storage_told(whole.id):
                stored = await storage.put_part(
                    whole.storage_key, whole.storage_upload, piece.number, body, size=size, offset=start
                )
    except LengthMisjudged:
        _misjudged[whole.video_id or ""] = None
        while len(_misjudged) > 1000:
            _misjudged.pop(next(iter(_misjudged)))
        raise PartBusy(name="file", detail="Send it again; put the file last in its form to spare yourself that.") from None
    except NotStored:
        if await parts.keep_claim(whole.scope, claim) and whole.source_id is not None:
            # Whatever cleans that storage was faster than 7 days. Had it been joined meanwhile, the claim were another's.
            await sources.remove(whole.scope, whole.source_id)
        raise UploadIncomplete(detail="The storage has forgotten the parts of this upload: begin again.") from None
    place = piece.start if piece.mode == "bytes" else None
    part = UploadPart(number=piece.number, start=place, size=stored.size, tag=stored.tag, checksum=str(checksum))

    def check(stands: Standing) -> None:
        check_piece(piece, stands)
        check_size(piece, part.size, stands, runtime.site.limits.source_bytes)

    return await parts.record(whole.scope, claim, part, piece.total, check)


async def _place(whole: PartialUpload, piece: Piece, size: int | None) -> int | None:
    """Return where a numbered part probably begins: every part but the last has the same size in all clients.

    A storage that was told wrong moves the part when it joins them.
    """
    if size is None or size < SMALLEST or piece.is_last(whole.total):
        others = await parts.received(whole.scope, whole.id)
        size = next((other.size for other in others if other.number < piece.number), None)
    return None if size is None else (piece.number - 1) * size


async def bytes_of(upload: Upload, *, may_be_empty: bool) -> AsyncIterator[bytes]:
    """Yield a file; the last part of a recording that ended with the part before has no bytes. Raises EmptyFile."""
    try:
        async for chunk in upload:
            yield chunk
    except EmptyFile:
        if not may_be_empty:
            raise


async def _exactly(chunks: AsyncIterable[bytes], piece: Piece, size: int | None) -> AsyncIterator[bytes]:
    """Yield a file that must be of a size. Raises RangeMismatch, LengthMisjudged."""
    seen = 0
    async for chunk in chunks:
        seen += len(chunk)
        if size is not None and seen > size:
            break
        yield chunk
    if size is None or seen == size:
        return
    if piece.size is None:
        raise LengthMisjudged
    told = f"The header tells {size} bytes, the file has {'more' if seen > size else seen}."
    raise RangeMismatch(told, (size, size))


Body = Callable[[AsyncIterable[bytes]], AsyncIterator[bytes]]


@asynccontextmanager
async def kept_alive(beat: Callable[[], Awaitable[bool]], taken: Problem | None = None) -> AsyncIterator[Body]:
    """Call beat every 5 s while the block runs. The body that it wraps raises `taken`, or PartBusy, once beat said False."""
    lost = False

    async def watch() -> None:
        nonlocal lost
        while not lost:
            await asyncio.sleep(BEAT)
            with suppress(Exception):  # a database that does not answer now may do so at the next beat
                lost = not await beat()

    async def body(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
        async for chunk in chunks:
            if lost:
                raise taken or PartBusy(name="Content-Range", detail="Another request took the place of this one.")
            yield chunk

    task = asyncio.create_task(watch())
    try:
        yield body
    finally:
        task.cancel()


async def join(runtime: Runtime, upload: PartialUpload) -> bool:
    """Make the object of an upload whose every part is here, and have the source looked into.

    False when another process does it, or did. Raises InvalidFile, StorageIsFull, StorageFailing; what is not done now is
    done by the next sweep.
    """
    holder = new_id("ho")
    scope = upload.scope
    if not await parts.hold(scope, upload.id, holder):
        return False
    try:
        async with kept_alive(lambda: parts.hold(scope, upload.id, holder)):
            source = None if upload.source_id is None else await sources.get(scope, upload.source_id)
            now = await parts.get(scope, upload.id)
            if now is None or now.joined or (source is None and upload.source_id is not None):
                return False
            received = await parts.received(scope, upload.id)
            with storage_told(upload.id):
                size = await complete(runtime, now, received)
            async with noting(runtime) as happened:
                there = await parts.joined(scope, upload.id, source, size, composite(part.checksum for part in received))
                if there and source is not None:
                    await happened(SourceUploaded(**facts(source), size=size))
            if not there:
                raise NotFound(name="videoId", detail="The video was deleted while its file was uploaded.")
    finally:
        await asyncio.shield(parts.let_go(scope, upload.id, holder))
    if source is not None:
        await look_into(runtime, msgspec.structs.replace(source, status="uploaded", size=size), happened)
    return True


async def complete(runtime: Runtime, upload: PartialUpload, received: tuple[UploadPart, ...]) -> int:
    """Have the storage join the parts and return the size of the object; again after it was done is no error."""
    size = sum(part.size for part in received)
    chosen = [Part(part.number, part.size, part.tag) for part in received]
    try:
        await multipart_of(runtime.storage).complete(upload.storage_key, upload.storage_upload, chosen)
    except (NotStored, KeyTaken):
        # Done before, by a process that died before it could say so: nothing else ever writes this key.
        stored = await runtime.storage.stat(upload.storage_key)
        if stored.size != size:
            raise
    return size
