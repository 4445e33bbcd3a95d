"""Renditions are planned, made and published once, and viewers see exactly what is finished."""

from __future__ import annotations

import asyncio

from reelkit.catalog import doomed, renditions, sources, videos, work
from reelkit.catalog.database import Database
from reelkit.catalog.playback import playback
from reelkit.catalog.renditions import DraftSegment, NewRendition, Rendition
from reelkit.catalog.scope import Scope
from reelkit.catalog.sources import Source
from reelkit.catalog.videos import NewVideo
from reelkit.interfaces.media import Probe

LADDER = (
    NewRendition(kind="encoded", quality="360p", width=640, height=360),
    NewRendition(kind="encoded", quality="720p", width=1280, height=720),
    NewRendition(kind="audio"),
)


async def ingested(scope: Scope, probe: Probe, *new: NewRendition) -> tuple[Source, tuple[Rendition, ...]]:
    """Make a video whose source is ingested with these renditions."""
    video = await videos.create(scope, NewVideo(title="t", public=False))
    source = await sources.begin(scope, video.video_id)
    assert isinstance(source, Source)
    await sources.uploaded(scope, source, 1, "")
    made = await work.publish_source(source.id, probe, index_key=f"{source.prefix}index", packageable=True, renditions=new)
    assert made is not None
    return source, made


async def publish(rendition: Rendition) -> bool:
    return await work.publish(
        rendition.id,
        storage_key=f"{rendition.prefix}file",
        index_key=f"{rendition.prefix}index",
        codecs="avc1.64001f",
        bandwidth=900,
        average_bandwidth=700,
        frame_rate=29.97,
    )


async def prefixes() -> list[str]:
    return sorted(note.prefix for note in await doomed.pending())


async def test_a_copied_source_is_playable_with_the_commit_that_publishes_it(
    database: Database, scope: Scope, probe: Probe
) -> None:
    video = await videos.create(scope, NewVideo(title="t"))
    before = await playback(video.video_id)
    assert before is not None and not before.playable and before.source is None

    copy = NewRendition(kind="copy", quality="1080p", status="encoded", height=1080, storage_key="k", index_key="i")
    source, (made,) = await ingested(scope, probe, copy)

    seen = await playback(source.video_id)
    assert seen is not None and seen.playable
    assert seen.renditions == (made,) and made.status == "encoded" and made.progress == 1.0
    assert seen.scope == scope and seen.video.public is False
    assert seen.source is not None and seen.source.probe == probe


async def test_viewers_see_a_rendition_when_it_is_published_and_not_before(
    database: Database, scope: Scope, probe: Probe
) -> None:
    source, (low, high, audio) = await ingested(scope, probe, *LADDER)
    assert await work.start([low.id, high.id, audio.id])
    await work.progress([low.id, high.id], 0.5)
    seen = await playback(source.video_id)
    assert seen is not None and seen.renditions == () and not seen.playable

    assert await publish(audio)
    seen = await playback(source.video_id)
    assert seen is not None and not seen.playable, "sound alone is no video"
    assert await publish(low)
    assert await publish(high)

    seen = await playback(source.video_id)
    assert seen is not None and seen.playable
    assert [(r.quality, r.kind) for r in seen.renditions] == [("720p", "encoded"), ("360p", "encoded"), ("", "audio")]
    assert (seen.renditions[1].width, seen.renditions[1].frame_rate) == (640, 29.97)
    assert await publish(low), "the same again is no error"
    assert await prefixes() == []


async def test_progress_is_kept_and_stays_between_0_and_1(database: Database, scope: Scope, probe: Probe) -> None:
    source, made = await ingested(scope, probe, LADDER[0])
    await work.progress([made[0].id], 0.3)
    assert (await renditions.for_video(scope, source.video_id))[0].progress == 0.0, "not started"
    await work.start([made[0].id])
    await work.progress([made[0].id], 7.0)
    assert (await renditions.for_video(scope, source.video_id))[0].progress == 1.0


async def test_a_second_attempt_keeps_what_is_done_and_renames_what_is_half_made(
    database: Database, scope: Scope, probe: Probe
) -> None:
    source, (low, high, audio) = await ingested(scope, probe, *LADDER)
    await work.start([low.id, high.id])
    await publish(low)

    planned = await work.plan(source.id, LADDER)

    assert planned is not None
    assert planned[0].id == low.id and planned[0].status == "encoded"
    assert planned[1].id != high.id and planned[1].status == "waiting"
    assert planned[2].id == audio.id
    assert await prefixes() == [high.prefix]
    assert not await publish(high), "the first attempt woke up"
    assert await prefixes() == sorted([high.prefix, f"{high.prefix}file", f"{high.prefix}index"])
    assert [r.id for r in await work.renditions_of(source.id)] == [planned[1].id, low.id, audio.id]


async def test_two_attempts_at_once_cannot_both_start(database: Database, scope: Scope, probe: Probe) -> None:
    _, (low, *_) = await ingested(scope, probe, *LADDER)

    assert sorted(await asyncio.gather(*(work.start([low.id]) for _ in range(8)))) == [False] * 7 + [True]


async def test_two_jobs_that_plan_at_once_plan_the_same(database: Database, scope: Scope, probe: Probe) -> None:
    source, _ = await ingested(scope, probe)

    plans = await asyncio.gather(*(work.plan(source.id, LADDER) for _ in range(8)))

    assert len({None if plan is None else tuple(r.id for r in plan) for plan in plans}) == 1


async def test_a_failed_rendition_says_why_and_an_encoded_one_stays(database: Database, scope: Scope, probe: Probe) -> None:
    source, (low, high, _) = await ingested(scope, probe, *LADDER)
    await publish(low)

    assert await work.fail_rendition(high.id, "ffmpeg ran out of memory.")
    assert not await work.fail_rendition(low.id, "too late")

    found = {r.quality: r for r in await renditions.for_video(scope, source.video_id)}
    assert (found["720p"].status, found["720p"].failure) == ("failed", "ffmpeg ran out of memory.")
    assert found["360p"].status == "encoded"


async def test_a_video_has_failed_when_nothing_is_to_come_and_a_draft_alone_is_no_failure(
    database: Database, scope: Scope, probe: Probe
) -> None:
    small, large = (NewRendition(kind="encoded", quality=quality) for quality in ("360p", "720p"))
    source, made = await ingested(scope, probe, NewRendition(kind="draft", quality="360p"), small, large)

    async def failure() -> str | None:
        seen = await playback(source.video_id)
        assert seen is not None
        return seen.failure

    draft = next(one for one in made if one.kind == "draft")
    ladder = [one for one in made if one.kind == "encoded"]
    await work.fail_rendition(draft.id, "too slow")
    assert await failure() is None
    await work.start([one.id for one in ladder])
    await work.fail_rendition(ladder[0].id, "The picture is damaged.")
    assert await failure() is None
    await work.fail_rendition(ladder[1].id, "The picture is damaged.")
    assert await failure() == "The picture is damaged."


async def test_a_draft_plays_while_it_grows_and_ends_when_finished(database: Database, scope: Scope, probe: Probe) -> None:
    source, (draft,) = await ingested(scope, probe, NewRendition(kind="draft", quality="360p", height=360))

    for number in range(3):
        key = f"{draft.prefix}{number}"
        assert await work.add_draft_segment(draft.id, number, 2.0 if number else 0.0, key)
        assert await work.add_draft_segment(draft.id, number, 2.0 if number else 0.0, key), "again is no error"
        seen = await playback(source.video_id)
        assert seen is not None and seen.playable == (number >= 1), "an init segment alone plays nothing"

    assert seen is not None
    (growing,) = seen.drafts
    assert growing.segments == tuple(DraftSegment(n, 2.0 if n else 0.0, f"{draft.prefix}{n}") for n in range(3))
    assert not growing.complete and seen.renditions == ()
    assert await work.finish_draft(draft.id)
    seen = await playback(source.video_id)
    assert seen is not None and seen.drafts[0].complete
    assert not await work.add_draft_segment(draft.id, 3, 2.0, f"{draft.prefix}3")
    assert await prefixes() == [f"{draft.prefix}3"]


async def test_a_deleted_video_takes_everything_along(database: Database, scope: Scope, probe: Probe) -> None:
    source, made = await ingested(scope, probe, *LADDER, NewRendition(kind="draft", quality="360p"))
    await work.add_draft_segment(made[3].id, 0, 0.0, f"{made[3].prefix}0")

    await videos.delete(scope, source.video_id)

    assert await playback(source.video_id) is None
    for table in ("video", "source", "rendition", "draft_segment"):
        assert await database.fetch(f"SELECT id FROM {table}") == []
    assert not await publish(made[0])
    assert not await work.start([made[0].id])
    assert not await work.add_draft_segment(made[3].id, 1, 2.0, f"{made[3].prefix}1")


async def test_renditions_of_a_replaced_source_are_neither_listed_nor_kept(
    database: Database, scope: Scope, probe: Probe
) -> None:
    video = await videos.create(scope, NewVideo(title="t"))
    source = await sources.begin(scope, video.video_id)
    assert isinstance(source, Source)
    made = await work.plan(source.id, LADDER)
    assert made is not None
    await work.fail_source(source.id, "broken")

    await sources.begin(scope, video.video_id)

    assert await renditions.for_video(scope, video.video_id) == ()
    assert await prefixes() == sorted([source.prefix, *(r.prefix for r in made)])


async def test_nobody_else_lists_renditions(database: Database, scope: Scope, strangers: list[Scope], probe: Probe) -> None:
    source, _ = await ingested(scope, probe, *LADDER)
    for stranger in strangers:
        assert await renditions.for_video(stranger, source.video_id) == ()
        assert await renditions.prefixes_of(stranger, source.video_id) == ()
