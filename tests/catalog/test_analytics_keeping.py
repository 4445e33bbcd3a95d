"""What is kept of viewers, for whom, and for how long."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec
import pytest
from reelkit.api.analytics_beats import Sender, read_beat
from reelkit.catalog import binding, videos
from reelkit.catalog.analytics import counting, events, presence
from reelkit.catalog.analytics.events import HOUR, Event, Profile
from reelkit.catalog.analytics.filters import Filter, Window
from reelkit.catalog.analytics.media import owners
from reelkit.catalog.analytics.recording import record
from reelkit.catalog.analytics.retention import DAY, forget
from reelkit.catalog.database import Database
from reelkit.catalog.scope import Scope
from reelkit.catalog.videos import NewVideo

NOW = 1_790_000_000_000
EVER = Window(NOW - 100 * DAY, NOW + DAY)
TABLES = ("event", "profile", "playback", "hit", "cell", "stretch", "total")


def watching(at: int, scope: Scope, media: str = "vione", playback: int = 1) -> list[Event]:
    """Somebody who loads a video and watches six seconds of it."""
    first = Event(
        project=scope.project,
        environment=scope.environment,
        media_id=media,
        session=1,
        playback=playback,
        viewer=1,
        profile=Profile("FR"),
        profile_id=1,
        kind=events.LOADED,
        at=at,
    )
    return [
        first,
        msgspec.structs.replace(first, kind=events.PLAYED, at=at + 1),
        msgspec.structs.replace(first, kind=events.PAUSE, at=at + 6001),
    ]


async def rows(database: Database, table: str) -> int:
    (found,) = await database.fetch(f"SELECT COUNT(*) AS total FROM analytics_{table}")
    return int(found["total"])


async def plays(scope: Scope, wanted: Filter | None = None) -> int:
    found = await counting.counted(scope, events.PLAY, EVER, wanted or Filter())
    return found.get("", counting.Counted()).hits


async def test_what_is_older_than_a_month_is_forgotten(database: Database) -> None:
    mine, sandbox = Scope("a"), Scope("a", "sandbox")
    for scope in (mine, sandbox):
        for number, age in enumerate((31 * DAY, 2 * DAY, HOUR)):
            await record(watching(NOW - age, scope, playback=number))

    await forget(NOW)

    assert await plays(mine) == 2
    assert await plays(sandbox) == 1
    kept = {table: await rows(database, table) for table in TABLES}
    assert kept["event"] == 9
    assert kept["stretch"] == 3
    # Where a playback stands is known for a day; an event after that begins another one.
    assert kept["playback"] == 2
    assert kept["profile"] == 2
    assert (await counting.total_plays(mine, Filter()))[""] == 3

    await forget(NOW + 100 * DAY)
    assert {table: await rows(database, table) for table in TABLES} == dict.fromkeys(TABLES, 0) | {"total": 2}


async def counts() -> dict[int, tuple[int, int]]:
    """Return metric → hits and amount, of all that was counted."""
    found = {metric: await counting.counted(Scope("a"), metric, EVER, Filter()) for metric in events.METRICS}
    return {metric: (sums[""].hits, sums[""].amount) for metric, sums in found.items() if sums}


@pytest.mark.parametrize("order", [(0, 1, 2, 0, 1, 2), (0, 2, 0), (1, 2, 0), (2, 0, 1)])
async def test_what_comes_twice_or_too_late_counts_once(database: Database, order: tuple[int, ...]) -> None:
    (first, *_) = watching(NOW, Scope("a"))
    told = [(events.SOURCE, 0), (events.LOADED, 400), (events.PLAYED, 1000), (events.TICK, 6000)]
    told += [(events.TICK, 12_000), (events.TICK, 18_000), (events.PAUSE, 19_000), (events.ENDED, 19_001)]
    all_told = [msgspec.structs.replace(first, kind=kind, at=NOW + at, paused=False) for kind, at in told]
    for number in order:
        await record((all_told[:4], all_told[4:6], all_told[6:])[number])

    found = await counts()
    for metric in (events.IMPRESSION, events.PLAY, events.START):
        assert found[metric][0] == 1, metric
    assert found[events.LOADING] == (1, 400)
    if order[0] == 0:
        assert found[events.END][0] == 1
        assert found[events.WATCH][1] == 18_000
    assert found.get(events.WATCH, (0, 0))[1] <= 18_000


async def test_everything_of_a_batch_is_kept_or_nothing(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = type(binding.engine())
    fetch = engine.fetch  # type: ignore[attr-defined]  # both engines of ours have it

    async def failing(self: object, sql: str, args: object = ()) -> Any:
        if "analytics_total" in sql:
            raise RuntimeError("the last statement fails")
        return await fetch(self, sql, args)

    monkeypatch.setattr(engine, "fetch", failing)
    with pytest.raises(RuntimeError):
        await record(watching(NOW, Scope("a")))
    monkeypatch.undo()
    assert {await rows(database, table) for table in TABLES} == {0}
    await record(watching(NOW, Scope("a")))
    assert await plays(Scope("a")) == 1


async def test_every_beat_that_is_taken_can_be_kept(database: Database) -> None:
    """One that cannot be would take a batch with it, of everybody's."""
    chance = Random(1)
    for number, letters in enumerate((range(0x21, 0x7F), range(0x4E00, 0x9FFF))):
        page = "https://x/" + "".join(chr(chance.choice(letters)) for _ in range(3000)).replace("#", "")
        beat = {"sat": 1, "sid": "s", "pid": f"p{number}", "mid": "vione", "ref": page, "eve": [{"eat": 1, "typ": 2}]}
        taken = read_beat(msgspec.json.encode(beat), Sender("203.0.113.7", "", ""), NOW, b"")
        await record([msgspec.structs.replace(event, project="a") for event in taken])
    assert await plays(Scope("a")) == 2


async def test_every_query_names_a_project_and_an_environment(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """What really reaches the engine: one project never sees, or adds to, another's."""
    sent: list[str] = []
    engine = type(binding.engine())
    fetch = engine.fetch  # type: ignore[attr-defined]  # both engines of ours have it

    async def recorded(self: object, sql: str, args: object = ()) -> Any:
        sent.append(sql)
        return await fetch(self, sql, args)

    monkeypatch.setattr(engine, "fetch", recorded)
    mine, other = Scope("a"), Scope("b")
    await record([*watching(NOW, mine), *watching(NOW, other, "vitwo")])
    asked = Filter(media_ids=("vione", "vitwo"), tag="t", countries=("FR",), browsers=("",))
    for scope in (mine, other):
        for wanted in (Filter(), asked):
            for by in (counting.ALL, counting.MEDIA, "country"):
                await counting.counted(scope, events.PLAY, EVER, wanted, by)
                await counting.unique_viewers(scope, events.PLAY, EVER, wanted, by)
                await presence.concurrent(scope, EVER, wanted, by)
                await counting.total_plays(scope, wanted, by)
    assert len(sent) > 40
    for sql in sent:
        if "analytics_" in sql:
            assert "project" in sql and "environment" in sql, sql
            if sql.startswith("SELECT"):
                where = sql[sql.index(" WHERE ") :]
                assert "project = " in where and "environment = " in where, sql


async def test_plays_of_a_tag_are_those_of_its_videos(database: Database) -> None:
    scope = Scope("a")
    tagged = await videos.create(scope, NewVideo(title="t", tags=("seen",)))
    plain = await videos.create(scope, NewVideo(title="t"))
    await record([*watching(NOW, scope, tagged.video_id, 1), *watching(NOW, scope, plain.video_id, 2)])

    assert await plays(scope) == 2
    assert await plays(scope, Filter(tag="seen")) == 1
    assert await plays(scope, Filter(tag="seen", media_ids=(plain.video_id,))) == 0
    assert await plays(Scope("b"), Filter(tag="seen")) == 0


async def test_events_belong_to_whom_their_media_belongs(database: Database) -> None:
    scope = Scope("a", "sandbox")
    video = await videos.create(scope, NewVideo(title="t"))
    gone = await videos.create(scope, NewVideo(title="t"))
    await videos.discard(scope, gone.video_id)

    found = await owners([video.video_id, gone.video_id, "viNobody", "li' OR 1=1 --", "liNone"])

    assert found == {video.video_id: scope}
