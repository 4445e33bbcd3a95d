"""Processes that die, freeze, or are told to cancel: no job is lost, none is done twice at once."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

TAKEOVER = 60.0
"""Seconds within which the job of a dead worker must run again."""


async def marks(ground: Any, *arguments: Any, **which: Any) -> list[Any]:
    found: list[Any] = await asyncio.to_thread(ground.await_marks, *arguments, **which)
    return found


async def start(ground: Any) -> subprocess.Popen[bytes]:
    process: subprocess.Popen[bytes] = await asyncio.to_thread(ground.start)
    return process


async def test_a_killed_process_finishes_its_job_after_a_restart(embedded: Any) -> None:
    first = await start(embedded)
    asker = await embedded.engine()
    await asker.submit("sleep", "a", {"seconds": 2})
    await marks(embedded, "start", "a")
    embedded.kill(first)
    assert (await asker.status("sleep", "a")).state == "running"
    assert len(list((embedded.folder / "data" / "scratch").rglob("half"))) == 1
    await start(embedded)
    assert (await asker.wait("sleep", "a", timeout=TAKEOVER)).state == "done"
    assert len(embedded.marks("start", key="a")) == 2
    assert len(embedded.marks("end", key="a")) == 1
    assert list((embedded.folder / "data" / "scratch").rglob("half")) == []


async def test_jobs_that_wait_survive_a_kill(embedded: Any) -> None:
    first = await start(embedded)
    asker = await embedded.engine()
    for number in range(6):
        await asker.submit("sleep", f"k{number}", {"seconds": 0.5})
    embedded.kill(first)
    await asker.submit("sleep", "k6", {"seconds": 0.5})  # while nobody runs jobs
    await start(embedded)
    for number in range(7):
        assert (await asker.wait("sleep", f"k{number}", timeout=TAKEOVER)).state == "done"
        assert len(embedded.marks("end", key=f"k{number}")) == 1


async def test_one_process_of_an_embedded_site_runs_jobs_and_another_takes_over(embedded: Any) -> None:
    first, second = await asyncio.gather(start(embedded), start(embedded))
    asker = await embedded.engine()
    for number in range(4):
        await asker.submit("sleep", f"k{number}", {"seconds": 0.3})
    for number in range(4):
        await asker.wait("sleep", f"k{number}", timeout=TAKEOVER)
    (runner,) = {m.pid for m in embedded.marks("start")}
    await asker.submit("sleep", "long", {"seconds": 2})
    await marks(embedded, "start", "long")
    embedded.kill(first if first.pid == runner else second)
    killed = time.monotonic()
    other = (await marks(embedded, "start", "long", count=2))[1].pid
    assert time.monotonic() - killed < 10
    assert other != runner
    assert (await asker.wait("sleep", "long", timeout=TAKEOVER)).state == "done"


async def test_a_web_worker_without_the_lock_has_its_jobs_started_at_once(embedded: Any) -> None:
    await start(embedded)
    asker = await embedded.engine()
    waits = []
    for number in range(6):
        await asyncio.sleep(0.1)
        begun = time.perf_counter()
        await asker.submit("sleep", f"k{number}", {"seconds": 0})
        await marks(embedded, "start", f"k{number}")
        waits.append(time.perf_counter() - begun)
    assert sorted(waits)[3] < 1


async def test_a_killed_worker_is_taken_over(cluster: Any) -> None:
    first, second = await asyncio.gather(start(cluster), start(cluster))
    asker = await cluster.engine()
    for number in range(4):
        await asker.submit("sleep", f"k{number}", {"seconds": 3})
    running = await marks(cluster, "start", count=4)
    assert {m.pid for m in running} == {first.pid, second.pid}
    cluster.kill(first)
    killed = time.monotonic()
    for number in range(4):
        assert (await asker.wait("sleep", f"k{number}", timeout=TAKEOVER)).state == "done"
        assert len(cluster.marks("end", key=f"k{number}")) == 1
    assert time.monotonic() - killed < TAKEOVER
    lost = {m.key for m in running if m.pid == first.pid}
    assert {m.key for m in cluster.marks("start") if m.pid == second.pid} >= lost


async def test_work_of_a_cluster_that_died_as_a_whole_goes_on_after_a_restart(cluster: Any) -> None:
    first = await start(cluster)
    asker = await cluster.engine()
    for number in range(3):
        await asker.submit("sleep", f"k{number}", {"seconds": 1})
    await marks(cluster, "start", count=2)
    cluster.kill(first)
    await start(cluster)
    for number in range(3):
        assert (await asker.wait("sleep", f"k{number}", timeout=TAKEOVER)).state == "done"
        assert len(cluster.marks("end", key=f"k{number}")) == 1


async def test_a_frozen_worker_that_was_taken_over_ends_when_it_thaws(cluster: Any) -> None:
    first = await start(cluster)
    asker = await cluster.engine()
    await asker.submit("sleep", "a", {"seconds": 4})
    await marks(cluster, "start", "a")
    first.send_signal(signal.SIGSTOP)
    second = await start(cluster)
    await marks(cluster, "start", "a", pid=second.pid)
    first.send_signal(signal.SIGCONT)
    assert await asyncio.to_thread(first.wait, 60) == 75
    assert (await asker.wait("sleep", "a", timeout=TAKEOVER)).state == "done"
    assert [m.pid for m in cluster.marks("end", key="a")] == [second.pid]


async def test_a_stopped_worker_hands_its_job_over_at_once(cluster: Any) -> None:
    first = await start(cluster)
    asker = await cluster.engine()
    await asker.submit("sleep", "a", {"seconds": 60})
    await marks(cluster, "start", "a")
    second = await start(cluster)
    first.send_signal(signal.SIGTERM)
    stopped = time.monotonic()
    await marks(cluster, "start", "a", pid=second.pid)
    assert time.monotonic() - stopped < 15
    assert await asyncio.to_thread(first.wait, 60) == 0


async def test_jobs_live_through_a_restart_of_the_database(cluster: Any, postgres_server: Any) -> None:
    worker = await start(cluster)
    asker = await cluster.engine()
    await asker.submit("sleep", "a", {"seconds": 4})
    await marks(cluster, "start", "a")
    # As a restart of the server looks to its clients: every connection breaks.
    name = cluster.url.rsplit("/", 1)[1]
    for _ in range(3):
        await asyncio.to_thread(
            postgres_server.psql, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        )
        await asyncio.sleep(0.7)
    assert (await asker.wait("sleep", "a", timeout=TAKEOVER)).state == "done"
    assert len(cluster.marks("start", key="a")) == 1
    await asker.submit("sleep", "b", {"seconds": 0})
    assert (await asker.wait("sleep", "b", timeout=TAKEOVER)).state == "done"
    assert worker.poll() is None


async def test_progress_is_seen_from_another_process(ground: Any) -> None:
    await start(ground)
    asker = await ground.engine()
    await asker.submit("sleep", "a", {"seconds": 2.5})
    seen = set()
    while not (status := await asker.status("sleep", "a")).final:
        seen.add(status.progress)
        await asyncio.sleep(0.1)
    assert status.progress == 1.0
    assert sum(0 < value < 1 for value in seen) >= 3


async def test_cancelling_from_another_process_ends_the_child(ground: Any, is_alive: Callable[[int], bool]) -> None:
    await start(ground)
    asker = await ground.engine()
    await asker.submit("child", "a", {})
    await asker.submit("child", "b", {})  # waits for its turn
    (child,) = await marks(ground, "child", "a")
    assert is_alive(child.number)
    await asker.cancel("child", "b")
    await asker.cancel("child", "a")
    await marks(ground, "gone", "a")
    assert not is_alive(child.number)
    assert (await asker.status("child", "a")).state == "cancelled"
    assert (await asker.status("child", "b")).state == "cancelled"
    # The slot is free again, and what was cancelled before it started never does.
    await asker.submit("child", "c", {})
    await marks(ground, "child", "c")
    assert ground.marks("child", key="b") == []


async def test_a_job_that_kills_its_process_is_given_up_and_those_beside_it_are_not(embedded: Any) -> None:
    asker = await embedded.engine()
    await asker.submit("sleep", "b", {"seconds": 2})
    await asker.submit("deadly", "a", {"name": "bomb"})
    for _ in range(6):
        process = await start(embedded)
        try:
            await asyncio.to_thread(process.wait, 8)
        except subprocess.TimeoutExpired:
            break
    status = await asker.wait("deadly", "a", timeout=TAKEOVER)
    assert status.state == "failed"
    assert "3 times" in status.failure
    assert embedded.told() == [f"bomb: {status.failure}"]
    assert len(embedded.marks("start", key="a")) == 3
    assert (await asker.wait("sleep", "b", timeout=TAKEOVER)).state == "done"
