"""What keys take is added up, a row a key and month, by many processes at once."""

from __future__ import annotations

import asyncio

from reelkit.catalog import usage
from reelkit.catalog.database import Database
from reelkit.catalog.scope import Scope
from reelkit.catalog.usage import Usage

LIVE = Scope("default")


async def test_what_is_added_adds_up(database: Database) -> None:
    assert await usage.taken(LIVE, "2026-11", "ke1") == 0
    assert await usage.add(LIVE, "2026-11", {"ke1": 5, "ke2": 7}) == {"ke1": 5, "ke2": 7}
    assert await usage.add(LIVE, "2026-11", {"ke1": 5_000_000_000_000}) == {"ke1": 5_000_000_000_005}
    await usage.add(LIVE, "2026-12", {"ke1": 1})
    assert await usage.taken(LIVE, "2026-11", "ke1") == 5_000_000_000_005
    assert await usage.of_scope(LIVE, "ke1") == [Usage("ke1", "2026-12", 1), Usage("ke1", "2026-11", 5_000_000_000_005)]
    assert await usage.of_scope(LIVE, month="2026-11") == [
        Usage("ke1", "2026-11", 5_000_000_000_005),
        Usage("ke2", "2026-11", 7),
    ]


async def test_a_scope_has_its_own(database: Database) -> None:
    await usage.add(LIVE, "2026-11", {"ke1": 5})
    for stranger in (Scope("default", "sandbox"), Scope("other")):
        assert await usage.add(stranger, "2026-11", {"ke1": 1}) == {"ke1": 1}
    assert await usage.taken(LIVE, "2026-11", "ke1") == 5


async def test_many_that_add_at_once_lose_nothing(database: Database) -> None:
    names = {"ke1": 1, "ke2": 2, "ke3": 3}
    await asyncio.gather(*(usage.add(LIVE, "2026-11", dict(sorted(names.items(), reverse=bool(n % 2)))) for n in range(20)))
    assert [await usage.taken(LIVE, "2026-11", name) for name in names] == [20, 40, 60]
