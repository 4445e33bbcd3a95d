"""Sounds that are heard while they are made, and the pictures that wait for them: what the job `sound` reads and writes.

By id and guarded, as in `work`.
"""

from __future__ import annotations

from datetime import UTC, datetime

from reelkit.catalog import doomed
from reelkit.catalog.binding import transaction
from reelkit.catalog.renditions import DraftSegment, DraftSegmentRow, Rendition, RenditionRow
from reelkit.catalog.scope import unscoped
from reelkit.catalog.work import publish, rendition, rendition_step

__all__ = ["finish_sound", "promise", "segments_of", "show_copy"]


async def promise(rendition_id: str, *, index_key: str, codecs: str, bandwidth: int) -> bool:
    """Tell players of all segments of a sound that is still made. False when it is gone, and the index doomed."""
    values = {
        RenditionRow.status: "encoding",
        RenditionRow.index_key: index_key,
        RenditionRow.codecs: codecs,
        RenditionRow.bandwidth: bandwidth,
        RenditionRow.average_bandwidth: bandwidth,
    }
    async with transaction():
        promised = await rendition_step(rendition_id, values)
        if not promised:
            await doomed.doom([index_key])
        return promised


async def segments_of(rendition_id: str) -> tuple[DraftSegment, ...]:
    """Return the segments of a draft, or of a sound that is still made, in order."""
    query = unscoped(DraftSegmentRow).select().where(DraftSegmentRow.rendition_id == rendition_id)
    rows = await query.order_by(DraftSegmentRow.number)
    return tuple(DraftSegment(row["number"], row["duration"], row["storage_key"]) for row in rows)


async def finish_sound(
    rendition_id: str, *, storage_key: str, index_key: str, codecs: str, bandwidth: int, average_bandwidth: int
) -> bool:
    """Let one file take the place of the segments of a sound that is whole now; as `publish`, and these are doomed."""
    async with transaction():
        before = await rendition(rendition_id)
        published = await publish(
            rendition_id,
            storage_key=storage_key,
            index_key=index_key,
            codecs=codecs,
            bandwidth=bandwidth,
            average_bandwidth=average_bandwidth,
        )
        if published and before is not None and before.status != "encoded":
            keys = [before.index_key, *(segment.storage_key for segment in await segments_of(rendition_id))]
            await doomed.doom(key for key in keys if key is not None)
            await unscoped(DraftSegmentRow).delete().where(DraftSegmentRow.rendition_id == rendition_id)
        return published


async def show_copy(source_id: str) -> Rendition | None:
    """Let the copied picture of a source play that waited for its sound, and return it; None when none waits."""
    values = {RenditionRow.status: "encoded", RenditionRow.encoded_at: datetime.now(UTC)}
    changed = await (
        unscoped(RenditionRow)
        .update({**values, RenditionRow.progress: 1.0})
        .where(RenditionRow.source_id == source_id, RenditionRow.kind == "copy", RenditionRow.status == "waiting")
        .returning(RenditionRow.id)
    )
    return await rendition(changed[0]["id"]) if changed else None
