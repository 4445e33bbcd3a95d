"""Upload tokens over HTTP: made and removed with a key, used without one."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

import msgspec
from litestar import Request, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from reelkit.access.principal import Principal
from reelkit.api.changes import Changing
from reelkit.api.pagination import Pagination, paginate, requested_page
from reelkit.api.payloads import read_payload
from reelkit.api.queries import Query
from reelkit.api.video_json import atom
from reelkit.catalog import upload_tokens
from reelkit.catalog.upload_tokens import SortBy, UploadToken
from reelkit.jobs.runtime import Runtime
from reelkit.problems import NotFound

__all__ = [
    "NewUploadToken",
    "UploadTokenJson",
    "UploadTokenList",
    "create_upload_token",
    "delete_upload_token",
    "get_upload_token",
    "list_upload_tokens",
]

Ttl = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]


class NewUploadToken(msgspec.Struct, frozen=True):
    """The contract's `token-creation-payload`. ttl: seconds that it lives, 0 for ever."""

    ttl: Ttl = 0


class UploadTokenJson(msgspec.Struct, frozen=True, rename="camel"):
    """The contract's `upload-token`."""

    token: str
    ttl: int
    created_at: str
    expires_at: str | None


class UploadTokenList(msgspec.Struct, frozen=True):
    """The contract's `token-list-response`."""

    data: tuple[UploadTokenJson, ...]
    pagination: Pagination


@post("/upload-tokens", status_code=200, operation_id="POST_upload-tokens")
async def create_upload_token(
    request: Request[Any, Any, Any], principal: NamedDependency[Principal], runtime: NamedDependency[Runtime]
) -> UploadTokenJson:
    """Make an upload token."""
    body = await request.body()
    edit = Changing(runtime, principal.scope, "upload-token", "create")
    given = await edit.propose(read_payload(body, NewUploadToken) if body.strip() else NewUploadToken())
    token = await upload_tokens.create(principal.scope, given.ttl)
    shown = token_json(token)
    await edit.made(shown, id=token.token)
    return shown


@get("/upload-tokens", operation_id="GET_upload-tokens")
async def list_upload_tokens(request: Request[Any, Any, Any], principal: NamedDependency[Principal]) -> UploadTokenList:
    """List the upload tokens, newest first unless asked otherwise."""
    query = Query(request.scope["query_string"])
    page = requested_page(query)
    sort_by = query.one_of("sortBy", ("createdAt", "ttl"), "createdAt")
    sort_order = query.one_of("sortOrder", ("asc", "desc"), "desc")
    query.check()
    found = await upload_tokens.page(
        principal.scope,
        cast("SortBy", sort_by),
        cast("Literal['asc', 'desc']", sort_order),
        page.number,
        page.size,
    )
    data = tuple(token_json(token) for token in found.items)
    return UploadTokenList(data, paginate("/upload-tokens", query, page, len(data), found.total))


@get("/upload-tokens/{upload_token:str}", operation_id="GET_upload-tokens-uploadToken")
async def get_upload_token(upload_token: FromPath[str], principal: NamedDependency[Principal]) -> UploadTokenJson:
    """Read one upload token, expired or not."""
    found = await upload_tokens.get(principal.scope, upload_token)
    if found is None:
        raise NotFound(name="uploadToken")
    return token_json(found)


@delete("/upload-tokens/{upload_token:str}", status_code=204, operation_id="DELETE_upload-tokens-uploadToken")
async def delete_upload_token(
    upload_token: FromPath[str], principal: NamedDependency[Principal], runtime: NamedDependency[Runtime]
) -> None:
    """Remove an upload token: nothing can be uploaded with it from now on."""
    found = await upload_tokens.get(principal.scope, upload_token)
    if found is None:
        raise NotFound(name="uploadToken")
    edit = Changing(runtime, principal.scope, "upload-token", "delete", id=upload_token, before=token_json(found))
    await edit.propose(None)
    if not await upload_tokens.delete(principal.scope, upload_token):
        raise NotFound(name="uploadToken")
    await edit.made()


def token_json(token: UploadToken) -> UploadTokenJson:
    """Return the JSON of a token."""
    expires_at = None if token.expires_at is None else atom(token.expires_at)
    return UploadTokenJson(token.token, token.ttl, atom(token.created_at), expires_at)
