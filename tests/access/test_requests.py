"""An approval makes one key, whoever approves at the same time."""

from __future__ import annotations

import asyncio

import pytest
from reelkit.access.requests import REQUESTED, approve
from reelkit.catalog import access_requests, keys
from reelkit.catalog.database import Database
from reelkit.catalog.scope import Scope
from reelkit.site import Site

LIVE = Scope("default", "production")


async def test_of_many_approvals_at_once_one_makes_a_key(database: Database, database_site: Site) -> None:
    asked = await access_requests.create(LIVE, name="Ada", email="ada@example.org", purpose="p")

    made = await asyncio.gather(*(approve(database_site, LIVE, asked.id, tier="partner") for _ in range(5)))

    assert len([each for each in made if each is not None]) == 1
    (key,) = await keys.list_keys(LIVE)
    assert (key.tier, key.scopes, key.name) == ("partner", REQUESTED, "Ada <ada@example.org>")
    (request,) = await access_requests.list_requests(LIVE, "approved")
    assert (request.id, request.key_id, request.decided_at is not None) == (asked.id, key.id, True)


async def test_an_approval_that_makes_no_key_decides_nothing(database: Database, database_site: Site) -> None:
    asked = await access_requests.create(LIVE, name="Ada", email="ada@example.org", purpose="p")
    with pytest.raises(ValueError, match="no tier"):
        await approve(database_site, LIVE, asked.id, tier="gold")
    assert await access_requests.list_requests(LIVE, "waiting") == [asked]


async def test_strangers_neither_see_nor_decide(database: Database, database_site: Site) -> None:
    asked = await access_requests.create(LIVE, name="Ada", email="ada@example.org", purpose="p")
    for stranger in (Scope("default", "sandbox"), Scope("other")):
        assert await access_requests.list_requests(stranger) == []
        assert await access_requests.decide(stranger, asked.id, "refused") is None
        assert await approve(database_site, stranger, asked.id, tier="partner") is None
    assert await access_requests.decide(LIVE, "\0", "refused") is None
