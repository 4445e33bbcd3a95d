"""What every site can rely on, embedded or in a cluster."""

from __future__ import annotations

import asyncio
import dataclasses
import errno
import time
from typing import Any

import pytest
from reelkit.catalog.errors import DatabaseUnavailable
from reelkit.interfaces.storage import StorageFull, StorageUnavailable
from reelkit.interfaces.transcoder import TranscodeFailed
from reelkit.jobs.attempt import in_words
from reelkit.jobs.engine import JobsUnavailable


async def test_a_submitted_job_is_done(ground: Any) -> None:
    engine = await ground.engine(run=True)
    await engine.submit("sleep", "a", {"seconds": 0.2})
    status = await engine.wait("sleep", "a", timeout=60)
    assert (status.state, status.progress, status.failure) == ("done", 1.0, None)
    assert [m.word for m in ground.marks(key="a")] == ["start", "end"]


async def test_the_same_key_is_one_job_also_after_its_end(ground: Any) -> None:
    engine = await ground.engine(run=True)
    await asyncio.gather(*(engine.submit("sleep", "a", {"seconds": 0.1}) for _ in range(5)))
    await engine.wait("sleep", "a", timeout=60)
    await engine.submit("sleep", "a", {"seconds": 0.1})
    await engine.submit("sleep", "b", {"seconds": 0.1})
    await engine.wait("sleep", "b", timeout=60)
    assert len(ground.marks("start", key="a")) == 1


@pytest.mark.parametrize(("error", "tells"), [(DatabaseUnavailable("away"), 7), (RuntimeError("a fault"), 3)])
async def test_an_outage_is_waited_out_until_a_failure_is_told(
    embedded: Any, monkeypatch: pytest.MonkeyPatch, error: Exception, tells: int
) -> None:
    monkeypatch.setattr("reelkit.jobs.attempt.PAUSE", 0.01)
    engine = await embedded.engine(run=True)
    told = 0

    async def failed(_payload: dict[str, Any], _reason: str) -> None:
        nonlocal told
        told += 1
        if told < 7:
            raise error

    engine.kinds["hopeless"] = dataclasses.replace(engine.kinds["hopeless"], failed=failed)
    await engine.submit("hopeless", "a", {})
    assert (await engine.wait("hopeless", "a", timeout=60)).state == "failed"
    assert told == tells


async def test_a_failing_job_is_tried_again_until_it_works(ground: Any) -> None:
    engine = await ground.engine(run=True)
    await engine.submit("flaky", "a", {"works": 3})
    assert (await engine.wait("flaky", "a", timeout=60)).state == "done"
    assert [m.number for m in ground.marks("start", key="a")] == [1, 2, 3]
    assert ground.told() == []


async def test_a_job_that_keeps_failing_fails_with_its_reason(ground: Any) -> None:
    engine = await ground.engine(run=True)
    await engine.submit("flaky", "a", {"works": 9, "name": "clip"})
    status = await engine.wait("flaky", "a", timeout=60)
    assert (status.state, status.failure) == ("failed", "The storage of the site did not do its part.")
    assert len(ground.marks("start", key="a")) == 3
    assert ground.told() == ["clip: The storage of the site did not do its part."]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/srv/site/data/scratch/1"), "The site has no room left"),
        (StorageFull("acme/vi1/source", "12 bytes do not fit"), "The site has no room left"),
        (StorageUnavailable("acme/vi1/source", "10.0.0.7 refused"), "The storage of the site did not do its part."),
        (FileNotFoundError(errno.ENOENT, "No such file", "/srv/site/data/scratch/1"), "Something went wrong on the site"),
        (KeyError("codec"), "Something went wrong on the site"),
        (TranscodeFailed("The picture ends too early."), "The picture ends too early."),
    ],
)
def test_a_reason_is_for_people_and_names_no_file_or_host(error: Exception, words: str) -> None:
    assert in_words(error).startswith(words)
    assert "/" not in in_words(error) and "10.0" not in in_words(error)


async def test_a_permanent_failure_is_not_tried_again(ground: Any) -> None:
    engine = await ground.engine(run=True)
    await engine.submit("hopeless", "a", {"name": "clip"})
    status = await engine.wait("hopeless", "a", timeout=60)
    assert (status.state, status.failure) == ("failed", "The file has no video.")
    assert len(ground.marks("start", key="a")) == 1
    assert ground.told() == ["clip: The file has no video."]


async def test_a_cancellation_inside_a_job_is_a_failure_like_others(embedded: Any) -> None:
    engine = await embedded.engine(run=True)
    await engine.submit("confused", "a", {})
    assert (await engine.wait("confused", "a", timeout=60)).state == "done"
    assert [m.number for m in embedded.marks("start", key="a")] == [1, 2]


async def test_no_more_jobs_of_a_kind_run_at_once_than_it_allows(ground: Any) -> None:
    engine = await ground.engine(run=True)
    for number in range(7):
        await engine.submit("sleep", f"k{number}", {"seconds": 0.3})
    for number in range(7):
        await engine.wait("sleep", f"k{number}", timeout=30)
    running = most = 0
    for mark in ground.marks(kind="sleep"):
        running += 1 if mark.word == "start" else -1
        most = max(most, running)
    assert most == 2


async def test_urgent_jobs_start_first(embedded: Any) -> None:
    engine = await embedded.engine(run=True)
    # One place is free while both of the others wait for it.
    for key, seconds in (("first", 2), ("second", 60)):
        await engine.submit("sleep", key, {"seconds": seconds})
    await asyncio.to_thread(embedded.await_marks, "start", None, 2)
    await engine.submit("sleep", "later", {"seconds": 0.01}, priority=10)
    await engine.submit("sleep", "sooner", {"seconds": 0.01}, priority=1)
    await engine.wait("sleep", "later", timeout=60)
    starts = [m.key for m in embedded.marks("start")]
    assert starts.index("sooner") < starts.index("later")


async def test_a_job_that_waits_can_be_hastened(embedded: Any) -> None:
    await hastened(embedded)


async def test_a_job_that_waits_can_be_hastened_on_postgres(cluster: Any) -> None:
    await hastened(cluster)


async def hastened(there: Any) -> None:
    asker = await there.engine()
    for key, priority in (("first", 5), ("patient", 6), ("wanted", 9)):
        await asker.submit("sleep", key, {"seconds": 0.5}, priority=priority)
    await asker.hasten("sleep", "wanted", 1)
    # One that nobody knows is no error.
    await asker.hasten("sleep", "unknown", 1)
    await there.engine(run=True)
    await asker.wait("sleep", "patient", timeout=60)
    # Two run at once.
    assert [mark.key for mark in there.marks("start")][2] == "patient"


async def test_an_idle_engine_starts_a_job_at_once(embedded: Any) -> None:
    engine = await embedded.engine(run=True)
    waits = []
    for number in range(10):
        await asyncio.sleep(0.1)
        begun = time.perf_counter()
        await engine.submit("sleep", f"k{number}", {"seconds": 0.0})
        await asyncio.to_thread(embedded.await_marks, "start", f"k{number}")
        waits.append(time.perf_counter() - begun)
    # Measured 0.02 s alone on the machine; polling would take seconds.
    assert sorted(waits)[5] < 1


async def test_an_unknown_kind_and_a_payload_that_is_not_json_are_refused(embedded: Any) -> None:
    engine = await embedded.engine()
    with pytest.raises(KeyError):
        await engine.submit("transmogrify", "a", {})
    with pytest.raises(TypeError):
        await engine.submit("sleep", "a", {"seconds": object()})
    assert await engine.status("sleep", "a") is None


async def test_an_unknown_job_has_no_status(embedded: Any) -> None:
    engine = await embedded.engine()
    assert await engine.status("sleep", "nobody") is None
    await engine.cancel("sleep", "nobody")
    with pytest.raises(LookupError):
        await engine.wait("sleep", "nobody")


async def test_the_scratch_of_an_attempt_is_removed(embedded: Any) -> None:
    engine = await embedded.engine(run=True)
    await engine.submit("sleep", "a", {"seconds": 1.5})
    await asyncio.to_thread(embedded.await_marks, "start", "a")
    assert len(list((embedded.folder / "data" / "scratch").rglob("half"))) == 1
    await engine.wait("sleep", "a", timeout=60)
    assert list((embedded.folder / "data" / "scratch").rglob("half")) == []


async def test_stopping_puts_a_running_job_back(ground: Any) -> None:
    engine = await ground.engine(run=True)
    await engine.submit("sleep", "a", {"seconds": 2})
    await asyncio.to_thread(ground.await_marks, "start", "a")
    ground.engines.clear()
    await engine.stop()
    other = await ground.engine()
    status = await other.status("sleep", "a")
    assert status is not None and status.state == "queued"
    again = await ground.engine(run=True)
    assert (await again.wait("sleep", "a", timeout=60)).state == "done"
    # The interrupted attempt was nobody's fault.
    assert [m.number for m in ground.marks("start", key="a")] == [1, 1]


async def test_periodic_work_runs_once_an_interval(ground: Any) -> None:
    runs: list[float] = []

    async def work() -> None:
        runs.append(time.monotonic())

    engine = await ground.engine(run=True)
    started = time.monotonic()
    engine.schedule("test.work", 1.0, work)
    engine.schedule("test.work", 1.0, work)  # as another process would
    deadline = time.monotonic() + 60
    while len(runs) < 4:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    # Turns are claimed a second apart; a busy machine may begin one late, and then the next is nearer to it.
    assert all(at - started >= 0.95 * number for number, at in enumerate(runs)), runs


async def test_jobs_are_forgotten_a_month_after_their_end(embedded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = await embedded.engine(run=True)
    await engine.submit("sleep", "a", {"seconds": 0})
    await engine.submit("hopeless", "b", {})
    await engine.wait("sleep", "a", timeout=60)
    await engine.wait("hopeless", "b", timeout=60)
    await engine.submit("sleep", "c", {"seconds": 2})
    await engine.forget()
    assert await engine.status("sleep", "a") is not None
    monkeypatch.setattr("reelkit.jobs.engine.KEEP_SECONDS", -1.0)
    await engine.forget()
    assert await engine.status("sleep", "a") is None
    assert await engine.status("hopeless", "b") is None
    assert (await engine.wait("sleep", "c", timeout=60)).state == "done"


async def test_a_missing_database_is_named_at_the_start(make_ground: Any) -> None:
    ground = make_ground("postgresql://nobody@127.0.0.1:1/nothing")
    with pytest.raises(JobsUnavailable, match="cannot be opened"):
        await ground.engine()
    ground.engines.clear()


async def test_submitting_during_an_outage_says_so(cluster: Any, postgres_server: Any) -> None:
    engine = await cluster.engine()
    name = cluster.url.rsplit("/", 1)[1]
    await asyncio.to_thread(postgres_server.psql, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    end = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    await asyncio.to_thread(postgres_server.psql, end)
    with pytest.raises(JobsUnavailable) as refused:
        await engine.submit("sleep", "a", {"secret": 0})
    assert "INSERT" not in str(refused.value)
    assert "secret" not in str(refused.value)
    for asked in (engine.check(), engine.status("sleep", "a"), engine.cancel("sleep", "a"), engine.hasten("sleep", "a")):
        with pytest.raises(JobsUnavailable):
            await asked
    await asyncio.to_thread(postgres_server.psql, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    await engine.check()
    await engine.submit("sleep", "a", {"seconds": 0})


async def test_the_thread_pool_of_the_server_stays_its_own(embedded: Any) -> None:
    engine = await embedded.engine(run=True)
    await engine.submit("sleep", "a", {"seconds": 0.0})
    await engine.wait("sleep", "a", timeout=60)
    embedded.engines.clear()
    await engine.stop()
    assert await asyncio.to_thread(lambda: 7) == 7
