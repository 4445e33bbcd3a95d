"""What jobs read and write: by id, whosever it is, since a job is handed ids and nothing else.

Every change is guarded: it returns False, and dooms the bytes it was told of, when the source or rendition was removed
or replaced meanwhile. So a job that comes too late publishes nothing and leaves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from reelkit.catalog import doomed, renditions
from reelkit.catalog.binding import transaction
from reelkit.catalog.packing import pack, sentence
from reelkit.catalog.renditions import DraftSegmentRow, NewRendition, Rendition, RenditionRow, in_order
from reelkit.catalog.scope import unscoped
from reelkit.catalog.sources import STALE, Source, SourceRow, SourceStatus, source_of
from reelkit.catalog.summaries import Summary, SummaryRow, summary_of
from reelkit.catalog.videos import COLUMNS, Video, VideoRow, video_of
from reelkit.interfaces.media import Probe

__all__ = [
    "add_draft_segment",
    "describe_draft",
    "fail_abandoned_uploads",
    "fail_mp4",
    "fail_rendition",
    "fail_source",
    "finish_draft",
    "ingesting",
    "plan",
    "progress",
    "publish",
    "publish_images",
    "publish_mp4",
    "publish_source",
    "rendition",
    "rendition_step",
    "renditions_of",
    "replace_file",
    "source",
    "start",
    "summary",
    "unfinished_sources",
    "video",
    "waiting_summaries",
]


async def video(id: str) -> Video | None:
    """Return a video."""
    rows = await unscoped(VideoRow).select(*COLUMNS).where(VideoRow.id == id)
    return video_of(rows[0]) if rows else None


async def source(id: str) -> Source | None:
    """Return a source; None once it was removed or replaced."""
    row = await unscoped(SourceRow).one(SourceRow.id == id)
    return None if row is None else source_of(row)


async def rendition(id: str) -> Rendition | None:
    """Return a rendition; None once it was removed or replaced."""
    row = await unscoped(RenditionRow).one(RenditionRow.id == id)
    return None if row is None else Rendition(**row)


async def renditions_of(source_id: str) -> tuple[Rendition, ...]:
    """Return every rendition of a source, highest first."""
    return in_order(await unscoped(RenditionRow).select().where(RenditionRow.source_id == source_id))


async def summary(id: str) -> Summary | None:
    """Return a summary; None once it was removed."""
    row = await unscoped(SummaryRow).one(SummaryRow.id == id)
    return None if row is None else summary_of(row)


async def waiting_summaries() -> list[Summary]:
    """Return the summaries that wait for a job to end, oldest first."""
    query = unscoped(SummaryRow).select().where(SummaryRow.source_status == "waiting")
    return [summary_of(row) for row in await query.order_by(SummaryRow.created_at)]


async def unfinished_sources() -> list[Source]:
    """Return the sources that are stored and wait for a job to end, oldest first: none of them may be forgotten."""
    query = unscoped(SourceRow).select().where(SourceRow.status.is_in(["uploaded", "ingesting"]))
    return [source_of(row) for row in await query.order_by(SourceRow.created_at, SourceRow.id)]


async def fail_abandoned_uploads(age: timedelta = STALE) -> list[Source]:
    """Fail the uploads that have not said `beat` for so long, doom their bytes, and return them."""
    query = unscoped(SourceRow).select(SourceRow.id)
    old = SourceRow.updated_at < datetime.now(UTC) - age
    failed: list[Source] = []
    for row in await query.where(SourceRow.status == "uploading", SourceRow.resumable.eq(False), old):
        async with transaction():
            values = {
                SourceRow.status: "failed",
                SourceRow.failure: "The upload was interrupted.",
                SourceRow.updated_at: _now(),
            }
            changed = (
                unscoped(SourceRow).update(values).where(SourceRow.id == row["id"], SourceRow.status == "uploading", old)
            )
            if await changed.returning(SourceRow.id):
                found = await source(row["id"])
                if found is not None:
                    await doomed.doom([found.prefix])
                    failed.append(found)
    return failed


async def ingesting(source_id: str) -> bool:
    """Note that a job looks into a source; again after a restart is no error."""
    return await _step(source_id, ("uploaded", "ingesting"), {SourceRow.status: "ingesting"})


async def replace_file(source_id: str, storage_key: str, size: int) -> bool:
    """Let another file take the place of the one that was uploaded, whose bytes are doomed; its checksum stays known.

    False when the source was removed or replaced meanwhile, or is ingested already: the new bytes are doomed.
    """
    async with transaction():
        before = await source(source_id)
        values = {SourceRow.storage_key: storage_key, SourceRow.size: size}
        if before is None or not await _step(source_id, ("uploaded", "ingesting"), values):
            await _doom_unless_alive(source_id, [storage_key])
            return False
        await doomed.doom([before.storage_key])
        return True


async def publish_source(
    source_id: str,
    probe: Probe,
    *,
    index_key: str | None,
    packageable: bool,
    renditions: Sequence[NewRendition] = (),
    mp4: bool = False,
) -> tuple[Rendition, ...] | None:
    """Make a source visible together with its first renditions, in one commit, and return these.

    mp4: an MP4 file is to be made of it. None when it was removed or replaced, or is ingested already: nothing is published.
    """
    values = {
        SourceRow.status: "ingested",
        SourceRow.failure: None,
        SourceRow.probe: pack(probe),
        SourceRow.index_key: index_key,
        SourceRow.packageable: packageable,
        SourceRow.mp4_status: "waiting" if mp4 else None,
    }
    async with transaction():
        if not await _step(source_id, ("uploaded", "ingesting"), values):
            await _doom_unless_alive(source_id, [index_key])
            return None
        return await plan(source_id, renditions)


async def fail_source(source_id: str, reason: str) -> bool:
    """Note why a source cannot be used; its file stays, for another try, until it is replaced or removed."""
    values = {SourceRow.status: "failed", SourceRow.failure: sentence(reason)}
    return await _step(source_id, ("uploading", "uploaded", "ingesting"), values)


async def publish_images(
    source_id: str,
    *,
    poster_key: str | None = None,
    storyboard_keys: Sequence[str] = (),
    storyboard_vtt_key: str | None = None,
) -> bool:
    """Show images of a source; what is not named stays as it is, what is replaced is doomed."""
    values: dict[Any, Any] = {}
    if poster_key is not None:
        values[SourceRow.poster_key] = poster_key
    if storyboard_vtt_key is not None:
        values[SourceRow.storyboard_keys] = pack(list(storyboard_keys))
        values[SourceRow.storyboard_vtt_key] = storyboard_vtt_key
    keys = [poster_key, *storyboard_keys, storyboard_vtt_key]
    async with transaction():
        row = await unscoped(SourceRow).one(SourceRow.id == source_id, lock=True)
        if row is None:
            await _doom(keys)
            return False
        before = source_of(row)
        await _step(source_id, (before.status,), values)
        after = await source(source_id)
        await _doom(set(before.images) - set(after.images if after else ()))
        return True


async def plan(source_id: str, new: Sequence[NewRendition], *, going_on: bool = False) -> tuple[Rendition, ...] | None:
    """Make sure that a source has these renditions and return them, in the order given; None when it is gone.

    Call it at the start of every attempt. What is encoded or waits is kept. What another attempt left half made or
    failed is replaced under a new id, so that storage keys are never written twice, and its bytes are doomed.
    going_on: what is half made is kept, too; this attempt goes on with it.
    """
    kept = ("waiting", "encoded", "encoding") if going_on else ("waiting", "encoded")
    made: list[Rendition] = []
    async with transaction():
        row = await unscoped(SourceRow).one(SourceRow.id == source_id, lock=True)
        if row is None:
            return None
        owner = source_of(row)
        present = {(r.kind, r.quality, r.track): r for r in await renditions_of(source_id)}
        for wanted in new:
            old = present.get((wanted.kind, wanted.quality, wanted.track))
            if old is not None and old.status in kept:
                made.append(old)
                continue
            if old is not None:
                await doomed.doom([old.prefix])
                await unscoped(RenditionRow).delete().where(RenditionRow.id == old.id)
            made.append(await renditions.insert(owner.scope, owner.id, owner.video_id, wanted))
    return tuple(made)


async def start(rendition_ids: Sequence[str]) -> bool:
    """Note that an attempt encodes these renditions. False when one is gone or was started by another attempt."""
    if not rendition_ids:
        return True
    async with transaction():
        changed = await (
            unscoped(RenditionRow)
            .update({RenditionRow.status: "encoding", RenditionRow.progress: 0.0, RenditionRow.failure: None})
            .where(RenditionRow.id.is_in(list(rendition_ids)), RenditionRow.status == "waiting")
            .returning(RenditionRow.id)
        )
        return len(changed) == len(set(rendition_ids))


async def progress(rendition_ids: Sequence[str], value: float) -> None:
    """Tell how far an attempt is, 0 to 1."""
    await (
        unscoped(RenditionRow)
        .update({RenditionRow.progress: min(max(value, 0.0), 1.0)})
        .where(RenditionRow.id.is_in(list(rendition_ids)), RenditionRow.status == "encoding")
    )


async def publish(
    rendition_id: str,
    *,
    storage_key: str,
    index_key: str,
    codecs: str,
    bandwidth: int,
    average_bandwidth: int,
    width: int | None = None,
    height: int | None = None,
    frame_rate: float | None = None,
) -> bool:
    """Let a finished rendition join the master playlist, in one commit.

    False when it was removed or replaced meanwhile, or is published already under other keys: the bytes are doomed.
    """
    given = {RenditionRow.width: width, RenditionRow.height: height, RenditionRow.frame_rate: frame_rate}
    values: dict[Any, Any] = {
        RenditionRow.status: "encoded",
        RenditionRow.progress: 1.0,
        RenditionRow.failure: None,
        RenditionRow.storage_key: storage_key,
        RenditionRow.index_key: index_key,
        RenditionRow.codecs: codecs,
        RenditionRow.bandwidth: bandwidth,
        RenditionRow.average_bandwidth: average_bandwidth,
        RenditionRow.encoded_at: _now(),
        **{column: value for column, value in given.items() if value is not None},
    }
    async with transaction():
        if await rendition_step(rendition_id, values):
            return True
        present = await rendition(rendition_id)
        if present is not None and present.storage_key == storage_key:
            return present.status == "encoded"
        await _doom([storage_key, index_key])
        return False


async def fail_rendition(rendition_id: str, reason: str) -> bool:
    """Note why a rendition could not be made; what is encoded stays encoded."""
    return await rendition_step(rendition_id, {RenditionRow.status: "failed", RenditionRow.failure: sentence(reason)})


async def add_draft_segment(rendition_id: str, number: int, duration: float, storage_key: str) -> bool:
    """Let a growing draft play one segment further; its first call also starts it. False when it is gone: stop."""
    async with transaction():
        row = await unscoped(RenditionRow).one(RenditionRow.id == rendition_id, lock=True)
        if row is None or row["status"] not in ("waiting", "encoding"):
            await _doom([storage_key])
            return False
        if row["status"] == "waiting":
            await rendition_step(rendition_id, {RenditionRow.status: "encoding"})
        added = unscoped(DraftSegmentRow).insert(
            id=f"{rendition_id}/{number}",
            project=row["project"],
            environment=row["environment"],
            rendition_id=rendition_id,
            number=number,
            duration=duration,
            storage_key=storage_key,
        )
        await added.on_conflict(action="DO NOTHING")
        return True


async def describe_draft(rendition_id: str, *, codecs: str, bandwidth: int, average_bandwidth: int) -> bool:
    """Note what a master playlist says of a draft, once its init segment tells. False when it is gone."""
    values = {
        RenditionRow.codecs: codecs,
        RenditionRow.bandwidth: bandwidth,
        RenditionRow.average_bandwidth: average_bandwidth,
    }
    return await rendition_step(rendition_id, values)


async def finish_draft(rendition_id: str) -> bool:
    """Note that a draft grows no more: its playlist ends."""
    values = {RenditionRow.status: "encoded", RenditionRow.progress: 1.0, RenditionRow.encoded_at: _now()}
    return await rendition_step(rendition_id, values)


async def publish_mp4(source_id: str, key: str, size: int) -> bool:
    """Let the MP4 file of a source be had. False when it was removed or replaced, or has one: the bytes are doomed."""
    values = {SourceRow.mp4_status: "encoded", SourceRow.mp4_key: key, SourceRow.mp4_size: size}
    async with transaction():
        if await _mp4_step(source_id, values):
            return True
        await _doom([key])
        return False


async def fail_mp4(source_id: str) -> bool:
    """Note that there will be no MP4 file."""
    return await _mp4_step(source_id, {SourceRow.mp4_status: "failed"})


async def _mp4_step(source_id: str, values: dict[Any, Any]) -> bool:
    waits = (SourceRow.id == source_id) & (SourceRow.mp4_status == "waiting")
    return bool(await unscoped(SourceRow).update(values).where(waits).returning(SourceRow.id))


async def _step(source_id: str, before: Sequence[SourceStatus], values: dict[Any, Any]) -> bool:
    changed = await (
        unscoped(SourceRow)
        .update({**values, SourceRow.updated_at: _now()})
        .where(SourceRow.id == source_id, SourceRow.status.is_in(list(before)))
        .returning(SourceRow.id)
    )
    return bool(changed)


async def rendition_step(rendition_id: str, values: dict[Any, Any]) -> bool:
    """Change a rendition that is neither encoded nor failed. False for any other, and when it is gone."""
    changed = await (
        unscoped(RenditionRow)
        .update(values)
        .where(RenditionRow.id == rendition_id, RenditionRow.status.is_in(["waiting", "encoding"]))
        .returning(RenditionRow.id)
    )
    return bool(changed)


async def _doom_unless_alive(source_id: str, keys: Iterable[str | None]) -> None:
    present = await source(source_id)
    alive = set() if present is None else {present.index_key, present.storage_key}
    await _doom(key for key in keys if key not in alive)


async def _doom(keys: Iterable[str | None]) -> None:
    await doomed.doom(key for key in keys if key is not None)


def _now() -> datetime:
    return datetime.now(UTC)
