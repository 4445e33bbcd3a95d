"""Uploads that arrive in parts: which parts are here, who is sending which, and when all of them are.

A part is claimed before its bytes are taken and recorded once they are stored, so that of two clients that send the same
part only one writes at a time, whichever processes they reach. A claim that nobody renews ends by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from piccolo.columns.combination import WhereRaw
from piccolo.custom_types import Combinable
from piccolo.querystring import QueryString

from reelkit.catalog import sources
from reelkit.catalog.binding import transaction
from reelkit.catalog.ids import new_id
from reelkit.catalog.packing import storable
from reelkit.catalog.parts_rows import (
    Claim,
    InTheWay,
    Mode,
    PartialUpload,
    PartRow,
    Standing,
    UploadPart,
    UploadRow,
    part_of,
    upload_of,
)
from reelkit.catalog.scope import Scope, scoped
from reelkit.catalog.sources import Source, SourceTaken

__all__ = [
    "Claim",
    "InTheWay",
    "Mode",
    "PartialUpload",
    "Standing",
    "UploadPart",
    "begin",
    "claim",
    "discard_unbegun",
    "for_source",
    "get",
    "hold",
    "insert",
    "joined",
    "keep_claim",
    "let_go",
    "of_token",
    "part",
    "received",
    "record",
    "release",
    "standing",
]

CLAIM_DIES = timedelta(seconds=20)
"""A claim that was not renewed for so long belongs to a dead process."""


Check = Callable[[Standing], None]
"""Looks at how an upload stands while nobody can change it, and raises what speaks against a part."""


COUNTED = QueryString(
    "COUNT(*) AS received, COALESCE(SUM(size), 0) AS size, COALESCE(MAX(number), 0) AS number,"
    " COALESCE(MAX(start + size), 0) AS stop"
)


async def begin(
    scope: Scope,
    video_id: str,
    source_id: str,
    storage_upload: str,
    *,
    mode: Mode,
    filename: str,
    total: int | None = None,
    size: int | None = None,
    token: str | None = None,
    metadata: str = "",
    concat: str = "",
) -> tuple[Source, PartialUpload] | SourceTaken | None:
    """Open an upload in parts together with its source, in one commit; as `sources.begin` otherwise.

    source_id: made before, because the storage's upload is begun first. size: bytes of the file if declared.
    """
    async with transaction():
        begun = await sources.begin(scope, video_id, filename, size, id=source_id, resumable=True)
        if not isinstance(begun, Source):
            return begun
        upload = await insert(
            scope,
            video_id=video_id,
            source_id=source_id,
            storage_key=begun.storage_key,
            storage_upload=storage_upload,
            mode=mode,
            total=total,
            token=token,
            filename=begun.filename,
            metadata=metadata,
            concat=concat,
        )
        return begun, upload


async def insert(scope: Scope, **values: Any) -> PartialUpload:
    """Add a row and return it."""
    now = datetime.now(UTC)
    upload = PartialUpload(
        **{"id": new_id("up"), **values, "project": scope.project, "environment": scope.environment},
        created_at=now,
        updated_at=now,
    )
    await scoped(UploadRow, scope).insert(**msgspec.structs.asdict(upload))
    return upload


async def get(scope: Scope, id: str) -> PartialUpload | None:
    """Return an upload by its id."""
    row = await scoped(UploadRow, scope).one(UploadRow.id == id) if storable(id) else None
    return None if row is None else upload_of(row)


async def for_source(scope: Scope, source_id: str) -> PartialUpload | None:
    """Return the upload that a source comes or came by."""
    row = await scoped(UploadRow, scope).one(UploadRow.source_id == source_id)
    return None if row is None else upload_of(row)


async def of_token(scope: Scope, token: str, filename: str, mode: Mode) -> list[PartialUpload]:
    """Return the uploads of a token for a file of this name, oldest first; those that are joined are none."""
    rows = (
        await scoped(UploadRow, scope)
        .select()
        .where(UploadRow.token == token, UploadRow.filename == filename, UploadRow.mode == mode)
        .order_by(UploadRow.created_at, UploadRow.id)
    )
    return [upload for upload in map(upload_of, rows) if not upload.joined]


async def received(scope: Scope, upload_id: str) -> tuple[UploadPart, ...]:
    """Return the parts that are here, in the order of their numbers."""
    rows = (
        await scoped(PartRow, scope)
        .select()
        .where(PartRow.upload_id == upload_id, PartRow.tag.is_not_null())
        .order_by(PartRow.number)
    )
    return tuple(part_of(row) for row in rows)


async def part(scope: Scope, upload_id: str, number: int) -> UploadPart | InTheWay | None:
    """Return one part, InTheWay while somebody sends it, None when it is missing."""
    row = await scoped(PartRow, scope).one(PartRow.upload_id == upload_id, PartRow.number == number)
    if row is None:
        return None
    if row["tag"] is not None:
        return part_of(row)
    return InTheWay(None) if row["held_at"] is not None and row["held_at"] >= datetime.now(UTC) - CLAIM_DIES else None


async def standing(scope: Scope, upload_id: str, *, lock: bool = False) -> Standing | None:
    """Tell how far an upload is; None when it is gone. lock: nobody changes it until the transaction ends."""
    row = await scoped(UploadRow, scope).one(UploadRow.id == upload_id, lock=lock) if storable(upload_id) else None
    if row is None:
        return None
    alive = datetime.now(UTC) - CLAIM_DIES
    here = (PartRow.upload_id == upload_id, PartRow.tag.is_not_null())
    counted = await scoped(PartRow, scope).select(COUNTED).where(*here)
    claimed = await scoped(PartRow, scope).count(
        PartRow.upload_id == upload_id, PartRow.tag.is_null(), PartRow.held_at >= alive
    )
    found = counted[0]
    upload = upload_of(row)
    highest = found["number"] if upload.mode == "part" else found["stop"]
    return Standing(upload, int(found["received"]), int(found["size"]), int(highest), claimed)


async def claim(
    scope: Scope, upload_id: str, number: int, start: int | None, size: int | None, check: Check
) -> Claim | UploadPart | InTheWay | None:
    """Claim a part: Claim, or the part itself when it is here already, or what is in the way; None when the upload is gone.

    start, size: of a range of bytes, which must overlap no other. Raises what check raises.
    """
    async with transaction():
        stands = await standing(scope, upload_id, lock=True)
        if stands is None:
            return None
        check(stands)
        rows = scoped(PartRow, scope)
        same_bytes: Combinable = PartRow.number == number
        if start is not None and size is not None:
            same_bytes = (PartRow.number == number) | WhereRaw(
                "(upload_part.start < {} AND upload_part.start + upload_part.size > {})", start + size, start
            )
        now = datetime.now(UTC)
        for row in await rows.select().where(PartRow.upload_id == upload_id, same_bytes).order_by(PartRow.number):
            if row["tag"] is None:
                if row["held_at"] is not None and row["held_at"] >= now - CLAIM_DIES:
                    return InTheWay(None)
                await rows.delete().where(PartRow.id == row["id"])
                continue
            part = part_of(row)
            same = part.number == number and (start is None or (part.start, part.size) == (start, size))
            return part if same else InTheWay(part)
        made = Claim(upload_id, number, new_id("cl"))
        await rows.insert(
            id=f"{upload_id}/{number}",
            upload_id=upload_id,
            number=number,
            start=start,
            size=size,
            holder=made.holder,
            held_at=now,
        )
        return made


async def keep_claim(scope: Scope, claim: Claim) -> bool:
    """Say that a part is still on its way, at least every 5 s; False: the claim is another's by now, stop."""
    kept = (
        await scoped(PartRow, scope)
        .update({PartRow.held_at: datetime.now(UTC)})
        .where(PartRow.id == f"{claim.upload_id}/{claim.number}", PartRow.holder == claim.holder, PartRow.tag.is_null())
        .returning(PartRow.id)
    )
    return bool(kept)


async def release(scope: Scope, claim: Claim) -> None:
    """Take a claim back: nothing was stored."""
    await (
        scoped(PartRow, scope)
        .delete()
        .where(PartRow.id == f"{claim.upload_id}/{claim.number}", PartRow.holder == claim.holder, PartRow.tag.is_null())
    )


async def record(scope: Scope, claim: Claim, part: UploadPart, total: int | None, check: Check) -> Standing | None:
    """Note that a claimed part is stored, and return how the upload stands then; None when claim or upload are gone.

    total: what this part says of the whole, if anything. Raises what check raises; the claim is then still held.
    """
    async with transaction():
        stands = await standing(scope, claim.upload_id, lock=True)
        if stands is None:
            return None
        check(stands)
        noted = (
            await scoped(PartRow, scope)
            .update(
                {
                    PartRow.start: part.start,
                    PartRow.size: part.size,
                    PartRow.tag: part.tag,
                    PartRow.checksum: part.checksum,
                    PartRow.holder: None,
                    PartRow.held_at: None,
                }
            )
            .where(PartRow.id == f"{claim.upload_id}/{claim.number}", PartRow.holder == claim.holder)
            .returning(PartRow.id)
        )
        if not noted:
            return None
        values: dict[Any, Any] = {UploadRow.updated_at: datetime.now(UTC)}
        if total is not None:
            values[UploadRow.total] = total
        await scoped(UploadRow, scope).update(values).where(UploadRow.id == claim.upload_id)
        return await standing(scope, claim.upload_id)


async def hold(scope: Scope, upload_id: str, holder: str) -> bool:
    """Have an upload for oneself as a whole, or keep it so, for 20 s from now; False while another one has it."""
    now = datetime.now(UTC)
    free = UploadRow.holder.is_null() | (UploadRow.holder == holder) | (UploadRow.held_at < now - CLAIM_DIES)
    held = (
        await scoped(UploadRow, scope)
        .update({UploadRow.holder: holder, UploadRow.held_at: now})
        .where(UploadRow.id == upload_id, free)
        .returning(UploadRow.id)
    )
    return bool(held)


async def let_go(scope: Scope, upload_id: str, holder: str) -> None:
    """Let others have an upload."""
    values: dict[Any, Any] = {UploadRow.holder: None, UploadRow.held_at: None}
    await scoped(UploadRow, scope).update(values).where(UploadRow.id == upload_id, UploadRow.holder == holder)


async def joined(scope: Scope, upload_id: str, source: Source | None, size: int, checksum: str) -> bool:
    """Note that the object of an upload is made and its source is stored, in one commit; False when that is gone."""
    async with transaction():
        if source is not None and not await sources.uploaded(scope, source, size, checksum):
            return False
        values: dict[Any, Any] = {
            UploadRow.joined: True,
            UploadRow.tail_key: None,
            UploadRow.tail_size: 0,
            UploadRow.updated_at: datetime.now(UTC),
        }
        done = await scoped(UploadRow, scope).update(values).where(UploadRow.id == upload_id).returning(UploadRow.id)
        return bool(done)


async def discard_unbegun(scope: Scope, upload: PartialUpload) -> bool:
    """Take back an upload, with its source, of which no part is here or on its way; False when there is one."""
    async with transaction():
        stands = await standing(scope, upload.id, lock=True)
        if stands is None or stands.received or stands.claimed:
            return False
        if stands.upload.joined or stands.upload.tail_size or stands.upload.concat:
            return False
        if upload.source_id is not None:
            await sources.remove(scope, upload.source_id)
        return True
