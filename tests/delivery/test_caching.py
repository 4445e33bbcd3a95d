"""The bounded memories of a process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
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
    async def load(key: int) -> bytes:
        return bytes(key)

    cache = Cache(load, capacity=100, cost=len)
    await cache.get(40)
    await cache.get(50)
    await cache.get(40)
    await cache.get(30)
    assert (cache.peek(40), cache.peek(50), cache.peek(30)) == (bytes(40), None, bytes(30))
    assert cache.total == 70
    assert len(await cache.get(500)) == 500
    assert cache.peek(500) is None, "one that is too large would push out all others"
    assert cache.total == 70


async def test_a_value_grows_old_and_a_failure_is_not_remembered() -> None:
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
    await asyncio.sleep(0.55)
    assert await cache.get("a") == "two"


async def test_a_flood_of_unknown_keys_stays_bounded() -> None:
    async def load(key: int) -> None:
        return None

    cache = Cache(load, capacity=100)
    for key in range(1000):
        await cache.get(key)
    assert len(cache) == cache.total == 100
