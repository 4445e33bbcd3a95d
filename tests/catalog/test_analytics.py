"""Metrics are what a naive recount of the events says they are, whatever the batches and on both databases."""

from __future__ import annotations

import random
from collections import defaultdict
from typing import Any

import pytest
from reelkit.catalog.analytics import counting, events, presence
from reelkit.catalog.analytics.counting import Every
from reelkit.catalog.analytics.events import HOUR, MINUTE, SLOT, Event, Profile
from reelkit.catalog.analytics.filters import Filter, Window
from reelkit.catalog.analytics.playbacks import GAP
from reelkit.catalog.analytics.recording import record
from reelkit.catalog.database import Database
from reelkit.catalog.scope import Scope

BEGIN = 1_790_000_000_000
SCOPE = Scope("a")
MEDIA = ("vione", "vitwo", "lione")
PROFILES = tuple(
    Profile(country, device, system, browser, referrer)
    for country, device, system, browser, referrer in (
        ("FR", "computer", "linux", "firefox", ""),
        ("FR", "phone", "android", "chrome", "https://a.example/"),
        ("JP", "computer", "windows", "chrome", "https://b.example/"),
        ("", "tv", "linux", "chrome", ""),
    )
)


def story(seed: int, playbacks: int = 40, scope: Scope = SCOPE) -> list[Event]:
    """Make up what some viewers do within a few hours, in the order of time."""
    chance = random.Random(seed)
    told: list[Event] = []
    for playback in range(1, playbacks + 1):
        profile = chance.randrange(len(PROFILES))
        media, viewer, at = chance.choice(MEDIA), profile * 10 + chance.randrange(3), BEGIN + chance.randrange(5 * HOUR)
        for _ in range(chance.randrange(1, 30)):
            at += chance.choice((1, 7, 900, 2_000, 5_000, 5_000, 9_999, 10_000, 29_999, 30_000, 30_001, 400_000))
            kind = chance.choice((1, 2, 2, 3, 4, 4, 4, 4, 5, 6, 7, 8))
            told.append(
                Event(
                    project=scope.project,
                    environment=scope.environment,
                    media_id=media,
                    session=playback,
                    playback=playback + 1000 * seed,
                    viewer=viewer,
                    profile=PROFILES[profile],
                    profile_id=profile + 1,
                    kind=kind,
                    at=at,
                    paused=chance.choice((False, False, True, None)) if kind in (1, 4, 7, 8) else None,
                )
            )
    return sorted(told, key=lambda event: event.at)


class Recount:
    """What the events come to, told as plainly as possible: playback by playback, from the first event to the last."""

    def __init__(self, told: list[Event]) -> None:
        self.counted: list[tuple[int, int, int, Event]] = []
        self.present: dict[tuple[int, int], Event] = {}
        """(playback, slot) → any event of that playback."""
        of: dict[int, list[Event]] = defaultdict(list)
        for event in told:
            of[event.playback].append(event)
        for each in of.values():
            self.recount(each)

    def recount(self, told: list[Event]) -> None:
        playing = impressed = timed = begun = started = False
        source = watched = last = 0
        for event in told:
            gap = event.at - last
            there = playing and gap <= GAP
            if there and gap:
                self.count(events.WATCH, event.at - event.at % MINUTE, gap, event)
                for seconds, metric in events.VIEWS.items():
                    if watched < seconds * 1000 <= watched + gap:
                        self.count(metric, event.at, 0, event)
                watched += gap
            if there:
                for slot in range(last // SLOT, event.at // SLOT + 1):
                    self.present[event.playback, slot] = event
            plays = event.kind == 2 or (event.kind == 4 and (event.paused is False or (event.paused is None and begun)))
            playing = plays or (there and event.kind in (1, 4, 7, 8) and not event.paused)
            if event.kind == 8 and not source:
                source = event.at
            if event.kind == 1:
                if not impressed:
                    self.count(events.IMPRESSION, event.at, 0, event)
                if source and not timed:
                    self.count(events.LOADING, event.at, min(event.at - source, 600_000), event)
                    timed = True
                impressed = True
            if event.kind == 6:
                if started:
                    self.count(events.END, event.at, 0, event)
                started = False
            if plays:
                self.present[event.playback, event.at // SLOT] = event
                if not begun:
                    self.count(events.PLAY, event.at, 0, event)
                if not started and (event.kind == 2 or not begun):
                    self.count(events.START, event.at, 0, event)
                    started = True
                begun = True
            last = event.at

    def count(self, metric: int, at: int, amount: int, event: Event) -> None:
        self.counted.append((metric, at, amount, event))

    def sums(self, metric: int, window: Window, wanted: Filter, by: Any) -> dict[Any, tuple[int, int]]:
        found: dict[Any, tuple[int, int]] = {}
        for kind, at, amount, event in self.counted:
            if kind == metric and window.start <= at < window.stop and fits(event, wanted):
                key = key_of(event, at, by)
                hits, total = found.get(key, (0, 0))
                found[key] = (hits + 1, total + amount)
        return found

    def unique(self, metric: int, window: Window, wanted: Filter, by: Any) -> dict[Any, int]:
        seen: dict[Any, set[int]] = defaultdict(set)
        for kind, at, _, event in self.counted:
            if kind == metric and window.start <= at < window.stop and fits(event, wanted):
                seen[key_of(event, at, by)].add(event.viewer)
        return {key: len(viewers) for key, viewers in seen.items()}

    def peaks(self, window: Window, wanted: Filter, by: Any, unique: bool) -> dict[Any, tuple[int, float]]:
        first, stop = window.start // SLOT, -(-window.stop // SLOT)
        there: dict[Any, dict[int, set[int]]] = defaultdict(lambda: defaultdict(set))
        for (playback, slot), event in self.present.items():
            if first <= slot < stop and fits(event, wanted):
                there[key_of(event, slot * SLOT, by)][slot].add(event.viewer if unique else playback)
        result = {}
        for key, slots in there.items():
            size = stop - first
            if isinstance(by, Every):
                bucket = range((key * by.ms - by.ahead) // SLOT, ((key + 1) * by.ms - by.ahead) // SLOT)
                size = len(range(max(bucket.start, first), min(bucket.stop, stop)))
            result[key] = (max(map(len, slots.values())), sum(map(len, slots.values())) / size)
        return result


def fits(event: Event, wanted: Filter) -> bool:
    profile = event.profile
    asked = wanted.of_profile()
    return (
        (not wanted.media_ids or event.media_id in wanted.media_ids)
        and (wanted.media_type is None or event.media_id.startswith("li" if wanted.media_type == "live-stream" else "vi"))
        and all(getattr(profile, dimension) in values for dimension, values in asked.items())
    )


def key_of(event: Event, at: int, by: Any) -> Any:
    if isinstance(by, Every):
        return (at + by.ahead) // by.ms
    if by == counting.ALL:
        return ""
    if by == counting.MEDIA_TYPE:
        return "live-stream" if event.media_id.startswith("li") else "video"
    if by == counting.CONTINENT:
        return {"FR": "EU", "JP": "AS", "": ""}[event.profile.country]
    return event.media_id if by == counting.MEDIA else getattr(event.profile, by)


FILTERS = (
    Filter(),
    Filter(media_ids=("vione", "lione")),
    Filter(media_type="video", countries=("FR",)),
    Filter(browsers=("chrome",)),
    Filter(browsers=("chrome",), device_types=("computer", "tv")),
    Filter(continents=("AS",)),
    Filter(continents=("EU",), countries=("JP",)),
    Filter(referrers=("",)),
)
KEYS = (
    counting.ALL,
    counting.MEDIA,
    counting.MEDIA_TYPE,
    counting.CONTINENT,
    "country",
    "referrer",
    "operating_system",
    Every(MINUTE),
    Every(HOUR),
    Every(24 * HOUR),
    Every(24 * HOUR, 9 * HOUR),
    Every(24 * HOUR, -3 * HOUR - 30 * MINUTE),
    Every(HOUR, 345 * MINUTE),
)
METRICS = (*range(events.IMPRESSION, events.WATCH + 1), *events.VIEWS.values())


@pytest.mark.parametrize("seed", [1, 2])
async def test_every_query_says_what_a_recount_says(database: Database, seed: int) -> None:
    told = story(seed)
    await in_batches(told, seed)
    await record(story(seed + 50, 10, Scope("a", "sandbox")))
    await record(story(seed + 60, 10, Scope("b")))
    recount = Recount(told)
    assert len(recount.counted) > 100
    chance = random.Random(seed)
    for number in range(120):
        start = BEGIN + chance.randrange(-HOUR, 5 * HOUR)
        window = Window(start, start + chance.choice((1_000, 17 * MINUTE, HOUR, 3 * HOUR + 12_345, 8 * HOUR)))
        if number % 3 == 0:
            window = Window(start // HOUR * HOUR, (start // HOUR + 3) * HOUR)
        wanted, by, metric = chance.choice(FILTERS), chance.choice(KEYS), chance.choice(METRICS)
        about = (window, wanted, by, metric)

        found = await counting.counted(SCOPE, metric, window, wanted, by)
        assert {key: (c.hits, c.amount) for key, c in found.items()} == recount.sums(metric, window, wanted, by), about
        viewers = await counting.unique_viewers(SCOPE, metric, window, wanted, by)
        assert viewers == recount.unique(metric, window, wanted, by), about
        unique = chance.random() < 0.5
        watching = await presence.concurrent(SCOPE, window, wanted, by, unique=unique)
        expected = recount.peaks(window, wanted, by, unique)
        assert {key: found.peak for key, found in watching.items()} == {key: peak for key, (peak, _) in expected.items()}, (
            about
        )
        averages = {key: average for key, (_, average) in expected.items()}
        assert {key: found.average for key, found in watching.items()} == pytest.approx(averages), about


async def in_batches(told: list[Event], seed: int) -> None:
    """Record events in batches of any size, as they might arrive."""
    chance = random.Random(seed)
    rest = list(told)
    while rest:
        size = chance.choice((1, 7, 60))
        batch, rest = rest[:size], rest[size:]
        chance.shuffle(batch)
        await record(batch)
