"""Which projects are suspended is asked once for many requests, and known within 5 s."""

from __future__ import annotations

import asyncio

import pytest
from reelkit.access.suspension import Suspensions
from reelkit.catalog import projects
from reelkit.catalog.database import Database
from reelkit.problems import SuspendedAccount
from reelkit.testing.clock import Clock


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each time that the database is asked."""
    asked: list[int] = []
    real = projects.suspended

    async def suspended() -> frozenset[str]:
        asked.append(1)
        await asyncio.sleep(0)
        return await real()

    monkeypatch.setattr(projects, "suspended", suspended)
    return asked


async def test_a_suspension_holds_within_5_seconds_and_ends_so(database: Database, clock: Clock, counted: list[int]) -> None:
    shop = await projects.create("shop")
    assert shop is not None
    here = Suspensions(clock)
    await here.check(shop.id)

    first = await projects.set_suspended(shop.id, True)
    again = await projects.set_suspended(shop.id, True)
    assert first.suspended_at is not None and again.suspended_at == first.suspended_at, "the first time counts"
    clock.now += 4.99
    outcomes = await asyncio.gather(*(here.check(shop.id) for _ in range(20)), return_exceptions=True)
    assert all(isinstance(each, SuspendedAccount) for each in outcomes) and len(counted) == 2
    await here.check(projects.DEFAULT)

    assert (await projects.set_suspended(shop.id, False)).suspended_at is None
    with pytest.raises(SuspendedAccount):
        await here.check(shop.id)
    here.forget()
    await here.check(shop.id)
    assert len(counted) == 3


async def test_a_database_that_fails_lets_nobody_in_and_is_asked_again(
    database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails() -> frozenset[str]:
        raise ConnectionError

    here = Suspensions(clock)
    with monkeypatch.context() as patched:
        patched.setattr(projects, "suspended", fails)
        for outcome in await asyncio.gather(here.check("p"), here.check("p"), return_exceptions=True):
            assert isinstance(outcome, ConnectionError)
    await here.check("p")


async def test_what_does_not_exist_is_not_suspended(database: Database) -> None:
    with pytest.raises(LookupError):
        await projects.set_suspended("nobody", True)


async def test_the_name_of_the_default_project_is_taken_before_there_is_one(database: Database) -> None:
    assert await projects.create(projects.DEFAULT) is None
    assert (await projects.default()).id == projects.DEFAULT
