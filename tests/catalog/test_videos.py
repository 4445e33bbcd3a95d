"""Videos are created, listed in every order, filtered, and deleted with all that belongs to them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Literal

import msgspec
import pytest
from reelkit.catalog import doomed, videos
from reelkit.catalog.database import Database, migrate, open_database
from reelkit.catalog.packing import fold
from reelkit.catalog.playback import playback
from reelkit.catalog.scope import Scope
from reelkit.catalog.sqlite import SQLite
from reelkit.catalog.videos import SORT, Metadata, NewVideo, VideoFilter
from reelkit.interfaces.playback import PlaybackPolicy
from reelkit.problems import InvalidAttribute
from reelkit.site import Site


async def test_a_video_reads_back_as_it_was_created(database: Database, scope: Scope) -> None:
    new = NewVideo(
        title="Édith 🎬",
        description="line\nline",
        public=False,
        panoramic=True,
        mp4_support=False,
        language="fr",
        language_origin="api",
        player_id="pl1",
        tags=("b", "a", "b"),
        metadata=(Metadata("k", "v"), Metadata("k", "w")),
    )

    created = await videos.create(scope, new)

    assert await videos.get(scope, created.video_id) == created
    assert (created.title, created.tags, created.metadata) == (new.title, new.tags, new.metadata)
    assert len(created.video_id) == 24 and created.video_id.startswith("vi") and created.video_id.isalnum()
    assert created.created_at.utcoffset() is not None and not created.created_at.utcoffset()


async def test_nobody_else_sees_counts_or_deletes_a_video(database: Database, scope: Scope, strangers: list[Scope]) -> None:
    video = await videos.create(scope, NewVideo(title="mine"))

    for stranger in strangers:
        assert await videos.get(stranger, video.video_id) is None
        assert await videos.page(stranger) == videos.Page((), 0)
        assert await videos.page(stranger, VideoFilter(title="mine")) == videos.Page((), 0)
        assert await videos.delete(stranger, video.video_id) is None
    assert await videos.get(scope, video.video_id) == video
    assert (await videos.page(scope)).total == 1


async def test_what_playback_is_limited_to_is_kept_and_taken_away(
    database: Database, scope: Scope, strangers: list[Scope]
) -> None:
    video = await videos.create(scope, NewVideo(title="limited"))
    policy = PlaybackPolicy(allowed_domains=("shop.example",), allowed_countries=())
    for stranger in strangers:
        assert not await videos.set_playback_policy(stranger, video.video_id, policy)
    assert await videos.set_playback_policy(scope, video.video_id, policy)
    seen = await playback(video.video_id)
    assert seen is not None and seen.video == msgspec.structs.replace(video, playback_policy=policy)
    assert await videos.set_playback_policy(scope, video.video_id, None)
    assert await videos.get(scope, video.video_id) == video
    await videos.discard(scope, video.video_id)
    assert not await videos.set_playback_policy(scope, video.video_id, policy)
    assert not await videos.set_playback_policy(scope, "vi\0", policy)


async def test_pages_hold_every_video_once_and_in_order(database: Database, scope: Scope) -> None:
    for title in ("b", "a", "Z", "é", "e", "E", "Ö", "_", "1"):
        await videos.create(scope, NewVideo(title=title))
    orders: tuple[Literal["asc", "desc"], ...] = ("asc", "desc")

    for sort_by, sort_order in product(SORT, orders):
        pages = [await videos.page(scope, None, sort_by, sort_order, n, 2) for n in range(1, 7)]
        assert [len(page.items) for page in pages] == [2, 2, 2, 2, 1, 0]
        assert {page.total for page in pages} == {9}
        seen = [video for page in pages for video in page.items]
        assert len({video.video_id for video in seen}) == 9
        if sort_order == "desc":
            seen.reverse()
        if sort_by == "title":
            assert [fold(video.title) for video in seen] == ["1", "_", "a", "b", "e", "e", "e", "o", "z"]
        else:
            order = [(video.created_at, video.video_id) for video in seen]
            assert order == sorted(order)


async def test_filters_ignore_case_and_accents_and_take_wildcards_literally(database: Database, scope: Scope) -> None:
    wanted = await videos.create(scope, NewVideo(title="100% Édith_Piaf!", description="La VIE en rose"))
    await videos.create(scope, NewVideo(title="100 edith piaf", description="other"))

    async def found(**filter: str) -> list[str]:
        return [v.video_id for v in (await videos.page(scope, VideoFilter(**filter))).items]  # type: ignore[arg-type]  # texts only

    assert await found(title="0% EDITH_p") == [wanted.video_id]
    assert await found(title="piaf!") == [wanted.video_id]
    assert await found(description="vie EN") == [wanted.video_id]
    assert await found(title="edith", description="rose") == [wanted.video_id]
    assert len(await found(title="ÉDITH")) == 2
    assert await found(title="%") == [wanted.video_id]
    assert await found(title="\0") == []


async def test_all_tags_and_all_metadata_must_match(database: Database, scope: Scope) -> None:
    both = await videos.create(
        scope,
        NewVideo(title="both", tags=("x", "y"), metadata=(Metadata("a", "1"), Metadata("b", "2"))),
    )
    await videos.create(scope, NewVideo(title="one", tags=("x",), metadata=(Metadata("a", "2"), Metadata("b", "1"))))

    for filter, titles in [
        (VideoFilter(tags=("x", "y")), {"both"}),
        (VideoFilter(tags=("x",)), {"both", "one"}),
        (VideoFilter(tags=("x'; --",)), set()),
        (VideoFilter(metadata=(Metadata("a", "1"), Metadata("b", "2"))), {"both"}),
        (VideoFilter(metadata=(Metadata("a", "2"),)), {"one"}),
        (VideoFilter(tags=("x",), metadata=(Metadata("a", "1"),), title="BO"), {"both"}),
    ]:
        page = await videos.page(scope, filter)
        assert {video.title for video in page.items} == titles
        assert page.total == len(titles)
    assert (await videos.page(scope, VideoFilter(tags=("y",)))).items == (both,)


async def test_a_deleted_video_is_gone_and_its_bytes_are_doomed_until_done(database: Database, scope: Scope) -> None:
    kept = await videos.create(scope, NewVideo(title="kept"))
    video = await videos.create(scope, NewVideo(title="gone"))

    assert await videos.delete(scope, video.video_id) == (f"default/{video.video_id}/",)

    assert await videos.get(scope, video.video_id) is None
    assert await videos.delete(scope, video.video_id) is None
    assert await videos.page(scope) == videos.Page((kept,), 1)
    (note,) = await doomed.pending()
    assert note.prefix == f"default/{video.video_id}/"
    await doomed.done(note)
    assert await doomed.pending() == []


async def test_a_delete_that_fails_dooms_nothing(database: Database, scope: Scope) -> None:
    video = await videos.create(scope, NewVideo(title="t"))

    with pytest.raises(KeyError):
        async with database.transaction():
            await videos.delete(scope, video.video_id)
            raise KeyError

    assert await videos.get(scope, video.video_id) == video
    assert await doomed.pending() == []
    assert (await videos.page(scope)).total == 1


async def test_nothing_wider_than_a_video_can_be_doomed(database: Database) -> None:
    for prefix in ("", "/", "default", "default/", "default/vi1", "//", "default//", "/default/vi1/"):
        with pytest.raises(ValueError, match="refusing to doom"):
            await doomed.doom([prefix])
    assert await doomed.pending() == []


async def test_text_that_no_database_keeps_is_refused_by_name(database: Database, scope: Scope) -> None:
    for new, field in (
        (NewVideo(title="a\0b"), "title"),
        (NewVideo(title="a", description="\ud800"), "description"),
        (NewVideo(title="a", tags=("ok", "\0")), "tags"),
        (NewVideo(title="a", metadata=(Metadata("k", "\0"),)), "metadata"),
    ):
        with pytest.raises(InvalidAttribute) as refused:
            await videos.create(scope, new)
        assert refused.value.name == field
    assert (await videos.page(scope)).total == 0


async def test_ids_of_any_shape_are_just_not_found(database: Database, scope: Scope) -> None:
    for id in ("", "vi", "\0", "\ud800", "x" * 10_000, "' OR 1=1 --"):
        assert await videos.get(scope, id) is None
        assert await videos.delete(scope, id) is None


async def test_a_page_reads_a_covering_index_and_the_rows_it_shows(
    tmp_path: Path, scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a list of a million costs shows in SQLite's plan of the statements that are sent."""
    database = await open_database(Site(folder=tmp_path))
    await migrate(database)
    for n in range(60):
        await videos.create(scope, NewVideo(title=str(n)))
    sent: list[tuple[str, Sequence[object]]] = []
    fetch = SQLite.fetch

    async def recorded(self: SQLite, sql: str, args: Sequence[object] = ()) -> list[dict[str, object]]:
        sent.append((sql, args))
        return await fetch(self, sql, args)

    with monkeypatch.context() as patched:
        patched.setattr(SQLite, "fetch", recorded)
        for sort_by in SORT:
            for page in (1, 2, 3):
                found = await videos.page(scope, None, sort_by, "desc", page)
                assert len(found.items) == (25, 25, 10)[page - 1]

    plans = [
        " ".join(row["detail"] for row in await database.fetch(f"EXPLAIN QUERY PLAN {sql}", *args)) for sql, args in sent
    ]
    await database.close()
    assert len(plans) == 3 * len(SORT) * 3
    for count, ids, shown in zip(*[iter(plans)] * 3, strict=True):
        assert "SEARCH video_count USING" in count
        assert "SEARCH video USING COVERING INDEX video_" in ids and "TEMP B-TREE" not in ids
        assert "(project=? AND environment=? AND id=?)" in shown and "TEMP B-TREE" not in shown
