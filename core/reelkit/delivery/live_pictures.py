"""The pictures of public live streams, for pages that show them before and between broadcasts."""

from __future__ import annotations

from typing import Any

from litestar import HttpMethod, Request, Response
from litestar.handlers import route

from reelkit.catalog import live_streams
from reelkit.catalog.packing import storable
from reelkit.delivery.conditional import entity_tag, has_current
from reelkit.interfaces.storage import NotStored
from reelkit.jobs.runtime import Runtime
from reelkit.problems import NotFound

__all__ = ["live_thumbnail"]


@route("/live/{live_stream_id:str}/thumbnail.jpg", http_method=[HttpMethod.GET, HttpMethod.HEAD], include_in_schema=False)
async def live_thumbnail(request: Request[Any, Any, Any], live_stream_id: str, runtime: Runtime) -> Response[bytes]:
    """Answer the picture that was uploaded for a live stream, as a JPEG."""
    key = await live_streams.public_thumbnail(live_stream_id) if storable(live_stream_id) else None
    if key is None:
        raise NotFound(name="liveStreamId", detail="There is no thumbnail here.")
    tag = entity_tag(key)
    headers = {"etag": tag, "cache-control": "public, max-age=60", "x-content-type-options": "nosniff"}
    if has_current(request.headers.get("if-none-match"), tag):
        return Response(b"", status_code=304, headers=headers)
    try:
        content = b"".join([chunk async for chunk in runtime.storage.read(key)])
    except NotStored as error:
        # Replaced in between.
        raise NotFound(name="liveStreamId", detail="There is no thumbnail here.") from error
    return Response(content, headers=headers, media_type="image/jpeg")
