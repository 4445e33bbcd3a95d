"""The bounded memories of a process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from reelkit.delivery import caching
from reelkit.delivery.caching import Cache


async def test_a_value_is_loaded_once_however_many_ask_at_the_same_time() -> None:
    loads: list[str] = []

    async def load(key: str) -> str:
        loads.append(key)
        await asyncio.sleep(0.02)
        return key.upper()

    cache = Cache(load, capacity=10)
    assert await asyncio.gather(*(cache.get("a") for _ in range(50))) == ["A"] * 50
    assert await cache.get("a") == "A"
    assert loads == ["a"]


async def test_the_first_to_ask_may_leave_without_disturbing_the_others() -> None:
    gate = asyncio.Event()

    async def load(key: str) -> str:
        await gate.wait()
        return key

    cache = Cache(load, capacity=10)
    first = asyncio.create_task(cache.get("a"))
    await asyncio.sleep(0)
    second = asyncio.create_task(cache.get("a"))
    await asyncio.sleep(0)
    first.cancel()
    gate.set()
    assert await second == "a"
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_the_least_recently_used_goes_when_the_costs_exceed_the_capacity() -> None:
    loads: list[int] = []

    async def load(key: int) -> bytes:
        loads.append(key)
        return bytes(key)

    cache = Cache(load, capacity=100, cost=len)
    await cache.get(40)
    await cache.get(50)
    await cache.get(40)
    await cache.get(30)
    assert cache.total == 70
    assert [len(await cache.get(size)) for size in (40, 30, 500, 500)] == [40, 30, 500, 500]
    assert loads == [40, 50, 30, 500, 500], "one that is too large would push out all others"
    assert cache.total == 70
    await cache.get(50)
    assert loads[-1] == 50


async def test_a_value_grows_old_and_a_failure_is_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(caching, "time", SimpleNamespace(monotonic=lambda: now))
    answers: Iterator[str | Exception] = iter([ValueError("down"), "one", "two"])

    async def load(key: str) -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    cache = Cache(load, capacity=10, ttl=lambda _: 0.5)
    with pytest.raises(ValueError, match="down"):
        await cache.get("a")
    assert await cache.get("a") == "one"
    assert await cache.get("a") == "one"
    now += 0.55
    assert await cache.get("a") == "two"


async def test_a_flood_of_unknown_keys_stays_bounded() -> None:
    async def load(key: int) -> None:
        return None

    cache = Cache(load, capacity=100)
    for key in range(1000):
        await cache.get(key)
    assert len(cache) == cache.total == 100
