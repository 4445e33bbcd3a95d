"""Analytics: beats taken by a running site, what a kill -9 loses, and queries over 10,000,000 events."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
from reelkit.catalog.analytics import counting, events, presence
from reelkit.catalog.analytics.counting import MEDIA, Every
from reelkit.catalog.analytics.events import HOUR, SLOT
from reelkit.catalog.analytics.filters import Filter, Window
from reelkit.catalog.database import Database, migrate, open_database
from reelkit.catalog.scope import Scope
from reelkit.site import Database as DatabaseSettings
from reelkit.site import Site
from reelkit.testing.served import ServedSite, served_site
from reelkit.testing.servers import run_postgres

from tests.bench.results import Row

__all__ = ["run"]

PLAYBACKS = int(os.environ.get("REELKIT_BENCH_PLAYBACKS", "400000"))
EVENTS_EACH = 25
"""A minute of watching, told every 2.4 s: 400,000 playbacks are 10,000,000 events."""
MEDIA_TOTAL = 100
DAYS = 29
SCOPE = Scope("default")
BEATS, EVENTS_A_BEAT, CLIENTS = 1_000, 10, 4


def run(folder: Path, cache: Path) -> Iterator[Row]:
    """Send beats to a site over HTTP, kill it, then ask databases that were filled by SQL."""
    with served_site(folder / "site") as site:
        yield from taking(site)
    yield from asyncio.run(measure("SQLite", Site(folder=folder)))
    with run_postgres(folder / "postgres") as server:
        server.psql("CREATE DATABASE analytics")
        settings = DatabaseSettings(url=server.url("analytics"))
        yield from asyncio.run(measure("Postgres", Site(folder=folder, database=settings)))


def taking(site: ServedSite) -> Iterator[Row]:
    """Send beats as fast as a few clients can, until all are written; then kill the site a second after the last."""
    videos = [site.new_video(f"{number}") for number in range(10)]
    start = time.perf_counter()
    share = BEATS // CLIENTS

    def client(number: int) -> None:
        with httpx.Client() as connection:
            for beat in range(share):
                connection.post(f"{site.url}/watch", content=body(videos[beat % 10], f"{number}/{beat}")).raise_for_status()

    with ThreadPoolExecutor(CLIENTS) as clients:
        list(clients.map(client, range(CLIENTS)))
    sent = share * CLIENTS
    taken = time.perf_counter() - start
    while plays(site) < sent:
        time.sleep(0.05)
    seconds = time.perf_counter() - start
    total = sent * EVENTS_A_BEAT
    yield Row(
        topic="analytics",
        name="events taken and written, one process, SQLite",
        figure=total / seconds,
        unit="events/s",
        limit="≥ 2000",
        beside=f"answered after {taken:.1f} s, written after {seconds:.1f} s, beats of {EVENTS_A_BEAT}",
    )
    with httpx.Client() as connection:
        for beat in range(100):
            connection.post(f"{site.url}/watch", content=body(videos[0], f"last {beat}"))
    time.sleep(1)
    site.kill()
    site.start()
    lost = sent + 100 - plays(site)
    yield Row(topic="analytics", name="beats older than 1 s that kill -9 lost", figure=lost, unit="of 100", limit="≤ 0")


def plays(site: ServedSite) -> int:
    """Return how many plays the site has counted."""
    return int(site.client.get("/data/metrics/play/total").json()["data"])


def body(media: str, playback: str) -> str:
    """Return a beat of one playback that just began."""
    told: list[dict[str, Any]] = [{"eat": at * 500, "typ": 4, "vti": at / 2, "pau": False} for at in range(EVENTS_A_BEAT)]
    told[0]["typ"] = 2
    return json.dumps({"sat": EVENTS_A_BEAT * 500, "sid": playback, "pid": playback, "mid": media, "ref": "", "eve": told})


async def measure(kind: str, site: Site) -> list[Row]:
    """Return the rows of one engine."""
    database = await open_database(site)
    try:
        await migrate(database)
        stop = time.time_ns() // 1_000_000 // HOUR * HOUR
        await fill(database, stop)
        return [row async for row in rows(kind, stop)]
    finally:
        await database.close()


async def rows(kind: str, stop: int) -> AsyncIterator[Row]:
    """Ask each question a few times."""
    # Neither end on an hour: the edges are read from hits.
    window = Window(stop - DAYS * 24 * HOUR + 1_234_567, stop - 1_234_567)
    everything, one = Filter(), Filter(media_ids=("viBench0007",))
    asked: dict[str, Callable[[], Awaitable[object]]] = {
        "plays": lambda: counting.counted(SCOPE, events.PLAY, window, everything),
        "watch time of one media": lambda: counting.counted(SCOPE, events.WATCH, window, one),
        "plays by media": lambda: counting.counted(SCOPE, events.PLAY, window, everything, MEDIA),
        "views by country": lambda: counting.counted(SCOPE, events.VIEWS[5], window, everything, "country"),
        "plays by hour": lambda: counting.counted(SCOPE, events.PLAY, window, everything, Every(HOUR)),
        "plays by browser, in one country": lambda: counting.counted(
            SCOPE, events.PLAY, window, Filter(countries=("C3",)), "browser"
        ),
        "unique views": lambda: counting.unique_viewers(SCOPE, events.VIEWS[5], window, everything),
        "unique views by media": lambda: counting.unique_viewers(SCOPE, events.VIEWS[5], window, everything, MEDIA),
        "peak of concurrent viewers": lambda: presence.concurrent(SCOPE, window, everything),
        "peak of unique viewers by media": lambda: presence.concurrent(SCOPE, window, everything, MEDIA, unique=True),
    }
    for name, ask in asked.items():
        times = []
        for _ in range(3):
            start = time.perf_counter()
            await ask()
            times.append(time.perf_counter() - start)
        total = f"{PLAYBACKS * EVENTS_EACH:,} events, {DAYS} days"
        yield Row(
            topic="analytics",
            name=f"{kind}: {name}",
            figure=statistics.median(times),
            unit="s",
            limit="≤ 1",
            beside=total,
        )


async def fill(database: Database, stop: int) -> None:
    """Insert what the events of so many playbacks come to, by SQL: everything but the events themselves."""
    sqlite = database.kind == "sqlite"
    series = (
        f"WITH RECURSIVE s(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM s WHERE n < {PLAYBACKS - 1})"
        if sqlite
        else f"WITH s AS (SELECT n FROM generate_series(0::bigint, {PLAYBACKS - 1}) g(n))"
    )
    span = DAYS * 24 * HOUR
    at = f"({stop - span} + n * {span // PLAYBACKS})"
    media = f"'viBench' || substr('0000' || (n % {MEDIA_TOTAL}), -4)" if sqlite else None
    media = media or f"'viBench' || lpad((n % {MEDIA_TOTAL})::text, 4, '0')"
    scope = "'default' AS project, 'production' AS environment"
    async with database.transaction():
        await database.fetch(
            "INSERT INTO analytics_profile (project, environment, id, country, device_type, operating_system, browser,"
            " referrer, seen_at) " + series.replace(str(PLAYBACKS - 1), "499") + f" SELECT {scope}, n, 'C' || (n % 10),"
            f" 'd' || (n % 3), 'o' || (n % 5), 'b' || (n % 4), 'https://r' || (n % 50) || '.example/', {stop} FROM s"
        )
        for metric in events.METRICS:
            await database.fetch(
                "INSERT INTO analytics_hit (project, environment, metric, at, playback, media_id, profile, viewer, hits,"
                f" amount) {series} SELECT {scope}, {metric}, {at}, n, {media}, n % 500, n / 3, 1, 60000 FROM s"
            )
        await database.fetch(
            "INSERT INTO analytics_stretch (project, environment, playback, first_slot, last_slot, media_id, profile,"
            f" viewer) {series} SELECT {scope}, n, {at} / {SLOT}, {at} / {SLOT} + 6, {media}, n % 500, n / 3 FROM s"
        )
        await database.fetch("ANALYZE")  # or Postgres joins them as if they were empty
        columns = "project, environment, metric, dimension, media_id, hour, value, hits, amount"
        source = (
            "analytics_hit h JOIN analytics_profile p ON p.project = h.project AND p.environment = h.environment"
            f" AND p.id = h.profile WHERE h.metric = {events.PLAY}"
        )
        for dimension in ("", "country", "device_type", "operating_system", "browser", "referrer"):
            for media_id in ("''", "h.media_id"):
                value = f"p.{dimension}" if dimension else "''"
                await database.fetch(
                    f"INSERT INTO analytics_cell ({columns}) SELECT h.project, h.environment, h.metric, '{dimension}',"
                    f" {media_id}, h.at / {HOUR}, {value}, SUM(h.hits), SUM(h.amount) FROM {source}"
                    " GROUP BY 1, 2, 3, 4, 5, 6, 7"
                )
        # Every playback has one hit of each metric, so that their cells are the same.
        for metric in set(events.METRICS) - {events.PLAY}:
            await database.fetch(
                f"INSERT INTO analytics_cell ({columns}) SELECT {columns.replace('metric', str(metric))} FROM analytics_cell"
                f" WHERE metric = {events.PLAY}"
            )
    await database.fetch("ANALYZE")
