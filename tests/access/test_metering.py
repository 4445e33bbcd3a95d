"""What keys take in a month is counted without a write a request, and refused beyond what their tier allows."""

from __future__ import annotations

import asyncio
import calendar
from collections.abc import AsyncIterator, MutableMapping
from typing import Any

import pytest
import pytest_asyncio
from reelkit.access import metering
from reelkit.access.metering import Meter, metered, month_of
from reelkit.access.principal import Principal
from reelkit.catalog import usage
from reelkit.catalog.database import Database
from reelkit.catalog.errors import DatabaseBusy
from reelkit.catalog.scope import Scope
from reelkit.problems import MonthlyBytesExceeded
from reelkit.site import Site, Tier
from reelkit.testing.clock import Clock

LIVE = Scope("default")
SITE_TIERS = {"small": Tier(monthly_bytes=1000), "any": Tier()}


@pytest.fixture
def calendar_clock() -> Clock:
    return Clock(calendar.timegm((2026, 11, 30, 23, 59, 50)))


@pytest.fixture
def tiered(database_site: Site) -> Site:
    return Site(folder=database_site.folder, tiers=SITE_TIERS)


@pytest_asyncio.fixture
async def meter(database: Database, tiered: Site, calendar_clock: Clock, clock: Clock) -> AsyncIterator[Meter]:
    meter = Meter(tiered, calendar_clock, clock)
    yield meter
    await meter.close()


def who(key: str = "ke1", tier: str = "small") -> Principal:
    return Principal("default", "production", tier, ("*",), key)


async def test_a_key_that_took_its_volume_is_refused_with_the_limit(meter: Meter) -> None:
    await meter.check(who())
    meter.charge(who(), 999)
    await meter.check(who())
    meter.charge(who(), 501)
    with pytest.raises(MonthlyBytesExceeded) as refused:
        await meter.check(who())
    body = refused.value.body()
    assert (body.status, body.title) == (403, "The monthly volume is used up.")
    assert (refused.value.limit, refused.value.used, refused.value.month) == (1000, 1500, "2026-11")
    assert body.detail is not None and "(monthly_bytes); 1500 were taken in 2026-11" in body.detail
    await meter.check(who("ke2"))
    await meter.check(who(tier="any"))


async def test_it_begins_anew_with_the_month(meter: Meter, calendar_clock: Clock) -> None:
    meter.charge(who(), 2000)
    with pytest.raises(MonthlyBytesExceeded):
        await meter.check(who())
    calendar_clock.now += 15
    assert month_of(calendar_clock.now) == "2026-12"
    await meter.check(who())
    meter.charge(who(), 1)
    await meter.flush()
    assert [await usage.taken(LIVE, month, "ke1") for month in ("2026-11", "2026-12")] == [2000, 1]


async def test_a_thousand_answers_are_one_write(meter: Meter, monkeypatch: pytest.MonkeyPatch) -> None:
    writes = 0
    add = usage.add

    async def counted(*arguments: Any) -> dict[str, int]:
        nonlocal writes
        writes += 1
        return await add(*arguments)

    monkeypatch.setattr(usage, "add", counted)
    for number in range(1000):
        meter.charge(who(f"ke{number % 3}", "any"), 10)
    await meter.flush()
    assert writes == 1
    assert await usage.taken(LIVE, "2026-11", "ke0") == 3340


async def test_it_is_written_by_itself_and_at_the_end(
    database: Database, tiered: Site, calendar_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metering, "EVERY", 0.05)
    meter = Meter(tiered, calendar_clock)
    meter.charge(who(), 1)
    async with asyncio.timeout(30):
        while await usage.taken(LIVE, "2026-11", "ke1") < 1:
            await asyncio.sleep(0.02)
    meter.charge(who(), 1)
    await meter.close()
    assert await usage.taken(LIVE, "2026-11", "ke1") == 2


async def test_what_another_process_served_counts_within_5_seconds(
    meter: Meter, tiered: Site, calendar_clock: Clock, clock: Clock
) -> None:
    elsewhere = Meter(tiered, calendar_clock, clock)
    await meter.check(who())
    elsewhere.charge(who(), 5000)
    await elsewhere.close()
    clock.now += 5
    with pytest.raises(MonthlyBytesExceeded):
        await meter.check(who())


async def test_what_the_database_refuses_is_written_later_once(meter: Meter, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: Any) -> dict[str, int]:
        raise DatabaseBusy("busy")

    meter.charge(who(), 1500)
    with monkeypatch.context() as patched:
        patched.setattr(usage, "add", refuse)
        await meter.flush()
    with pytest.raises(MonthlyBytesExceeded):
        await meter.check(who())
    await meter.flush()
    await meter.flush()
    assert await usage.taken(LIVE, "2026-11", "ke1") == 1500


async def test_what_is_handed_to_the_server_is_what_is_charged() -> None:
    sent: list[str] = []
    charged: list[int] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message["type"])

    start = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"700")]}
    body = metered(send, charged.append)
    await body(start)
    await body({"type": "http.response.body", "body": b"12345", "more_body": True})
    await body({"type": "http.response.body", "more_body": False})
    assert charged == [5, 0]
    file = metered(send, charged.append)
    await file(start)
    await file({"type": "http.response.pathsend", "path": "/x"})
    assert charged == [5, 0, 700]
    assert len(sent) == 5
