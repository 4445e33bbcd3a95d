"""Lists in pages: which page is asked for, and the links that lead to the others."""

from __future__ import annotations

from urllib.parse import quote

import msgspec

from reelkit.api.queries import Query

__all__ = ["PageRequest", "Pagination", "PaginationLink", "paginate", "requested_page"]

MAX_PAGE = 2**31 - 1


class PageRequest(msgspec.Struct, frozen=True):
    """The page that is asked for; number from 1."""

    number: int
    size: int


class PaginationLink(msgspec.Struct, frozen=True):
    """One neighbour of a page. rel: self, first, last, previous, next; uri: relative to the host."""

    rel: str
    uri: str


class Pagination(msgspec.Struct, frozen=True, rename="camel"):
    """Where a page stands in its list."""

    items_total: int
    pages_total: int
    page_size: int
    current_page: int
    current_page_items: int
    links: tuple[PaginationLink, ...]


def requested_page(query: Query) -> PageRequest:
    """Read currentPage and pageSize."""
    return PageRequest(query.number("currentPage", 1, 1, MAX_PAGE), query.number("pageSize", 25, 1, 100))


def paginate(path: str, query: Query, page: PageRequest, items: int, total: int) -> Pagination:
    """Describe a page of `items` objects out of `total`; filters stay in the links, percent-encoded."""
    pages = max(1, -(-total // page.size))
    filters = [(name, value) for name, value in query.pairs if name not in ("currentPage", "pageSize")]

    def link(rel: str, number: int) -> PaginationLink:
        pairs = [*filters, ("currentPage", str(number)), ("pageSize", str(page.size))]
        return PaginationLink(rel, f"{path}?" + "&".join(f"{quote(name, '')}={quote(value, '')}" for name, value in pairs))

    links = [link("self", page.number), link("first", 1), link("last", pages)]
    if page.number > 1:
        links.append(link("previous", min(page.number - 1, pages)))
    if page.number < pages:
        links.append(link("next", page.number + 1))
    return Pagination(total, pages, page.size, page.number, items, tuple(links))
