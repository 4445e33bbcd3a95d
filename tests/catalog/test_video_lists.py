"""Lists stay exact and short to reach, whatever is created, changed, discarded and deleted meanwhile."""

from __future__ import annotations

import asyncio
import random
from typing import Literal, get_args

import pytest
from reelkit.catalog import labels, ranks, video_pages, videos
from reelkit.catalog.database import Database
from reelkit.catalog.scope import Scope
from reelkit.catalog.videos import Metadata, NewVideo, SortBy, Video, VideoEdit, VideoFilter


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stretches of a few videos, so that thirty make many."""
    monkeypatch.setattr(ranks, "USUAL", 3)
    monkeypatch.setattr(ranks, "LONGEST", 6)
    monkeypatch.setattr(video_pages, "SHORT", 1)


async def everything(scope: Scope, sort_by: SortBy, sort_order: Literal["asc", "desc"], size: int) -> list[Video]:
    total = (await videos.page(scope, None, sort_by, sort_order, 1, size)).total
    pages = [(await videos.page(scope, None, sort_by, sort_order, n, size)).items for n in range(1, -(-total // size) + 1)]
    assert all(len(page) == size for page in pages[:-1])
    return [video for page in pages for video in page]


@pytest.mark.usefixtures("short")
async def test_every_order_is_exact_after_any_change(database: Database, scope: Scope) -> None:
    chance = random.Random(7)
    alive: list[str] = []
    hidden: list[str] = []
    for _ in range(120):
        done = chance.choice(["create", "create", "update", "retitle", "discard", "restore", "delete"])
        title = chance.choice("abcdefgh") * chance.randint(1, 3)
        if done == "create" or not alive:
            alive.append((await videos.create(scope, NewVideo(title=title))).video_id)
        elif done == "update":
            await videos.update(scope, chance.choice(alive), VideoEdit(description=title))
        elif done == "retitle":
            await videos.update(scope, chance.choice(alive), VideoEdit(title=title))
        elif done == "discard":
            hidden.append(alive.pop(chance.randrange(len(alive))))
            assert await videos.discard(scope, hidden[-1]) is not None
        elif done == "restore" and hidden:
            alive.append(hidden.pop(chance.randrange(len(hidden))))
            assert await videos.restore(scope, alive[-1]) is not None
        elif done == "delete":
            chosen = chance.choice([alive, hidden or alive])
            assert await videos.delete(scope, chosen.pop()) is not None
    hidden += alive[:2]
    for id in hidden[-2:]:
        await videos.discard(scope, id)
        alive.remove(id)
    assert len(alive) > 20

    for sort_by in get_args(SortBy):
        upward = await everything(scope, sort_by, "asc", 4)
        downward = await everything(scope, sort_by, "desc", 5)
        assert upward == downward[::-1]
        assert sorted(video.video_id for video in upward) == sorted(alive)
        key = {
            "title": lambda video: (video.title, video.video_id),
            "createdAt": lambda video: (video.created_at, video.video_id),
            "publishedAt": lambda video: (video.created_at, video.video_id),
            "updatedAt": lambda video: (video.updated_at, video.video_id),
        }[sort_by]
        assert upward == sorted(upward, key=key)
    counted = await database.fetch("SELECT sort, SUM(total) AS total, COUNT(*) AS cut FROM video_rank GROUP BY sort")
    assert {row["sort"]: row["total"] for row in counted} == dict.fromkeys(ranks.SORTS, len(alive))
    assert all(row["cut"] > 3 for row in counted)
    gone = await videos.page(scope, discarded=True, page_size=100)
    assert (gone.total, sorted(video.video_id for video in gone.items)) == (len(hidden), sorted(hidden))


@pytest.mark.usefixtures("short")
async def test_changes_side_by_side_are_all_counted(database: Database, scope: Scope) -> None:
    async def live(n: int) -> None:
        video = await videos.create(scope, NewVideo(title=str(n % 5), tags=("all", str(n % 3))))
        await videos.update(scope, video.video_id, VideoEdit(title=str(n % 7), tags=("all", "new")))
        if n % 2:
            await videos.delete(scope, video.video_id)

    await asyncio.gather(*(live(n) for n in range(40)))

    counted = await database.fetch("SELECT sort, SUM(total) AS total FROM video_rank GROUP BY sort")
    assert {row["sort"]: row["total"] for row in counted} == dict.fromkeys(ranks.SORTS, 20)
    assert (await labels.tags(scope)).items == (labels.Tag("all", 20), labels.Tag("new", 20))
    for sort_by in get_args(SortBy):
        assert len({video.video_id for video in await everything(scope, sort_by, "desc", 3)}) == 20


@pytest.mark.usefixtures("short")
async def test_a_list_that_was_filled_by_sql_is_cut_when_it_is_first_read_deeply(database: Database, scope: Scope) -> None:
    for n in range(30):
        await videos.create(scope, NewVideo(title=f"{n:02}"))
    await database.fetch("DELETE FROM video_rank")

    titles = [video.title for video in await everything(scope, "title", "asc", 3)]

    assert titles == [f"{n:02}" for n in range(30)]
    (counted,) = await database.fetch("SELECT COUNT(*) AS cut, MAX(total) AS most FROM video_rank WHERE sort = 'title'")
    assert counted == {"cut": 10, "most": 3}


@pytest.mark.parametrize("few", [0, 2000])
async def test_filters_by_several_labels_agree_however_they_are_found(
    database: Database, scope: Scope, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(video_pages, "SHORT", few)
    monkeypatch.setattr(video_pages, "_counts", {})
    for n in range(24):
        tags = [tag for tag, every in (("two", 2), ("three", 3)) if n % every == 0]
        await videos.create(scope, NewVideo(title=f"{n:02}", tags=tuple(tags), metadata=(Metadata("k", str(n % 4)),)))
    await videos.create(Scope("other"), NewVideo(title="99", tags=("two", "three"), metadata=(Metadata("k", "0"),)))

    async def found(sort_by: SortBy, *, page: int = 1, **filter: object) -> list[str]:
        wanted = VideoFilter(**filter)  # type: ignore[arg-type]  # as in the calls below
        taken = await videos.page(scope, wanted, sort_by, "asc", page, 3)
        rest = await videos.page(scope, wanted, sort_by, "desc", 1, 100)
        assert taken.total == rest.total == len(rest.items)
        return [video.title for video in taken.items]

    for sort_by in get_args(SortBy):
        assert await found(sort_by, tags=("two",)) == ["00", "02", "04"]
        assert await found(sort_by, tags=("two",), page=4) == ["18", "20", "22"]
        assert await found(sort_by, tags=("two", "three")) == ["00", "06", "12"]
        assert await found(sort_by, tags=("two", "three"), metadata=(Metadata("k", "0"),)) == ["00", "12"]
        assert await found(sort_by, tags=("two", "three"), title="1") == ["12", "18"]
        assert await found(sort_by, metadata=(Metadata("k", "3"),), page=2) == ["15", "19", "23"]
        assert await found(sort_by, tags=("two",), metadata=(Metadata("k", "3"),)) == []
        assert await found(sort_by, tags=("two", "unheard of")) == []


@pytest.mark.parametrize("few", [0, 5, 2000])
async def test_texts_are_found_in_every_order_however_many_match(
    database: Database, scope: Scope, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(video_pages, "SHORT", few)
    monkeypatch.setattr(video_pages, "_counts", {})
    for n in range(20):
        described = "" if n % 2 else f"Über {n}"
        await videos.create(scope, NewVideo(title=f"Été {n:02}", description=described, tags=("all",)))
    await videos.create(Scope("other"), NewVideo(title="Été 99", description="Über 99"))

    for sort_by in get_args(SortBy):
        for wanted, numbers in (
            (VideoFilter(title="ete 1"), range(10, 20)),
            (VideoFilter(description="uber"), range(0, 20, 2)),
            (VideoFilter(description="uber 1"), range(10, 20, 2)),
            (VideoFilter(title="5", description=""), (5, 15)),
            (VideoFilter(title="1", description="uber", tags=("all",)), (10, 12, 14, 16, 18)),
            (VideoFilter(title="nothing"), ()),
        ):
            for order in get_args(Literal["asc", "desc"]):
                expected = [f"Été {n:02}" for n in numbers][:: 1 if order == "asc" else -1]
                found = [await videos.page(scope, wanted, sort_by, order, number, 3) for number in range(1, 6)]
                assert [video.title for page in found for video in page.items] == expected, (sort_by, wanted, order)
                assert {page.total for page in found} == {len(expected)}


async def test_the_recordings_of_a_live_stream_are_found(database: Database, scope: Scope) -> None:
    await videos.create(scope, NewVideo(title="other"))
    recorded = await videos.create(scope, NewVideo(title="recorded", origin="live", live_stream_id="li1"))

    assert await videos.page(scope, VideoFilter(live_stream_id="li1")) == videos.Page((recorded,), 1)
    assert await videos.page(scope, VideoFilter(live_stream_id="li2")) == videos.Page((), 0)


async def test_no_label_outlives_its_last_video(database: Database, scope: Scope) -> None:
    one = await videos.create(scope, NewVideo(title="1", tags=("a", "b", "a"), metadata=(Metadata("k", "v"),)))
    two = await videos.create(scope, NewVideo(title="2", tags=("b",)))
    assert (await labels.tags(scope)).items == (labels.Tag("a", 1), labels.Tag("b", 2))

    await videos.update(scope, one.video_id, VideoEdit(tags=("c",)))
    assert (await labels.tags(scope)).items == (labels.Tag("b", 1), labels.Tag("c", 1))
    await videos.discard(scope, one.video_id)
    assert (await labels.tags(scope)).items == (labels.Tag("b", 1),)
    await videos.delete(scope, one.video_id)
    await videos.delete(scope, two.video_id)
    for table in ("label", "video_label", "video"):
        assert await database.fetch(f"SELECT * FROM {table}") == []
