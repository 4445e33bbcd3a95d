"""Pictures that clients upload: small enough to be held, looked at before they are kept, decoded elsewhere."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
from litestar import Request

from reelkit.api.receiving import open_upload
from reelkit.media.images import picture
from reelkit.media.pictures import BadPicture, NoPicture, Picture, PictureKind, read_picture
from reelkit.media.probe import Unreadable
from reelkit.problems import InvalidFile, UnsupportedPicture

__all__ = ["PICTURE_BYTES", "ReceivedPicture", "as_jpeg", "receive_picture"]

PICTURE_BYTES = 8 * 1024 * 1024


class ReceivedPicture(msgspec.Struct, frozen=True):
    """A picture as it was sent. fields: the form's other fields."""

    picture: Picture
    content: bytes
    fields: dict[str, str]

    @property
    def kind(self) -> PictureKind:
        """What it is, by its bytes."""
        return self.picture.kind

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the content, for the storage."""
        yield self.content


async def receive_picture(request: Request[Any, Any, Any], *, limit: int = PICTURE_BYTES) -> ReceivedPicture:
    """Take the only file of a form, whatever it is called. limit: bytes.

    Raises FileTooLarge, NoFile, EmptyFile, MultipleFiles, UnsupportedPicture for other kinds of files, InvalidFile for a
    picture that is damaged or unfolds to too much.
    """
    upload = await open_upload(request.receive, request.headers, {}, limit)
    content = b"".join([chunk async for chunk in upload])
    try:
        seen = read_picture(content)
    except NoPicture as error:
        raise UnsupportedPicture(name="file", detail=str(error)) from error
    except BadPicture as error:
        raise InvalidFile(name="file", detail=str(error)) from error
    return ReceivedPicture(seen, content, upload.fields)


async def as_jpeg(received: ReceivedPicture) -> bytes:
    """Return a picture as a JPEG of our own, decoded and encoded by a confined process. Raises InvalidFile."""
    with tempfile.NamedTemporaryFile(prefix="reelkit-picture-") as file:
        await asyncio.to_thread(Path(file.name).write_bytes, received.content)
        try:
            return await picture(Path(file.name))
        except Unreadable as error:
            raise InvalidFile(name="file", detail=str(error)) from None
