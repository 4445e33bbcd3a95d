"""Asking for a key: people who found the site's public key and want more."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, post
from litestar.datastructures import State
from litestar.di import NamedDependency

from reelkit.access.principal import Principal
from reelkit.api.limits import client_block, throttle
from reelkit.api.payloads import read_payload
from reelkit.catalog import access_requests
from reelkit.problems import InvalidAttribute

__all__ = ["AccessRequestJson", "NewAccessRequest", "request_access"]

EACH_DAY = 3
"""Requests from one address."""
DAY = 86400
_EMAIL = re.compile(r"[^@\s<>\x00-\x1f]{1,64}@[^@\s<>\x00-\x1f]+\.[^@\s<>\x00-\x1f]+")


class NewAccessRequest(msgspec.Struct, frozen=True):
    """Who asks, where the answer is to go, and what the key is for."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    email: Annotated[str, msgspec.Meta(max_length=254)]
    use: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]


class AccessRequestJson(msgspec.Struct, frozen=True, rename="camel"):
    """A request that was taken. The operator answers by e-mail."""

    request_id: str
    status: Literal["waiting", "approved", "refused"]
    created_at: datetime


@post(
    "/api/access-requests", status_code=201, operation_id="POST_api-access-requests", opt={"needs": "access-requests:write"}
)
async def request_access(
    request: Request[Any, Any, Any], principal: NamedDependency[Principal], state: State
) -> AccessRequestJson:
    """Ask the operator for a key; with any key of the site, e.g. its public one."""
    given = read_payload(await request.body(), NewAccessRequest)
    if not _EMAIL.fullmatch(given.email):
        raise InvalidAttribute(name="email", detail="This is no e-mail address.")
    name = f"access-requests:{client_block(request.scope)}"
    await throttle(state.rate_limits, request.scope, principal.tier, name, EACH_DAY, DAY)
    made = await access_requests.create(principal.scope, name=given.name, email=given.email, purpose=given.use)
    return AccessRequestJson(made.id, made.status, made.created_at.replace(microsecond=0))
