"""Pictures that are kept as they are sent, once a confined process could decode them."""

from __future__ import annotations

from typing import Any

from litestar import Request

from reelkit.api.pictures import ReceivedPicture, as_jpeg, receive_picture
from reelkit.problems import FileTooLarge, InvalidFile, UnsupportedPicture

__all__ = ["receive_decodable"]


async def receive_decodable(request: Request[Any, Any, Any], *, bytes: int, width: int, height: int) -> ReceivedPicture:
    """Take the only file of a form, a JPEG or PNG picture of at most so many bytes and pixels.

    Raises the Problems of uploads, UnsupportedPicture for another kind of file, InvalidFile for one that is too large a
    picture or does not decode.
    """
    try:
        received = await receive_picture(request, limit=bytes)
    except FileTooLarge as error:
        raise FileTooLarge(name="file", detail=f"The picture may have at most {bytes} bytes.") from error
    seen = received.picture
    if seen.kind not in ("jpg", "png"):
        raise UnsupportedPicture(name="file", detail="Only JPEG and PNG pictures are taken here.")
    if seen.width > width or seen.height > height:
        detail = f"The picture has {seen.width}x{seen.height} pixels; at most {width}x{height} are taken."
        raise InvalidFile(name="file", detail=detail)
    await as_jpeg(received)
    return received
