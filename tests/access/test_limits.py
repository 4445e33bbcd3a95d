"""Counting is exact, in one process and through Valkey, and outlives Valkey."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from reelkit.access.limits import RateLimits, kind_of, open_windows
from reelkit.access.principal import Principal
from reelkit.access.shared_windows import SharedWindows
from reelkit.access.windows import LocalWindows
from reelkit.problems import NotReady
from reelkit.site import Site, Tier, Valkey
from reelkit.testing.clock import Clock
from reelkit.testing.servers import ValkeyServer, run_valkey


@pytest_asyncio.fixture
async def shared(valkey_url: str, patient: None) -> AsyncIterator[SharedWindows]:
    windows = SharedWindows(valkey_url)
    yield windows
    await windows.close()


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[ValkeyServer]:
    """A Valkey that a test may stop."""
    with run_valkey(tmp_path / "valkey") as server:
        yield server


def principal(**fields: str) -> Principal:
    return Principal(**{"project": "p", "environment": "production", "tier": "t", "scopes": ("*",), "key_id": "k", **fields})  # type: ignore[arg-type]  # the defaults of a test


async def test_a_window_begins_with_its_first_request_and_ends() -> None:
    clock = Clock()
    windows = LocalWindows(clock)
    assert [windows.count("a", 60).count for _ in range(3)] == [1, 2, 3]
    clock.now += 59
    assert (windows.count("a", 60).left, windows.count("b", 60).count) == (1.0, 1)
    clock.now += 1
    assert windows.count("a", 60).count == 1


async def test_names_of_the_past_take_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LocalWindows, "SWEEP", 100)
    clock = Clock()
    windows = LocalWindows(clock)
    for number in range(10_000):
        clock.now += 1
        windows.count(str(number), 60)
    assert len(windows._counts) <= 200


async def test_all_checks_of_a_tick_are_one_call_and_exact(shared: SharedWindows) -> None:
    names = [f"n{number % 5}" for number in range(500)]
    taken = await asyncio.gather(*(shared.take(name, 1000, 60) for name in names))
    assert shared.calls == 1
    for each in set(names):
        counts = [found.count for name, found in zip(names, taken, strict=True) if name == each]
        assert counts == list(range(1, 101))
        assert all(59 < found.left <= 60 for found in taken)


async def test_more_names_than_fit_one_call_are_all_counted(shared: SharedWindows) -> None:
    taken = await asyncio.gather(*(shared.take(str(number), 10, 60) for number in range(2500)))
    assert [found.count for found in taken] == [1] * 2500
    assert shared.calls == 3


async def test_two_processes_count_together(shared: SharedWindows, valkey_url: str) -> None:
    elsewhere = SharedWindows(valkey_url)
    taken = await asyncio.gather(*((shared, elsewhere)[number % 2].take("k", 100, 60) for number in range(200)))
    await elsewhere.close()
    assert sorted(found.count for found in taken) == list(range(1, 201))


async def test_a_denial_needs_no_call_until_the_window_ends(shared: SharedWindows) -> None:
    await shared.take("k", 1, 2)
    assert (await shared.take("k", 1, 2)).count == 2
    calls = shared.calls
    for _ in range(50):
        denied = await shared.take("k", 1, 2)
        assert denied.count == 2
    assert shared.calls == calls
    await asyncio.sleep(denied.left + 0.05)
    assert (await shared.take("k", 1, 2)).count == 1


async def test_a_client_that_leaves_is_counted_and_harms_nobody(shared: SharedWindows) -> None:
    leaving = asyncio.create_task(shared.take("k", 10, 60))
    staying = asyncio.create_task(shared.take("k", 10, 60))
    await asyncio.sleep(0)
    leaving.cancel()
    assert (await staying).count == 2
    assert (await shared.take("k", 10, 60)).count == 3


@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP])
async def test_without_valkey_each_process_counts_and_warns(
    own_valkey: ValkeyServer, caplog: pytest.LogCaptureFixture, fault: signal.Signals
) -> None:
    windows = SharedWindows(own_valkey.url)
    await windows.take("k", 3, 60)
    os.kill(own_valkey.pid, fault)
    try:
        with caplog.at_level(logging.WARNING, "reelkit.access"):
            calls = windows.calls
            taken = [await windows.take("k", 3, 60) for _ in range(5)]
            assert windows.calls - calls <= 2, "one request in a while waits for it, not each"
        assert [found.count for found in taken] == [1, 2, 3, 4, 5]
        assert len(caplog.records) == 1 and "each process counts rate limits by itself" in caplog.text
    finally:
        if fault == signal.SIGSTOP:
            os.kill(own_valkey.pid, signal.SIGCONT)
    if fault == signal.SIGSTOP:
        await asyncio.sleep(1.1)
        await windows.take("after", 3, 60)
        calls = windows.calls
        await windows.take("after", 3, 60)
        assert windows.calls == calls + 1, "it is asked again once it is back"
    await windows.close()


async def test_what_happens_without_valkey_is_a_choice() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound, not listening
        url = f"valkey://127.0.0.1:{nobody.getsockname()[1]}"
        refusing, allowing = SharedWindows(url, "refuse"), SharedWindows(url, "allow")
        for _ in range(2):
            with pytest.raises(NotReady):
                await refusing.take("k", 1, 60)
            assert (await allowing.take("k", 1, 60)).count == 0
        await refusing.close()
        await allowing.close()


def test_a_site_counts_where_it_says(tmp_path: Path) -> None:
    assert isinstance(open_windows(Site(folder=tmp_path)), LocalWindows)
    assert isinstance(open_windows(Site(folder=tmp_path, valkey=Valkey(url="valkey://127.0.0.1:1"))), SharedWindows)


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("GET", "/videos", "reads"),
        ("HEAD", "/uploads/tus/1", "reads"),
        ("POST", "/videos", "writes"),
        ("DELETE", "/videos/vi1", "writes"),
        ("POST", "/videos/vi1/source", "uploads"),
        ("POST", "/upload", "uploads"),
        ("POST", "/upload-tokens", "writes"),
        ("PATCH", "/uploads/tus/1", "uploads"),
        ("PATCH", "/summaries/su1/source", "writes"),
    ],
)
def test_a_request_is_of_a_kind(method: str, path: str, kind: str) -> None:
    assert kind_of(method, path) == kind


@pytest.mark.parametrize(
    ("tier", "who", "kind", "expected"),
    [
        (Tier(limit=9), {}, "reads", ("all", 9)),
        (Tier(limit=9, reads=5), {}, "reads", ("reads", 5)),
        (Tier(limit=9, reads=5), {}, "writes", ("all", 9)),
        (Tier(limit=9, reads=5), {"environment": "sandbox"}, "reads", ("reads", 5)),
        (Site(folder=Path()).tiers["standard"], {}, "writes", ("all", 100)),
        (Site(folder=Path()).tiers["standard"], {"environment": "sandbox"}, "writes", ("all", 40)),
        (Tier(limit=3, sandbox_limit=40), {"environment": "sandbox"}, "writes", ("all", 3)),
        (Tier(limit=9, sandbox_limit=2, reads=5), {"environment": "sandbox"}, "writes", ("all", 2)),
        (Tier(limit=9, sandbox_uploads=2), {"environment": "sandbox"}, "uploads", ("uploads", 2)),
        (Tier(limit=9, sandbox_uploads=2), {}, "uploads", ("all", 9)),
        (Tier(limit=9, session_limit=3), {"session_id": "s"}, "reads", ("session", 3)),
        (Tier(limit=9), {"session_id": "s"}, "reads", ("session", 9)),
    ],
)
async def test_a_tier_says_what_counts(
    tmp_path: Path, tier: Tier, who: dict[str, str], kind: str, expected: tuple[str, int]
) -> None:
    limits = RateLimits(Site(folder=tmp_path, tiers={"t": tier}), LocalWindows())
    allowance = await limits.take(principal(**who), kind)  # type: ignore[arg-type]  # one of the kinds
    assert (allowance.policy, allowance.limit) == expected


async def test_a_window_never_ends_later_than_it_is_long(tmp_path: Path) -> None:
    clock = Clock()
    limits = RateLimits(Site(folder=tmp_path, tiers={"t": Tier(window=600)}), LocalWindows(clock))
    for number in range(1000):
        clock.now = number * 1234.567
        assert (await limits.take(principal(key_id=str(number)), "reads")).reset == 600


async def test_a_key_begins_anew_in_another_tier(tmp_path: Path) -> None:
    limits = RateLimits(Site(folder=tmp_path, tiers={"t": Tier(limit=1), "u": Tier(limit=2)}), LocalWindows())
    assert [(await limits.take(principal(), "reads")).allowed for _ in range(2)] == [True, False]
    assert (await limits.take(principal(tier="u"), "reads")).remaining == 1
