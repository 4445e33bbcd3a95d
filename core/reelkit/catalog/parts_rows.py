"""Uploads in parts as they lie in the database, and as everybody else sees them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec
from piccolo.columns import BigInt, Boolean, Text, Timestamptz

from reelkit.catalog.scope import Owned, Scoped

__all__ = [
    "Claim",
    "InTheWay",
    "Mode",
    "PartRow",
    "PartialUpload",
    "Standing",
    "UploadPart",
    "UploadRow",
    "part_of",
    "upload_of",
]

Mode = Literal["part", "bytes", "tus"]


class PartialUpload(Owned, frozen=True, kw_only=True):
    """A file on its way in parts. total: parts (mode part) or bytes, None until known; storage_upload: the storage's id."""

    id: str
    video_id: str | None
    source_id: str | None
    storage_key: str
    storage_upload: str
    mode: Mode
    total: int | None
    token: str | None
    """The upload token that it came with."""
    filename: str
    metadata: str = ""
    """Upload-Metadata of tus, as sent."""
    concat: str = ""
    """Upload-Concat of tus, as sent."""
    joined: bool = False
    """The object is made; the row stays for a while, so that a repeated part is recognised."""
    tail_key: str | None = None
    """Bytes behind the last part that are too few to be one; of tus only."""
    tail_size: int = 0
    created_at: datetime
    updated_at: datetime


class UploadPart(msgspec.Struct, frozen=True, kw_only=True):
    """A part that is stored. start: its place in the file if known; size: bytes; checksum: see `checksums`."""

    number: int
    start: int | None
    size: int
    tag: str
    checksum: str


class Standing(msgspec.Struct, frozen=True):
    """How far an upload is. received: parts; size: their bytes; highest: part number, or byte behind the last, seen."""

    upload: PartialUpload
    received: int
    size: int
    highest: int
    claimed: int

    @property
    def complete(self) -> bool:
        """Whether every part is here."""
        here = self.received if self.upload.mode == "part" else self.size + self.upload.tail_size
        return self.upload.total is not None and here == self.upload.total


class Claim(msgspec.Struct, frozen=True):
    """The right to store a part."""

    upload_id: str
    number: int
    holder: str


class InTheWay(msgspec.Struct, frozen=True):
    """Bytes that this part would overlap. stored: they are here; else somebody is sending them now."""

    stored: UploadPart | None


class UploadRow(Scoped, tablename="upload"):
    """Table `upload`."""

    id = Text(primary_key=True)
    video_id = Text(null=True, default=None)
    source_id = Text(null=True, default=None)
    storage_key = Text()
    storage_upload = Text()
    mode = Text()
    total = BigInt(null=True, default=None)
    token = Text(null=True, default=None)
    filename = Text()
    metadata = Text()
    concat = Text()
    joined = Boolean()
    tail_key = Text(null=True, default=None)
    tail_size = BigInt()
    holder = Text(null=True, default=None)
    held_at = Timestamptz(null=True, default=None)
    created_at = Timestamptz()
    updated_at = Timestamptz()


class PartRow(Scoped, tablename="upload_part"):
    """Table `upload_part`."""

    id = Text(primary_key=True)
    upload_id = Text()
    number = BigInt()
    start = BigInt(null=True, default=None)
    size = BigInt(null=True, default=None)
    tag = Text(null=True, default=None)
    checksum = Text(null=True, default=None)
    holder = Text(null=True, default=None)
    held_at = Timestamptz(null=True, default=None)


def upload_of(row: dict[str, Any]) -> PartialUpload:
    """Return the upload of a whole row."""
    return PartialUpload(**{name: value for name, value in row.items() if name not in ("holder", "held_at")})


def part_of(row: dict[str, Any]) -> UploadPart:
    """Return the part of a row that has a tag."""
    return UploadPart(**{name: row[name] for name in ("number", "start", "size", "tag", "checksum")})
