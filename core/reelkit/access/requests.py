"""Deciding who gets a key: an approval makes one, once, whoever approves at the same time."""

from __future__ import annotations

from reelkit.access.keys import create_key
from reelkit.access.scopes import SESSION
from reelkit.catalog import access_requests
from reelkit.catalog.access_requests import AccessRequest
from reelkit.catalog.binding import transaction
from reelkit.catalog.scope import Scope
from reelkit.site import Site

__all__ = ["REQUESTED", "approve"]

REQUESTED = (*SESSION, "sessions:write")
"""What a requested key may do unless the operator says otherwise: read and play, itself and by session tokens."""


async def approve(
    site: Site, scope: Scope, id: str, *, tier: str, scopes: tuple[str, ...] = REQUESTED
) -> tuple[AccessRequest, str] | None:
    """Approve a request that waits and return it with the new key's secret; None when there is none.

    Raises ValueError, with a sentence for people, for an unknown tier or scope; then it waits on.
    """
    async with transaction():
        request = await access_requests.decide(scope, id, "approved")
        if request is None:
            return None
        key, secret = await create_key(site, scope, f"{request.name} <{request.email}>"[:100], tier=tier, scopes=scopes)
        await access_requests.issued(scope, id, key.id)
    return request, secret
