"""The logo of a player theme: small enough to be held, so it needs no stream."""

from __future__ import annotations

import re
from typing import Any

from litestar import HttpMethod, Request, Response, route
from litestar.di import NamedDependency
from litestar.params import FromPath

from reelkit.catalog import playback
from reelkit.delivery.conditional import entity_tag, has_current
from reelkit.interfaces.storage import NotStored
from reelkit.jobs.runtime import Runtime
from reelkit.jobs.transfer import content
from reelkit.problems import NotFound

__all__ = ["player_logo"]

_ID = re.compile(r"pl[0-9A-Za-z]{1,62}", re.ASCII)


@route(
    "/player/{player_id:str}/logo.png", http_method=[HttpMethod.GET, HttpMethod.HEAD], include_in_schema=False, name="logo"
)
async def player_logo(
    request: Request[Any, Any, Any], player_id: FromPath[str], runtime: NamedDependency[Runtime]
) -> Response[bytes]:
    """Answer the logo of a theme: a PNG, or a JPEG under the same address."""
    theme = await playback.logo(player_id) if _ID.fullmatch(player_id) else None
    if theme is None or theme.logo_key is None or theme.logo_type is None:
        raise NotFound(name="playerId")
    tag = entity_tag(theme.logo_key)
    headers = {
        "ETag": tag,
        "Cache-Control": "public, max-age=60",
        "X-Content-Type-Options": "nosniff",
        # The bytes are a stranger's. Should a browser ever take them for a page, it runs nothing.
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cross-Origin-Resource-Policy": "cross-origin",
    }
    if has_current(request.headers.get("if-none-match"), tag):
        return Response(b"", status_code=304, headers=headers, media_type=theme.logo_type)
    try:
        body = await content(runtime.storage, theme.logo_key)
    except NotStored as error:
        raise NotFound(name="playerId") from error  # replaced just now
    return Response(body, headers=headers, media_type=theme.logo_type)
