"""GET /tags: every tag in use, and how many videos carry it."""

from __future__ import annotations

from typing import Any, Literal, cast

import msgspec
from litestar import Request, get
from litestar.di import NamedDependency

from reelkit.access.principal import Principal
from reelkit.api.pagination import Pagination, paginate, requested_page
from reelkit.api.queries import Query
from reelkit.catalog import labels
from reelkit.catalog.labels import Tag

__all__ = ["TagList", "list_tags"]


class TagList(msgspec.Struct, frozen=True):
    """The contract's `list-tags-response`."""

    data: tuple[Tag, ...]
    pagination: Pagination


@get("/tags", operation_id="LIST-tags")
async def list_tags(request: Request[Any, Any, Any], principal: NamedDependency[Principal]) -> TagList:
    """List the tags that contain `value`, ignoring case and accents, by themselves unless asked otherwise."""
    query = Query(request.scope["query_string"])
    page = requested_page(query)
    sort_by = query.one_of("sortBy", ("value", "videoCount"), "value")
    sort_order = query.one_of("sortOrder", ("asc", "desc"), "asc")
    value = query.search("value")
    query.check()
    found = await labels.tags(
        principal.scope,
        value,
        cast("Literal['value', 'videoCount']", sort_by),
        cast("Literal['asc', 'desc']", sort_order),
        page.number,
        page.size,
    )
    return TagList(found.items, paginate("/tags", query, page, len(found.items), found.total))
