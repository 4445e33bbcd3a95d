"""Ladders that are made in two runs, and what hastens the second."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from reelkit.catalog import work
from reelkit.catalog.playback import Playback, playback
from reelkit.catalog.sources import Source
from reelkit.interfaces.transcoder import TranscodeTask
from reelkit.jobs.erasing import erase
from reelkit.jobs.ingest import ingest
from reelkit.jobs.job import JobContext
from reelkit.jobs.laziness import REST, Attention, rest_of
from reelkit.jobs.runtime import Runtime
from reelkit.jobs.transcode import transcode, transcode_failed
from reelkit.site import Jobs

Upload = Callable[[Path], Awaitable[Source]]
Begin = Callable[[str, Source], JobContext]
SampleMaker = Callable[..., Path]


@pytest.fixture
async def source(runtime: Runtime, upload: Upload, job: Begin, sample: SampleMaker) -> Source:
    """A source in 720p that is copied, ingested."""
    put = await upload(sample(duration=3, width=1280, height=720))
    await ingest(runtime, job("ingest", put), {"source_id": put.id})
    return put


async def states(source: Source) -> dict[str, str]:
    return {one.quality: one.status for one in await work.renditions_of(source.id)}


async def view(source: Source) -> Playback:
    found = await playback(source.video_id)
    assert found is not None
    return found


def waiting(runtime: Runtime) -> list[tuple[str, int]]:
    """Return the jobs that wait, and their priorities, in the order in which they are taken."""
    with runtime.engine._durable.engine.begin() as connection:
        rows = connection.exec_driver_sql(
            "SELECT workflow_uuid, priority FROM workflow_status WHERE status = 'ENQUEUED' AND queue_name = 'transcode'"
            " ORDER BY priority, created_at"
        )
        return [(row[0], row[1]) for row in rows]


async def test_a_small_size_is_made_at_once_and_the_rest_in_one_run(
    runtime: Runtime, source: Source, job: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[list[str]] = []
    run = runtime.transcoder.run

    async def counted(task: TranscodeTask, tell: Any) -> Any:
        runs.append([rung.name for rung in task.ladder.rungs])
        return await run(task, tell)

    monkeypatch.setattr(runtime.transcoder, "run", counted)
    assert waiting(runtime) == [(f"transcode:{source.id}", 0), (f"transcode:{rest_of(source)}", 2)]
    await transcode(runtime, job("transcode", source), {"source_id": source.id, "part": "first"})
    assert await states(source) == {"720p": "encoded", "480p": "waiting", "360p": "encoded", "240p": "waiting"}
    first = await view(source)
    assert first.lazy and first.growing
    assert first.source is not None and first.source.poster_key is not None
    await transcode(runtime, job("transcode", source), {"source_id": source.id, "part": REST})
    assert set((await states(source)).values()) == {"encoded"}
    assert runs == [["360p"], ["480p", "240p"]]
    done = await view(source)
    assert not done.lazy and not done.growing


async def test_who_watches_does_not_wait_for_those_that_nobody_watches(
    runtime: Runtime, source: Source, upload: Upload, job: Begin, sample: SampleMaker
) -> None:
    later = await upload(sample(duration=3, width=1280, height=720))
    await ingest(runtime, job("ingest", later), {"source_id": later.id})
    attention = Attention(runtime.engine)
    await attention.watched(await view(later))
    assert [name for name, _ in waiting(runtime)] == [
        *(f"transcode:{one.id}" for one in (source, later)),
        *(f"transcode:{rest_of(one)}" for one in (later, source)),
    ]


async def test_of_a_deleted_video_nothing_is_made(runtime: Runtime, source: Source) -> None:
    video = await work.video(source.video_id)
    assert video is not None and waiting(runtime)
    await erase(runtime, video)
    assert waiting(runtime) == []


async def test_a_failure_is_that_of_its_part(runtime: Runtime, source: Source) -> None:
    await transcode_failed(runtime, {"source_id": source.id, "part": REST}, "The disk is full.")
    assert await states(source) == {"720p": "encoded", "480p": "failed", "360p": "waiting", "240p": "failed"}


async def test_a_site_can_ask_for_all_at_once(runtime: Runtime, upload: Upload, job: Begin, sample: SampleMaker) -> None:
    put = await upload(sample(duration=3, width=1280, height=720))
    site = msgspec.structs.replace(runtime.site, jobs=Jobs(ladder="at-once"))
    eager = Runtime(**{name: getattr(runtime, name) for name in runtime.__slots__} | {"site": site})
    await ingest(eager, job("ingest", put), {"source_id": put.id})
    assert waiting(runtime) == [(f"transcode:{put.id}", 0)]


async def test_a_ladder_of_one_small_size_more_is_made_in_one_run(
    runtime: Runtime, upload: Upload, job: Begin, sample: SampleMaker
) -> None:
    put = await upload(sample(duration=3, width=854, height=480))
    await ingest(runtime, job("ingest", put), {"source_id": put.id})
    assert [name for name, _ in waiting(runtime)] == [f"transcode:{put.id}"]
