"""Sources: the uploaded file of a video, from its first byte to what was found in it. A video has at most one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import msgspec
from piccolo.columns import JSONB, BigInt, Boolean, Text, Timestamptz

from reelkit.catalog import doomed
from reelkit.catalog.binding import transaction
from reelkit.catalog.ids import new_id
from reelkit.catalog.packing import pack, storable, unpack
from reelkit.catalog.scope import Owned, Scope, Scoped, scoped
from reelkit.catalog.videos import VideoRow
from reelkit.interfaces.media import Probe

__all__ = [
    "Source",
    "SourceStatus",
    "SourceTaken",
    "beat",
    "begin",
    "for_video",
    "get",
    "remove",
    "stale_before",
    "storage_key",
    "uploaded",
]

SourceStatus = Literal["uploading", "uploaded", "ingesting", "ingested", "failed"]

STALE = timedelta(seconds=60)
"""An upload that has not said `beat` for this long was cut off, and another may take its place."""


class Source(Owned, frozen=True, kw_only=True):
    """The file of a video. size: bytes; checksum: see `checksums`; storage_key: where its bytes are or will be.

    The checksum of a file that came in parts is a composite, told by its `-N`.
    """

    id: str
    video_id: str
    status: SourceStatus
    storage_key: str
    filename: str
    created_at: datetime
    updated_at: datetime
    failure: str | None = None
    """Why it failed, a sentence for people."""
    size: int | None = None
    """Declared while uploading, measured afterwards."""
    checksum: str | None = None
    probe: Probe | None = None
    index_key: str | None = None
    packageable: bool = False
    """Segments can be cut from it without encoding."""
    resumable: bool = False
    """It comes in parts, which may take days: see `catalog/parts.py`."""
    poster_key: str | None = None
    storyboard_keys: tuple[str, ...] = ()
    storyboard_vtt_key: str | None = None
    mp4_status: Literal["waiting", "encoded", "failed"] | None = None
    """Of the MP4 file that is made of it for people to download; None where it is one itself, or none is made."""
    mp4_key: str | None = None
    mp4_size: int | None = None
    """Bytes."""

    @property
    def prefix(self) -> str:
        """The folder of storage of the file and its index."""
        return f"{self.project}/{self.video_id}/source/{self.id}/"

    @property
    def images(self) -> tuple[str, ...]:
        """The keys of every image made of it."""
        keys = (self.poster_key, *self.storyboard_keys, self.storyboard_vtt_key)
        return tuple(key for key in keys if key is not None)


class SourceTaken(msgspec.Struct, frozen=True):
    """The answer to a second source: the video has this one already."""

    source: Source


class SourceRow(Scoped, tablename="source"):
    """Table `source`."""

    id = Text(primary_key=True)
    video_id = Text()
    status = Text()
    failure = Text(null=True, default=None)
    storage_key = Text()
    filename = Text()
    size = BigInt(null=True, default=None)
    checksum = Text(null=True, default=None)
    probe = JSONB(null=True, default=None)
    index_key = Text(null=True, default=None)
    packageable = Boolean()
    resumable = Boolean()
    poster_key = Text(null=True, default=None)
    storyboard_keys = JSONB()
    storyboard_vtt_key = Text(null=True, default=None)
    mp4_status = Text(null=True, default=None)
    mp4_key = Text(null=True, default=None)
    mp4_size = BigInt(null=True, default=None)
    created_at = Timestamptz()
    updated_at = Timestamptz()


def storage_key(scope: Scope, video_id: str, id: str) -> str:
    """Return where the file of a source lies."""
    return f"{scope.project}/{video_id}/source/{id}/file"


async def begin(
    scope: Scope,
    video_id: str,
    filename: str = "",
    size: int | None = None,
    *,
    id: str | None = None,
    resumable: bool = False,
) -> Source | SourceTaken | None:
    """Open the source of a video, status uploading. size: bytes if declared; id: if it was made before.

    Of two clients that race one gets a Source, the other SourceTaken. A failed source, or one whose upload was cut off,
    is replaced: its rows go and its bytes are doomed. None when there is no such video.
    """
    from reelkit.catalog.renditions import prefixes_of  # they point back here

    now = datetime.now(UTC)
    id = id or new_id("so")
    source = Source(
        id=id,
        project=scope.project,
        environment=scope.environment,
        video_id=video_id,
        status="uploading",
        storage_key=storage_key(scope, video_id, id),
        filename=filename if storable(filename) else "",
        size=size,
        resumable=resumable,
        created_at=now,
        updated_at=now,
    )
    if not storable(video_id):
        return None
    async with transaction():
        # The video's row is what racing clients queue at, on Postgres.
        if await scoped(VideoRow, scope).one(VideoRow.id == video_id, lock=True) is None:
            return None
        present = await for_video(scope, video_id)
        if present is not None:
            cut_off = present.status == "uploading" and not present.resumable and present.updated_at < now - STALE
            if present.status != "failed" and not cut_off:
                return SourceTaken(present)
            await doomed.doom([present.prefix, *present.images, *await prefixes_of(scope, video_id)])
            await scoped(SourceRow, scope).delete().where(SourceRow.id == present.id)
        await scoped(SourceRow, scope).insert(**{**msgspec.structs.asdict(source), "storyboard_keys": pack(())})
    return source


async def beat(scope: Scope, id: str) -> bool:
    """Say that the upload goes on, at least every 20 s; False: the source was replaced or removed, stop."""
    return await _step(scope, id, ("uploading",), {})


async def uploaded(scope: Scope, source: Source, size: int, checksum: str) -> bool:
    """Every byte is stored. False when the source was replaced or removed meanwhile: its bytes are doomed."""
    values = {SourceRow.size: size, SourceRow.checksum: checksum, SourceRow.status: "uploaded"}
    async with transaction():
        if await _step(scope, source.id, ("uploading",), values):
            return True
        # They may have been stored after the sweep of what was doomed with the row.
        if await scoped(SourceRow, scope).one(SourceRow.id == source.id, SourceRow.status != "failed") is None:
            await doomed.doom([source.prefix])
        return False


async def for_video(scope: Scope, video_id: str) -> Source | None:
    """Return the source of a video, failed or not."""
    row = await scoped(SourceRow, scope).one(SourceRow.video_id == video_id) if storable(video_id) else None
    return None if row is None else source_of(row)


def stale_before() -> datetime:
    """Return when an upload that is cut off by now said its last `beat`, at the latest."""
    return datetime.now(UTC) - STALE


async def get(scope: Scope, id: str) -> Source | None:
    """Return a source by its id."""
    row = await scoped(SourceRow, scope).one(SourceRow.id == id)
    return None if row is None else source_of(row)


async def remove(scope: Scope, id: str) -> bool:
    """Take back a source that was begun, e.g. because its bytes were refused; its bytes are doomed."""
    from reelkit.catalog.renditions import prefixes_of  # they point back here

    async with transaction():
        row = await scoped(SourceRow, scope).one(SourceRow.id == id, lock=True)
        if row is None:
            return False
        source = source_of(row)
        await doomed.doom([source.prefix, *source.images, *await prefixes_of(scope, source.video_id)])
        await scoped(SourceRow, scope).delete().where(SourceRow.id == id)
        return True


def source_of(row: dict[str, Any]) -> Source:
    """Return the Source of a whole row."""
    return Source(
        **{
            **row,
            "probe": unpack(row["probe"], Probe),
            "storyboard_keys": unpack(row["storyboard_keys"], tuple[str, ...]) or (),
        }
    )


async def _step(scope: Scope, id: str, before: tuple[SourceStatus, ...], values: dict[Any, Any]) -> bool:
    changed = await (
        scoped(SourceRow, scope)
        .update({**values, SourceRow.updated_at: datetime.now(UTC)})
        .where(SourceRow.id == id, SourceRow.status.is_in(list(before)))
        .returning(SourceRow.id)
    )
    return bool(changed)
