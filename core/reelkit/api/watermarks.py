"""Watermarks over HTTP: pictures that new videos may carry for good."""

from __future__ import annotations

import re
from typing import Any, Literal, cast

import msgspec
from litestar import Request, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from reelkit.access.principal import Principal
from reelkit.api.changes import Changing
from reelkit.api.decodable import receive_decodable
from reelkit.api.pagination import Pagination, paginate, requested_page
from reelkit.api.queries import Query
from reelkit.api.removal import remove_soon
from reelkit.api.video_json import atom
from reelkit.catalog import watermarks
from reelkit.catalog.scope import Scope
from reelkit.catalog.watermarks import Watermark
from reelkit.jobs.runtime import Runtime
from reelkit.jobs.transfer import store_bytes
from reelkit.problems import InvalidAttribute, NotFound

__all__ = ["HANDLERS", "WatermarkJson", "WatermarkList", "check", "delete_watermark", "list_watermarks", "upload_watermark"]

BYTES = 8 << 20
SIDE = 4096
"""Pixels: as wide as the largest video."""

_ID = re.compile(r"watermark_[0-9A-Za-z]{1,62}", re.ASCII)


class WatermarkJson(msgspec.Struct, frozen=True, rename="camel"):
    """The contract's `watermark`."""

    watermark_id: str
    created_at: str


class WatermarkList(msgspec.Struct, frozen=True):
    """The contract's `watermarks-list-response`."""

    data: tuple[WatermarkJson, ...]
    pagination: Pagination


class WatermarkUpload(msgspec.Struct, frozen=True, rename="camel"):
    """What plugins are shown of an upload; there is nothing to edit."""

    content_type: str
    size: int
    width: int
    height: int


async def check(scope: Scope, id: str) -> None:
    """Return when a new video may carry a watermark. Raises InvalidAttribute."""
    if not (_ID.fullmatch(id) and await watermarks.exists(scope, id)):
        raise InvalidAttribute(name="watermark[id]", detail="There is no watermark of this id.")


def watermark_json(watermark: Watermark) -> WatermarkJson:
    """Return the JSON of a watermark."""
    return WatermarkJson(watermark.id, atom(watermark.created_at))


@post("/watermarks", operation_id="POST_watermark", status_code=200, request_max_body_size=None)
async def upload_watermark(
    request: Request[Any, Any, Any], principal: NamedDependency[Principal], runtime: NamedDependency[Runtime]
) -> WatermarkJson:
    """Take a JPEG or PNG picture."""
    scope = principal.scope
    received = await receive_decodable(request, bytes=BYTES, width=SIDE, height=SIDE)
    seen = received.picture
    edit = Changing(runtime, scope, "watermark", "create")
    await edit.propose(WatermarkUpload(seen.type, len(received.content), seen.width, seen.height))
    id = watermarks.new_watermark_id()
    key = watermarks.storage_key(scope, id)
    await store_bytes(runtime.storage, key, received.content)
    try:
        made = await watermarks.create(scope, id, content_type=seen.type, width=seen.width, height=seen.height)
    except BaseException:
        remove_soon(runtime.storage, key)
        raise
    shown = watermark_json(made)
    await edit.made(shown, id=id)
    return shown


@get("/watermarks", operation_id="LIST-watermarks")
async def list_watermarks(request: Request[Any, Any, Any], principal: NamedDependency[Principal]) -> WatermarkList:
    """List watermarks, newest first unless asked otherwise."""
    query = Query(request.scope["query_string"])
    page = requested_page(query)
    query.one_of("sortBy", ("createdAt",), "createdAt")
    order = cast("Literal['asc', 'desc']", query.one_of("sortOrder", ("asc", "desc"), "desc"))
    query.check()
    found = await watermarks.page(principal.scope, order, page.number, page.size)
    data = tuple(watermark_json(one) for one in found.items)
    return WatermarkList(data, paginate("/watermarks", query, page, len(data), found.total))


@delete("/watermarks/{watermark_id:str}", operation_id="DELETE_watermark", status_code=204)
async def delete_watermark(
    watermark_id: FromPath[str], principal: NamedDependency[Principal], runtime: NamedDependency[Runtime]
) -> None:
    """Delete a watermark; videos that carry it keep it."""
    found = await watermarks.get(principal.scope, watermark_id) if _ID.fullmatch(watermark_id) else None
    if found is None or found.deleted_at is not None:
        raise NotFound(name="watermarkId")
    edit = Changing(runtime, principal.scope, "watermark", "delete", id=found.id, before=watermark_json(found))
    await edit.propose(None)
    removed = await watermarks.remove(principal.scope, found.id)
    if removed is None:
        raise NotFound(name="watermarkId")
    if removed.deleted_at is None:
        remove_soon(runtime.storage, removed.storage_key)
    await edit.made()


HANDLERS = (upload_watermark, list_watermarks, delete_watermark)
