"""A video has one source: who gets to upload it, what replaces it, and what jobs may publish of it."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from reelkit.catalog import doomed, sources, videos, work
from reelkit.catalog.database import Database
from reelkit.catalog.renditions import NewRendition
from reelkit.catalog.scope import Scope
from reelkit.catalog.sources import Source, SourceTaken
from reelkit.catalog.videos import NewVideo
from reelkit.interfaces.media import Probe


async def begun(scope: Scope) -> Source:
    """Begin the source of a new video."""
    video = await videos.create(scope, NewVideo(title="t"))
    source = await sources.begin(scope, video.video_id, "a.mp4", 100)
    assert isinstance(source, Source)
    return source


async def doomed_prefixes() -> set[str]:
    return {note.prefix for note in await doomed.pending()}


async def test_a_source_goes_from_uploading_to_ingested(database: Database, scope: Scope, probe: Probe) -> None:
    source = await begun(scope)
    assert await sources.beat(scope, source.id)
    assert await sources.uploaded(scope, source, 101, "ab" * 32)
    assert [s.id for s in await work.unfinished_sources()] == [source.id]
    assert await work.ingesting(source.id)
    assert await work.ingesting(source.id), "again after a restart is no error"
    assert await work.publish_source(source.id, probe, index_key="default/v/i", packageable=True) == ()
    assert await work.publish_images(source.id, poster_key="p/v/poster")
    assert await work.publish_images(source.id, storyboard_keys=["p/v/s1", "p/v/s2"], storyboard_vtt_key="p/v/vtt")

    found = await sources.for_video(scope, source.video_id)

    assert found is not None
    assert (found.status, found.size, found.checksum, found.filename) == ("ingested", 101, "ab" * 32, "a.mp4")
    assert (found.probe, found.index_key, found.packageable) == (probe, "default/v/i", True)
    assert found.images == ("p/v/poster", "p/v/s1", "p/v/s2", "p/v/vtt")
    assert found.storage_key == f"default/{source.video_id}/source/{source.id}/file"
    assert await work.unfinished_sources() == []
    assert await doomed_prefixes() == set()


async def test_a_second_source_is_told_which_one_is_there(database: Database, scope: Scope) -> None:
    source = await begun(scope)

    assert await sources.begin(scope, source.video_id) == SourceTaken(source)
    await sources.uploaded(scope, source, 1, "")
    taken = await sources.begin(scope, source.video_id)
    assert isinstance(taken, SourceTaken) and taken.source.status == "uploaded"
    assert await sources.begin(scope, "vi-nowhere") is None
    assert await sources.begin(scope, "\0") is None


async def test_of_racing_clients_exactly_one_may_upload(database: Database, scope: Scope) -> None:
    video = await videos.create(scope, NewVideo(title="t"))

    results = await asyncio.gather(*(sources.begin(scope, video.video_id) for _ in range(20)))

    (winner,) = [result for result in results if isinstance(result, Source)]
    assert all(isinstance(r, SourceTaken) and r.source.id == winner.id for r in results if r is not winner)


async def test_nobody_else_reaches_a_source(database: Database, scope: Scope, strangers: list[Scope]) -> None:
    source = await begun(scope)

    for stranger in strangers:
        assert await sources.begin(stranger, source.video_id) is None
        assert await sources.for_video(stranger, source.video_id) is None
        assert not await sources.beat(stranger, source.id)
        assert not await sources.uploaded(stranger, source, 1, "")
        assert not await sources.remove(stranger, source.id)
    assert await sources.for_video(scope, source.video_id) == source


async def test_a_failed_source_is_replaced_and_its_bytes_are_doomed(database: Database, scope: Scope) -> None:
    first = await begun(scope)
    await sources.uploaded(scope, first, 1, "")
    assert await work.fail_source(first.id, "It is a text.\0")
    failed = await sources.for_video(scope, first.video_id)
    assert failed is not None and (failed.status, failed.failure) == ("failed", "It is a text.")
    assert await doomed_prefixes() == set(), "a failed file stays for another look"

    second = await sources.begin(scope, first.video_id)

    assert isinstance(second, Source) and second.id != first.id
    assert await work.source(first.id) is None
    assert await doomed_prefixes() == {first.prefix}


async def test_an_upload_that_was_cut_off_gives_way_after_a_minute_and_not_before(
    database: Database, scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await begun(scope)
    assert isinstance(await sources.begin(scope, first.video_id), SourceTaken)

    monkeypatch.setattr(sources, "STALE", timedelta(0))
    second = await sources.begin(scope, first.video_id)

    assert isinstance(second, Source)
    assert not await sources.beat(scope, first.id), "the slow client is told to stop"
    for note in await doomed.pending():
        await doomed.done(note)
    assert not await sources.uploaded(scope, first, 5, "")
    assert await doomed_prefixes() == {first.prefix}, "what came after the sweep is swept again"
    assert await sources.uploaded(scope, second, 5, "")
    assert not await sources.uploaded(scope, second, 5, "")
    assert await doomed_prefixes() == {first.prefix}, "what is acknowledged stays"


async def test_abandoned_uploads_fail_with_a_reason(database: Database, scope: Scope) -> None:
    source = await begun(scope)
    finished = await begun(scope)
    await sources.uploaded(scope, finished, 1, "")

    assert await work.fail_abandoned_uploads() == []
    (failed,) = await work.fail_abandoned_uploads(timedelta(0))

    assert (failed.id, failed.status, failed.failure) == (source.id, "failed", "The upload was interrupted.")
    assert not await sources.uploaded(scope, source, 1, ""), "it woke up too late"
    assert await doomed_prefixes() == {source.prefix}


async def test_a_job_of_a_deleted_video_publishes_nothing_and_leaves_nothing(
    database: Database, scope: Scope, probe: Probe
) -> None:
    source = await begun(scope)
    await sources.uploaded(scope, source, 1, "")
    await work.ingesting(source.id)
    await videos.delete(scope, source.video_id)
    for note in await doomed.pending():
        await doomed.done(note)

    rungs = [NewRendition(kind="encoded", quality="360p")]
    index = f"{source.prefix}index"
    assert await work.publish_source(source.id, probe, index_key=index, packageable=True, renditions=rungs) is None
    assert await work.plan(source.id, rungs) is None
    assert not await work.ingesting(source.id)
    assert not await work.fail_source(source.id, "late")
    assert not await work.publish_images(source.id, poster_key="default/v/poster")

    assert await doomed_prefixes() == {index, "default/v/poster"}
    assert await work.renditions_of(source.id) == ()


async def test_publishing_again_by_a_second_attempt_changes_nothing(database: Database, scope: Scope, probe: Probe) -> None:
    source = await begun(scope)
    await sources.uploaded(scope, source, 1, "")
    assert await work.publish_source(source.id, probe, index_key="default/v/i1", packageable=True) is not None

    assert await work.publish_source(source.id, probe, index_key="default/v/i1", packageable=True) is None
    assert await doomed_prefixes() == set(), "what is published is not doomed"
    assert await work.publish_source(source.id, probe, index_key="default/v/i2", packageable=False) is None
    assert await doomed_prefixes() == {"default/v/i2"}
    found = await work.source(source.id)
    assert found is not None and (found.index_key, found.packageable) == ("default/v/i1", True)


async def test_a_source_taken_back_makes_room(database: Database, scope: Scope) -> None:
    source = await begun(scope)

    assert await sources.remove(scope, source.id)

    assert not await sources.remove(scope, source.id)
    assert await doomed_prefixes() == {source.prefix}
    assert await sources.for_video(scope, source.video_id) is None
    assert isinstance(await sources.begin(scope, source.video_id), Source)


async def test_a_new_poster_dooms_the_old_one(database: Database, scope: Scope) -> None:
    source = await begun(scope)

    await work.publish_images(source.id, poster_key="default/v/a")
    await work.publish_images(source.id, poster_key="default/v/b")

    assert await doomed_prefixes() == {"default/v/a"}


async def test_file_names_that_cannot_be_stored_are_dropped(database: Database, scope: Scope) -> None:
    video = await videos.create(scope, NewVideo(title="t"))
    source = await sources.begin(scope, video.video_id, "bad\udcffname\0")
    assert isinstance(source, Source) and source.filename == ""
