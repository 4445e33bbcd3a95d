"""Captions, chapters, summaries, watermarks and themes in the database: whose they are, and what goes with what."""

from __future__ import annotations

import asyncio

import pytest
from reelkit.catalog import doomed, playback, player_themes, summaries, text_tracks, transcripts, videos, watermarks, work
from reelkit.catalog.database import Database
from reelkit.catalog.live_streams import NewLiveStream
from reelkit.catalog.live_streams import create as create_stream
from reelkit.catalog.live_streams import get as get_stream
from reelkit.catalog.player_themes import Look
from reelkit.catalog.scope import Scope
from reelkit.catalog.text_tracks import Kind, TextTrack
from reelkit.catalog.videos import NewVideo, VideoEdit, VideoWatermark


async def put(scope: Scope, video: str, language: str, key: str = "", kind: Kind = "caption") -> TextTrack | None:
    key = key or text_tracks.new_key(scope, video, kind)
    return await text_tracks.put(scope, video, kind, language, storage_key=key, size=3, well_formed=True)


async def doomed_keys() -> list[str]:
    return [note.prefix for note in await doomed.pending()]


async def test_a_file_in_place_of_another_keeps_its_id_and_lets_go_of_the_bytes(database: Database, scope: Scope) -> None:
    video = (await videos.create(scope, NewVideo(title="t"))).video_id
    first = await put(scope, video, "en")
    assert first is not None
    assert await text_tracks.show(scope, video, "caption", "en", True) is not None

    second = await put(scope, video, "en")

    assert second is not None and (second.id, second.shown) == (first.id, True)
    assert second.storage_key != first.storage_key
    assert await doomed_keys() == [first.storage_key]
    view = await playback.playback(video)
    assert view is not None and view.texts_of("caption") == (second,) and view.texts_of("chapter") == ()


async def test_captions_and_chapters_of_one_language_are_two_things(database: Database, scope: Scope) -> None:
    video = (await videos.create(scope, NewVideo(title="t"))).video_id
    await put(scope, video, "en")
    await put(scope, video, "en", kind="chapter")
    await text_tracks.remove(scope, video, "caption", "en")
    assert await text_tracks.get(scope, video, "caption", "en") is None
    assert await text_tracks.get(scope, video, "chapter", "en") is not None


async def test_a_file_for_a_video_that_is_gone_is_not_kept(database: Database, scope: Scope, strangers: list[Scope]) -> None:
    video = (await videos.create(scope, NewVideo(title="t"))).video_id
    for stranger in strangers:
        assert await put(stranger, video, "en", key=f"{stranger.project}/x/y") is None
    await videos.delete(scope, video)
    assert await put(scope, video, "en", key="default/gone/en") is None
    assert {"default/x/y", "other/x/y", "default/gone/en"} <= {*await doomed_keys()}


async def test_of_many_who_choose_a_default_at_once_one_wins(database: Database, scope: Scope) -> None:
    video = (await videos.create(scope, NewVideo(title="t"))).video_id
    tags = ("da", "de", "en", "fr", "sv")
    for tag in tags:
        await put(scope, video, tag)
    await asyncio.gather(*(text_tracks.show(scope, video, "caption", tag, True) for tag in tags * 3))
    page = await text_tracks.page(scope, video, "caption")
    assert [track.language for track in page.items] == list(tags)
    assert sum(track.shown for track in page.items) == 1


async def test_what_belongs_to_a_video_goes_with_it(database: Database, scope: Scope) -> None:
    video = (await videos.create(scope, NewVideo(title="t"))).video_id
    await put(scope, video, "en")
    summary = await summaries.create(scope, video, "api", ("abstract",))
    assert summary is not None
    await videos.delete(scope, video)
    assert await text_tracks.get(scope, video, "caption", "en") is None
    assert await summaries.get(scope, summary.id) is None


async def test_of_many_who_ask_for_a_summary_at_once_one_gets_it(database: Database, scope: Scope) -> None:
    video = (await videos.create(scope, NewVideo(title="t"))).video_id
    made = await asyncio.gather(*(summaries.create(scope, video, "auto", ("abstract",)) for _ in range(6)))
    (one,) = [summary for summary in made if summary is not None]
    assert await work.waiting_summaries() == [one] == [await work.summary(one.id)]
    assert await summaries.write(scope, one.id, abstract="by hand", takeaways=()) is None
    done = await summaries.write(scope, one.id, abstract="Ä", takeaways=("a", "b"), waiting=True)
    assert done is not None and (done.source_status, done.abstract, done.takeaways) == ("completed", "Ä", ("a", "b"))
    assert await summaries.end(scope, one.id, "failed", "too late") is None
    assert await work.waiting_summaries() == []


async def test_a_logo_that_comes_as_its_theme_goes_is_let_go_of(database: Database, scope: Scope) -> None:
    id = (await player_themes.create(scope, "t", Look())).id
    begun = asyncio.Event()

    async def remove() -> None:
        await begun.wait()
        await player_themes.remove(scope, id)

    removing = asyncio.create_task(remove())
    async with database.transaction():
        key = player_themes.new_logo_key(scope, id)
        await player_themes.set_logo(scope, id, key=key, type="image/png", link=None)
        begun.set()
        for _ in range(20):
            await asyncio.sleep(0.01)
    await removing
    assert await player_themes.get(scope, id) is None and await doomed_keys() == [key]


async def test_a_video_that_is_gone_gets_no_summary(database: Database, scope: Scope) -> None:
    video = (await videos.create(scope, NewVideo(title="t"))).video_id
    await videos.delete(scope, video)
    assert await summaries.create(scope, video, "auto", ("abstract",)) is None


@pytest.mark.parametrize("reason", ["a\0b", "a\ud800b", "x" * 5000])
async def test_whatever_a_plugin_gives_as_its_reason_is_kept(database: Database, scope: Scope, reason: str) -> None:
    video = (await videos.create(scope, NewVideo(title="t"))).video_id
    summary, wish = await summaries.create(scope, video, "auto", ("abstract",)), await transcripts.want(scope, video)
    assert summary is not None and wish is not None
    ended = await summaries.end(scope, summary.id, "failed", reason)
    assert await transcripts.end(scope, wish.id, "failed", failure=reason)
    heard = await transcripts.get(scope, video)
    assert ended is not None and heard is not None and ended.failure == heard.failure
    assert len(ended.failure or "") in (2, 3, 2000)


async def test_nobody_else_sees_or_changes_texts_and_looks(database: Database, scope: Scope, strangers: list[Scope]) -> None:
    video = (await videos.create(scope, NewVideo(title="t"))).video_id
    await put(scope, video, "en")
    summary = await summaries.create(scope, video, "api", ("abstract",))
    theme = await player_themes.create(scope, "n", Look())
    mark = watermarks.new_watermark_id()
    await watermarks.create(scope, mark, content_type="image/png", width=1, height=1)
    assert summary is not None

    for stranger in strangers:
        assert await text_tracks.get(stranger, video, "caption", "en") is None
        assert await text_tracks.show(stranger, video, "caption", "en", True) is None
        assert await text_tracks.remove(stranger, video, "caption", "en") is None
        assert (await text_tracks.page(stranger, video, "caption")).total == 0
        assert await summaries.get(stranger, summary.id) is None
        assert await summaries.write(stranger, summary.id, abstract="x", takeaways=()) is None
        assert await summaries.remove(stranger, summary.id) is None
        assert (await summaries.page(stranger)).total == 0
        assert not await player_themes.exists(stranger, theme.id)
        assert await player_themes.update(stranger, theme.id, {"name": "x"}) is None
        assert await player_themes.set_logo(stranger, theme.id, key=None, type=None, link=None) is None
        assert await player_themes.remove(stranger, theme.id) is None
        assert not await watermarks.exists(stranger, mark)
        assert await watermarks.remove(stranger, mark) is None
        assert (await watermarks.page(stranger)).total == (await player_themes.page(stranger)).total == 0
    assert await player_themes.get(scope, theme.id) == theme
    assert await watermarks.exists(scope, mark)


async def test_a_carried_watermark_is_hidden_and_an_idle_one_is_gone(database: Database, scope: Scope) -> None:
    carried, idle = watermarks.new_watermark_id(), watermarks.new_watermark_id()
    for id in (carried, idle):
        await watermarks.create(scope, id, content_type="image/png", width=1, height=1)
    await videos.create(scope, NewVideo(title="t", watermark=VideoWatermark(id=carried, top="1px")))

    kept, gone = await watermarks.remove(scope, carried), await watermarks.remove(scope, idle)

    assert kept is not None and kept.deleted_at is not None and await watermarks.get(scope, carried) == kept
    assert gone is not None and gone.deleted_at is None and await watermarks.get(scope, idle) is None
    assert not await watermarks.exists(scope, carried) and (await watermarks.page(scope)).items == ()
    assert await doomed_keys() == [watermarks.storage_key(scope, idle)]


async def test_a_deleted_theme_lets_go_of_its_logo_and_of_who_had_it(database: Database, scope: Scope) -> None:
    theme = await player_themes.create(scope, "Édith", Look(text="red"))
    video = await videos.create(scope, NewVideo(title="t", player_id=theme.id))
    stream = await create_stream(scope, NewLiveStream(name="n", player_id=theme.id))
    keys = [player_themes.new_logo_key(scope, theme.id) for _ in range(2)]
    for key in keys:
        await player_themes.set_logo(scope, theme.id, key=key, type="image/png", link=None)
    shown = await playback.theme(video)
    assert shown is not None and (shown.text, shown.logo_key) == ("red", keys[1])
    assert await playback.logo(theme.id) == shown

    assert await player_themes.remove(scope, theme.id) is not None

    assert await doomed_keys() == keys
    after, streaming = await videos.get(scope, video.video_id), await get_stream(scope, stream.id)
    assert after is not None and after.player_id is None and await playback.theme(after) is None
    assert streaming is not None and streaming.player_id is None
    assert await playback.logo(theme.id) is None
    assert await videos.update(scope, video.video_id, VideoEdit(title="still editable")) is not None


@pytest.mark.parametrize("id", ["", "\0", "\ud800", "pl" + "x" * 5000])
async def test_ids_that_no_database_can_keep_are_unknown(database: Database, scope: Scope, id: str) -> None:
    assert await player_themes.get(scope, id) is None
    assert await watermarks.get(scope, id) is None
    assert await summaries.get(scope, id) is None
    assert await playback.logo(id) is None
