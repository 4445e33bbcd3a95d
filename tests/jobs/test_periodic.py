"""Work that is done again and again stops when it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy
from reelkit.jobs.ledger import Ledger
from reelkit.jobs.periodic import Periodic


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'jobs.sqlite'}")
    with engine.begin() as connection:
        Ledger.create(connection)
    yield Ledger(engine)
    engine.dispose()


async def test_it_stops_at_the_very_moment_when_the_work_ends(ledger: Ledger) -> None:
    periodic, begun = Periodic(ledger), asyncio.Event()
    ended = asyncio.get_running_loop().create_future()

    async def work() -> None:
        begun.set()
        await ended

    periodic.add("work", 3600.0, work)
    await asyncio.wait_for(begun.wait(), 30)
    ended.set_result(None)
    await asyncio.sleep(0)

    async with asyncio.timeout(30):
        await periodic.stop()


async def test_work_that_takes_longer_than_its_interval_is_cut_off(ledger: Ledger, caplog: pytest.LogCaptureFixture) -> None:
    periodic, cut_off = Periodic(ledger), asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            cut_off.set()

    periodic.add("slow", 0.05, work)
    await asyncio.wait_for(cut_off.wait(), 30)
    await periodic.stop()
    assert "Periodic work slow" in caplog.text
