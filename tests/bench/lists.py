"""Pages of a list of 1,000,000 videos: the deepest, the middle, and filtered ones, against the first page."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from reelkit.catalog import labels, videos
from reelkit.catalog.database import Database, migrate, open_database
from reelkit.catalog.scope import Scope
from reelkit.catalog.videos import Metadata, VideoFilter
from reelkit.site import Database as DatabaseSettings
from reelkit.site import Site
from reelkit.testing.servers import run_postgres

from tests.bench.results import Row

__all__ = ["run"]

VIDEOS = 1_000_000
SCOPE = Scope("default")
FIRST = datetime(2020, 1, 1, tzinfo=UTC)


def run(folder: Path, cache: Path) -> Iterator[Row]:
    """Fill a database of each kind by SQL, then take pages through the catalog as the API does."""
    yield from asyncio.run(measure("SQLite", Site(folder=folder)))
    with run_postgres(folder / "postgres") as server:
        server.psql("CREATE DATABASE lists")
        settings = DatabaseSettings(url=server.url("lists"))
        yield from asyncio.run(measure("Postgres", Site(folder=folder, database=settings)))


async def measure(kind: str, site: Site) -> list[Row]:
    """Return the rows of one engine."""
    database = await open_database(site)
    await migrate(database)
    await fill(database)
    try:
        await videos.page(SCOPE, current_page=20_000)  # cuts the list into counted stretches, once
        for sort_by in ("title", "updatedAt"):
            await videos.page(SCOPE, None, sort_by, current_page=20_000)
        return [row async for row in rows(kind)]
    finally:
        await database.close()


async def rows(kind: str) -> AsyncIterator[Row]:
    """Take each page 30 times."""
    tag, pair = VideoFilter(tags=("t3",)), VideoFilter(metadata=(Metadata("k", "v3"),))
    first = await typical(lambda: videos.page(SCOPE))
    beside = f"page 1: {first:.2f} ms"
    yield Row(topic="lists", name=f"{kind}: page 1 of 40,000", figure=first, unit="ms")
    taken: dict[str, Callable[[], Awaitable[object]]] = {
        "page 40,000": lambda: videos.page(SCOPE, current_page=40_000),
        "page 20,000": lambda: videos.page(SCOPE, current_page=20_000),
        "page 12,345 by title, ascending": lambda: videos.page(SCOPE, None, "title", "asc", 12_345),
        "page 30,001 by change": lambda: videos.page(SCOPE, None, "updatedAt", "desc", 30_001),
        "page 1 by tag (1 of 10)": lambda: videos.page(SCOPE, tag),
        "page 1 by metadata (1 of 10)": lambda: videos.page(SCOPE, pair),
        "page 1 by tag, by title": lambda: videos.page(SCOPE, tag, "title"),
        "page 1 by a rare tag (1 of 10,000), by title": lambda: videos.page(SCOPE, VideoFilter(tags=("r3",)), "title"),
        "tags by number of videos": lambda: labels.tags(SCOPE, None, "videoCount", "desc"),
    }
    for name, take in taken.items():
        figure = await typical(take) / first
        yield Row(topic="lists", name=f"{kind}: {name}", figure=figure, unit="x page 1", limit="≤ 10", beside=beside)
    # Every text is looked at; on Postgres by several processes.
    for name, wanted in (
        ("a rare title", VideoFilter(title="0123456")),
        ("a common title", VideoFilter(title="video")),
        ("a rare description", VideoFilter(description="needle")),
    ):
        start = time.perf_counter()
        await videos.page(SCOPE, wanted)
        figure = time.perf_counter() - start
        yield Row(topic="lists", name=f"{kind}: page 1 of {name}", figure=figure, unit="s", limit="≤ 1", beside=beside)
    both = VideoFilter(tags=("t3",), metadata=(Metadata("k", "v3"),))
    start = time.perf_counter()
    await videos.page(SCOPE, both)
    counting = (time.perf_counter() - start) * 1000
    figure = await typical(lambda: videos.page(SCOPE, both)) / first
    name = f"{kind}: page 1 by tag and metadata, counted in the last 10 s"
    beside += f"; when they must be counted: {counting:.0f} ms"
    yield Row(topic="lists", name=name, figure=figure, unit="x page 1", limit="≤ 10", beside=beside)


async def typical(take: Callable[[], Awaitable[object]]) -> float:
    """Return the median time of a call, in ms."""
    times = []
    for _ in range(30):
        start = time.perf_counter()
        await take()
        times.append((time.perf_counter() - start) * 1000)
    return statistics.median(times)


def numbers(sqlite: bool, first: int = 0, step: int = 1) -> str:
    """Return the head of a statement in which `s` has the numbers of videos in its column n."""
    if sqlite:
        return f"WITH RECURSIVE s(n) AS (SELECT {first} UNION ALL SELECT n + {step} FROM s WHERE n + {step} < {VIDEOS})"
    return f"WITH s AS (SELECT n FROM generate_series({first}::bigint, {VIDEOS - 1}, {step}) g(n))"


async def fill(database: Database) -> None:
    """Insert the videos, each with one of 10 tags, one of 10,000 and one of 10 pairs, as an import by SQL would."""
    sqlite = database.kind == "sqlite"
    id = "printf('vi%022d', n)" if sqlite else "'vi' || lpad(n::text, 22, '0')"
    at = (
        "strftime('%Y-%m-%d %H:%M:%S', 1577836800 + n, 'unixepoch') || '+00:00'"
        if sqlite
        else "timestamptz '2020-01-01 00:00:00+00' + n * interval '1 second'"
    )
    shuffled = "(n * 7919) % 1000003"
    title = f"printf('Video %07d', {shuffled})" if sqlite else f"'Video ' || lpad(({shuffled})::text, 7, '0')"
    folded = title.replace("Video", "video")
    changed = at.replace("+ n", f"+ {shuffled}")
    cast = "" if sqlite else "::jsonb"
    tags = f"('[\"t' || (n % 10) || '\",\"r' || (n % 10000) || '\"]'){cast}"
    metadata = f'(\'[{{"key":"k","value":"v\' || (n % 10) || \'"}}]\'){cast}'
    columns = (
        "id, project, environment, title, title_folded, description, description_folded, public, panoramic, mp4_support,"
        " tags, metadata, created_at, published_at, updated_at"
    )
    values = f"{title}, {folded}, '', '', true, false, true, {tags}, {metadata}, {at}, {at}, {changed}"
    async with database.transaction():
        insert = f"INSERT INTO video ({columns}) {numbers(sqlite)} SELECT {id}, 'default', 'production', {values} FROM s"
        await database.fetch(insert)
        count = "INSERT INTO video_count (id, project, environment, total) VALUES ('default/production', 'default'"
        await database.fetch(f"{count}, 'production', {VIDEOS})")
        named = [("tag", f"t{n}", 10) for n in range(10)] + [("tag", f"r{n}", 10_000) for n in range(10_000)]
        for kind, value, every in [*named, *(("metadata", f"v{n}", 10) for n in range(10))]:
            pairs = () if kind == "tag" else (Metadata("k", value),)
            (label,) = labels.label_ids(SCOPE, (value,) if kind == "tag" else (), pairs)
            shown = value if kind == "tag" else ""
            await database.fetch(
                "INSERT INTO label (id, project, environment, kind, value, value_folded, total)"
                f" VALUES ('{label}', 'default', 'production', '{kind}', '{shown}', '{shown}', {VIDEOS // every})"
            )
            if every == 10_000 and int(value[1:]) >= 100:
                continue  # of the rare tags, a hundred are really there
            await database.fetch(
                f"INSERT INTO video_label (project, environment, label, created_at, id)"
                f" {numbers(sqlite, int(value[1:]), every)} SELECT 'default', 'production', '{label}', {at}, {id} FROM s"
            )
    await database.fetch("ANALYZE")
    assert (await videos.page(SCOPE)).items[0].created_at == FIRST + timedelta(seconds=VIDEOS - 1)
