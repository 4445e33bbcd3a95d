"""Drafts that are watched while they grow."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import av
import pytest
from reelkit.catalog import videos, work
from reelkit.catalog.errors import DatabaseBusy
from reelkit.catalog.playback import Playback, playback
from reelkit.catalog.sources import Source
from reelkit.jobs.draft import draft, draft_failed
from reelkit.jobs.ingest import ingest
from reelkit.jobs.job import JobContext
from reelkit.jobs.runtime import Runtime, running
from reelkit.jobs.transfer import content
from reelkit.operations.recovery import sweep
from reelkit.plugins import load_plugins

Upload = Callable[[Path], Awaitable[Source]]
Begin = Callable[[str, Source], JobContext]
SampleMaker = Callable[..., Path]
UploadTo = Callable[[Runtime, Path], Awaitable[Source]]
UntilPlayable = Callable[..., Awaitable[Playback]]
Keys = Callable[[], Awaitable[list[str]]]


@pytest.fixture
async def source(runtime: Runtime, upload: Upload, job: Begin, sample: SampleMaker) -> Source:
    """A source that has to be encoded, ingested."""
    put = await upload(sample(duration=9, width=640, height=360, container="mkv"))
    await ingest(runtime, job("ingest", put), {"source_id": put.id})
    return put


async def test_a_draft_plays_from_its_first_segment_on(
    runtime: Runtime, source: Source, job: Begin, until_playable: UntilPlayable, told: Any, tmp_path: Path
) -> None:
    run = asyncio.create_task(draft(runtime, job("draft", source), {"source_id": source.id}))
    growing = await until_playable(source.video_id, run)
    assert not growing.drafts[0].complete
    await run

    watched = await playback(source.video_id)
    assert watched is not None
    [done] = watched.drafts
    assert done.complete
    assert [segment.number for segment in done.segments] == [0, 1, 2, 3, 4, 5]
    assert [segment.duration for segment in done.segments] == pytest.approx([0, 2, 2, 2, 2, 1], abs=0.05)
    row = done.rendition
    assert (row.quality, row.width, row.height, row.frame_rate) == ("360p", 640, 360, 30.0)
    assert row.codecs.split(",")[0].startswith("avc1.4D") and row.codecs.endswith("mp4a.40.2")
    assert row.bandwidth > 500_000
    whole = tmp_path / "whole.mp4"
    whole.write_bytes(b"".join([await content(runtime.storage, segment.storage_key) for segment in done.segments]))
    with av.open(str(whole)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 270
    assert told.types == ["video.playable"]


async def test_the_next_attempt_begins_a_draft_of_its_own(
    runtime: Runtime, source: Source, job: Begin, until_playable: UntilPlayable, keys: Keys
) -> None:
    run = asyncio.create_task(draft(runtime, job("draft", source), {"source_id": source.id}))
    watched = await until_playable(source.video_id, run)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    torn = watched.drafts[0].rendition
    await draft(runtime, job("draft", source), {"source_id": source.id})
    after = await playback(source.video_id)
    assert after is not None
    [done] = after.drafts
    assert done.complete and done.rendition.id != torn.id
    await sweep(runtime.storage)
    assert not [key for key in await keys() if torn.id in key]
    # A third attempt finds nothing to do.
    await draft(runtime, job("draft", source), {"source_id": source.id})
    assert await playback(source.video_id) == after


async def test_an_attempt_that_ends_before_its_first_commit_is_no_hindrance(
    runtime: Runtime, source: Source, job: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(work, "add_draft_segment", _busy)
        with pytest.raises(DatabaseBusy):
            await draft(runtime, job("draft", source), {"source_id": source.id})
    await draft(runtime, job("draft", source), {"source_id": source.id})
    after = await playback(source.video_id)
    assert after is not None and after.drafts[0].complete


async def _busy(*_: Any) -> bool:
    raise DatabaseBusy("Another process kept the database locked for too long.")


async def test_a_video_that_was_deleted_ends_its_draft(
    runtime: Runtime, source: Source, job: Begin, until_playable: UntilPlayable, keys: Keys
) -> None:
    run = asyncio.create_task(draft(runtime, job("draft", source), {"source_id": source.id}))
    await until_playable(source.video_id, run)
    await videos.delete(source.scope, source.video_id)
    await asyncio.wait_for(run, 60)
    await sweep(runtime.storage)
    assert await keys() == []


async def test_a_draft_that_fails_says_why(runtime: Runtime, source: Source) -> None:
    await draft_failed(runtime, {"source_id": source.id}, "The file is damaged.")
    states = {(r.kind, r.status, r.failure) for r in await work.renditions_of(source.id) if r.kind == "draft"}
    assert states == {("draft", "failed", "The file is damaged.")}


@pytest.mark.parametrize(
    "options",
    [
        {"container": "webm", "video": "libvpx-vp9", "audio": "libopus", "video_options": ("-deadline", "realtime")},
        {"container": "ts"},
    ],
    ids=["VP9", "MPEG-TS"],
)
async def test_three_seconds_after_the_last_byte_there_is_something_to_watch(
    options: dict[str, Any], site: Any, sample: SampleMaker, upload_to: UploadTo, until_playable: UntilPlayable
) -> None:
    made = sample(duration=8, width=1280, height=720, **options)
    async with running(site, load_plugins(site, third_party=True)) as runtime:
        put = await upload_to(runtime, made)
        started = time.monotonic()
        await runtime.engine.submit("ingest", put.id, {"source_id": put.id})
        await until_playable(put.video_id)
        took = time.monotonic() - started
    # Five times the promise, as tests share the machine.
    assert took < 15
    print(f"first segment listed after {took:.2f} s")
