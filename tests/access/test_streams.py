"""A tier says how many watch at once on one key; a place is kept by asking and given back by silence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from reelkit.access.principal import Principal
from reelkit.access.shared_calls import SharedCalls
from reelkit.access.shared_leases import SharedLeases
from reelkit.access.shared_windows import SharedWindows
from reelkit.access.streams import LEASE, LocalLeases, Streams, open_streams
from reelkit.access.windows import LocalWindows
from reelkit.problems import NotReady, TooManyStreams
from reelkit.site import Site, Tier
from reelkit.testing.clock import Clock
from reelkit.testing.servers import run_valkey


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(folder=tmp_path, tiers={"two": Tier(concurrent_streams=2), "any": Tier()})


@pytest.fixture
def streams(site: Site, clock: Clock) -> Streams:
    return Streams(site, LocalLeases(clock), clock)


@pytest_asyncio.fixture
async def calls(valkey_url: str, patient: None) -> AsyncIterator[SharedCalls]:
    calls = SharedCalls(valkey_url)
    yield calls
    await calls.close()


def watching(key: str = "ke1", tier: str = "two") -> Principal:
    return Principal("default", "production", tier, ("*",), key)


async def test_one_more_than_the_tier_allows_is_told_the_limit(streams: Streams) -> None:
    for session in ("a", "b", "a", "b"):
        await streams.hold(watching(), session)
    with pytest.raises(TooManyStreams) as refused:
        await streams.hold(watching(), "c")
    body = refused.value.body()
    assert (body.status, body.title) == (429, "Too many streams at once.")
    assert (refused.value.limit, refused.value.tier, refused.value.retry_after) == (2, "two", 12)
    assert body.detail is not None and "2 viewer(s) at once on one key (concurrent_streams)" in body.detail
    await streams.hold(watching(key="ke2"), "c")


async def test_a_viewer_who_asks_on_keeps_the_place_and_one_who_stops_loses_it(streams: Streams, clock: Clock) -> None:
    await streams.hold(watching(), "a")
    await streams.hold(watching(), "b")
    for _ in range(10):
        clock.now += LEASE - 0.1
        await streams.hold(watching(), "a")
    await streams.hold(watching(), "c")
    with pytest.raises(TooManyStreams):
        await streams.hold(watching(), "b")


async def test_a_tier_without_the_figure_counts_nobody(site: Site, clock: Clock) -> None:
    leases = LocalLeases(clock)
    streams = Streams(site, leases, clock)
    for number in range(100):
        await streams.hold(watching(tier="any"), str(number))
    assert not leases._keys


async def test_keys_of_the_past_take_no_memory(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    monkeypatch.setattr(LocalLeases, "SWEEP", 100)
    leases = LocalLeases(clock)
    for number in range(5_000):
        clock.now += 1
        leases.take(str(number), "a", 1)
    assert len(leases._keys) <= 200


async def test_viewers_of_the_past_take_no_memory(clock: Clock) -> None:
    leases = LocalLeases(clock)
    for number in range(5_000):
        clock.now += 1
        assert leases.take("k", str(number), 1_000_000) == 0
    assert len(leases._keys["k"].ends) <= 64


async def test_two_processes_give_away_each_place_once(site: Site, calls: SharedCalls, valkey_url: str) -> None:
    elsewhere = SharedCalls(valkey_url)
    one, other = Streams(site, SharedLeases(calls)), Streams(site, SharedLeases(elsewhere))
    found = await asyncio.gather(
        *((one, other)[number % 2].hold(watching(), str(number)) for number in range(20)), return_exceptions=True
    )
    await elsewhere.close()
    assert found.count(None) == 2
    assert all(result is None or isinstance(result, TooManyStreams) for result in found)


async def test_a_renewal_asks_valkey_every_few_seconds_only(site: Site, calls: SharedCalls, clock: Clock) -> None:
    streams = Streams(site, SharedLeases(calls), clock)
    for _ in range(50):
        await streams.hold(watching(), "a")
    assert calls.calls == 1
    clock.now += 4
    await streams.hold(watching(), "a")
    assert calls.calls == 2


async def test_a_lease_in_valkey_ends_by_itself(calls: SharedCalls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reelkit.access.shared_leases.LEASE", 1.0)
    leases = SharedLeases(calls)
    assert await leases.hold("k", "a", 1) == 0
    left = await leases.hold("k", "b", 1)
    assert 0 < left <= 1
    await asyncio.sleep(left + 0.05)
    assert await leases.hold("k", "b", 1) == 0


async def test_without_valkey_the_site_says_what_happens(site: Site, tmp_path: Path) -> None:
    with run_valkey(tmp_path / "valkey") as server:
        url = server.url
    choices = {choice: SharedCalls(url, choice) for choice in ("count", "allow", "refuse")}
    for calls in choices.values():
        await calls.call("return {}", [], [])
    counting, allowing, refusing = (Streams(site, SharedLeases(calls)) for calls in choices.values())
    for session in "ab":
        await counting.hold(watching(), session)
    with pytest.raises(TooManyStreams):
        await counting.hold(watching(), "c")
    for session in "abc":
        await allowing.hold(watching(), session)
    with pytest.raises(NotReady):
        await refusing.hold(watching(), "a")
    for calls in choices.values():
        await calls.close()


async def test_streams_are_counted_where_requests_are(site: Site, valkey_url: str) -> None:
    assert isinstance(open_streams(site, LocalWindows())._leases, LocalLeases)
    windows = SharedWindows(valkey_url)
    assert isinstance(open_streams(site, windows)._leases, SharedLeases)
    await windows.close()
