"""What has outlived its time goes, with its bytes; what is wanted stays; what a dead process forgot is done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from reelkit.catalog import doomed, sources, videos, work
from reelkit.catalog.scope import Scope, scoped
from reelkit.catalog.sources import Source
from reelkit.catalog.sqlite import SQLite
from reelkit.catalog.video_rows import VideoRow
from reelkit.catalog.videos import NewVideo
from reelkit.jobs.expire import expire, expire_abandoned
from reelkit.jobs.runtime import Runtime

SCOPE, SANDBOX = Scope("default"), Scope("default", "sandbox")


def after(**age: float) -> datetime:
    return datetime.now(UTC) + timedelta(**age)


async def names() -> list[str]:
    """Return the titles of every video that is left, discarded ones too."""
    found = [
        video.title
        for scope in (SCOPE, SANDBOX)
        for discarded in (False, True)
        for video in (await videos.page(scope, discarded=discarded, page_size=100)).items
    ]
    return sorted(found)


@pytest.fixture
async def full(runtime: Runtime, upload: Callable[[Path], Awaitable[Source]], sample_h264: Path) -> str:
    """One video of each kind; returns the id of the one that is in use."""
    source = await upload(sample_h264)
    await videos.create(SCOPE, NewVideo(title="empty"))
    begun = await videos.create(SCOPE, NewVideo(title="unfinished"))
    assert isinstance(await sources.begin(SCOPE, begun.video_id, "a.mp4"), Source)
    broken = await videos.create(SCOPE, NewVideo(title="broken off"))
    cut = await sources.begin(SCOPE, broken.video_id, "a.mp4")
    assert isinstance(cut, Source) and await work.fail_source(cut.id, "The upload was interrupted.")
    discarded = await videos.create(SCOPE, NewVideo(title="discarded"))
    kept = await sources.begin(SCOPE, discarded.video_id, "a.mp4")
    assert isinstance(kept, Source) and await sources.uploaded(SCOPE, kept, 1, "0")
    await videos.discard(SCOPE, discarded.video_id)
    never_filled = await videos.create(SCOPE, NewVideo(title="discarded empty"))
    await videos.discard(SCOPE, never_filled.video_id)
    await videos.create(SANDBOX, NewVideo(title="tried out"))
    await videos.create(SCOPE, NewVideo(title="on its way", origin="url", origin_uri="http://127.0.0.1:1/", fetching=True))
    return source.video_id


@pytest.mark.parametrize(
    ("age", "left"),
    [
        (
            {"hours": 23},
            ["A video", "broken off", "discarded", "discarded empty", "empty", "on its way", "tried out", "unfinished"],
        ),
        ({"hours": 25}, ["A video", "broken off", "discarded", "discarded empty", "empty", "on its way", "unfinished"]),
        ({"days": 6.9}, ["A video", "broken off", "discarded", "discarded empty", "empty", "on its way", "unfinished"]),
        ({"days": 7.1}, ["A video", "discarded", "discarded empty", "on its way"]),
        ({"days": 89}, ["A video", "discarded", "discarded empty", "on its way"]),
        ({"days": 91}, ["A video", "on its way"]),
    ],
)
async def test_each_kind_goes_when_its_time_has_come(
    runtime: Runtime, full: str, age: dict[str, float], left: list[str]
) -> None:
    before = await names()

    await expire(runtime, after(**age))
    await expire_abandoned(runtime, after(**age))

    assert await names() == left
    assert len(await doomed.pending()) >= len(before) - len(left)
    assert await videos.get(SCOPE, full) is not None


async def test_the_day_of_a_sandbox_begins_with_the_upload(runtime: Runtime) -> None:
    video = await videos.create(SANDBOX, NewVideo(title="filled late"))
    old = {VideoRow.created_at: after(days=-3)}
    await scoped(VideoRow, SANDBOX).update(old).where(VideoRow.id == video.video_id)
    source = await sources.begin(SANDBOX, video.video_id, "a.mp4")
    assert isinstance(source, Source) and await sources.uploaded(SANDBOX, source, 1, "0")

    await expire(runtime, after(hours=23))
    assert await names() == ["filled late"]
    await expire(runtime, after(hours=25))
    assert await names() == []


async def test_what_is_looked_for_often_is_found_by_an_index(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[str, Sequence[object]]] = []
    fetch = SQLite.fetch

    async def recorded(self: SQLite, sql: str, args: Sequence[object] = ()) -> list[dict[str, object]]:
        sent.append((sql, args))
        return await fetch(self, sql, args)

    with monkeypatch.context() as patched:
        patched.setattr(SQLite, "fetch", recorded)
        await expire(runtime)

    selects = [(sql, args) for sql, args in sent if sql.startswith("SELECT") and '"video"' in sql]
    assert len(selects) == 4
    for sql, args in selects:
        plan = await runtime.database.fetch(f"EXPLAIN QUERY PLAN {sql}", *args)
        assert any("USING INDEX" in row["detail"] for row in plan), (sql, plan)


async def test_what_a_dead_process_forgot_is_submitted_once(runtime: Runtime) -> None:
    new = NewVideo(title="t", origin="url", origin_uri="http://127.0.0.1:1/", fetching=True)
    video = await videos.create(SCOPE, new)

    await expire(runtime)
    await expire(runtime)

    status = await runtime.engine.status("fetch", video.video_id)
    assert status is not None and status.state == "queued"
    await videos.fetched(SCOPE, video.video_id)
    other = await videos.create(SCOPE, NewVideo(title="uploaded"))
    await expire(runtime)
    assert await runtime.engine.status("fetch", other.video_id) is None
