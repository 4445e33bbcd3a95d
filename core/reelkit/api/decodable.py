"""Pictures that are kept as they are sent, once a confined process could decode them."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

from litestar import Request

from reelkit.api.pictures import ReceivedPicture, receive_picture
from reelkit.media.images import picture
from reelkit.media.pictures import PictureKind
from reelkit.media.probe import Unreadable
from reelkit.problems import FileTooLarge, InvalidFile, UnsupportedPicture

__all__ = ["JPEG_OR_PNG", "receive_decodable"]

JPEG_OR_PNG: tuple[PictureKind, ...] = ("jpg", "png")


async def receive_decodable(
    request: Request[Any, Any, Any], *, bytes: int, width: int, height: int, kinds: Collection[PictureKind] = JPEG_OR_PNG
) -> ReceivedPicture:
    """Take the only file of a form, a picture of at most so many bytes and pixels.

    Raises the Problems of uploads, UnsupportedPicture for another kind of file, InvalidFile for one that is too large a
    picture or does not decode.
    """
    try:
        received = await receive_picture(request, limit=bytes)
    except FileTooLarge as error:
        raise FileTooLarge(name="file", detail=f"The picture may have at most {bytes} bytes.") from error
    seen = received.picture
    if seen.kind not in kinds:
        raise UnsupportedPicture(name="file", detail="Only JPEG and PNG pictures are taken here.")
    if seen.width > width or seen.height > height:
        detail = f"The picture has {seen.width}x{seen.height} pixels; at most {width}x{height} are taken."
        raise InvalidFile(name="file", detail=detail)
    with tempfile.NamedTemporaryFile(prefix="reelkit-picture-") as file:
        await asyncio.to_thread(Path(file.name).write_bytes, received.content)
        try:
            await picture(Path(file.name))
        except Unreadable as error:
            raise InvalidFile(name="file", detail=str(error)) from None
    return received
