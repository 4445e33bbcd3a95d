"""A database opens, migrates once however many start, keeps what it acknowledged, and lets go of what it holds."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from asyncpg import InterfaceError
from reelkit.api.faults import problem_of
from reelkit.catalog import binding, keys, projects, schema, sqlite, videos
from reelkit.catalog.database import Database, connect, migrate, open_database
from reelkit.catalog.errors import DatabaseBusy, DatabaseFull, DatabaseUnavailable, SchemaMismatch
from reelkit.catalog.migrations import STEPS
from reelkit.catalog.scope import Scope, scoped
from reelkit.catalog.video_rows import VideoCountRow
from reelkit.catalog.videos import NewVideo
from reelkit.site import Database as DatabaseSettings
from reelkit.site import Site
from reelkit.testing.servers import PostgresServer

INCREMENTS = Path(__file__).with_name("increments.py")
SCOPE = Scope("default")


async def test_two_processes_lose_no_read_modify_write_and_meet_no_lock(database_site: Site) -> None:
    """Both start on an empty database: they migrate, make the default project and count at once."""
    command = [sys.executable, str(INCREMENTS), str(database_site.folder), database_site.database.url, "20"]
    racers = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for racer in racers:
        _, errors = await asyncio.to_thread(racer.communicate, timeout=60)
        assert racer.returncode == 0, errors

    database = await open_database(database_site)
    row = await scoped(VideoCountRow, Scope("race")).one()
    assert row is not None and row["total"] == 1000
    assert [project.id for project in await projects.all_projects()] == ["default"]
    assert len(await database.fetch("SELECT number FROM schema_step")) == len(STEPS)
    await database.close()


async def test_an_unmigrated_database_says_what_to_do(database_site: Site) -> None:
    database = await open_database(database_site)
    assert await database.pending() == STEPS
    with pytest.raises(SchemaMismatch, match="reelkit migrate"):
        await database.check()

    assert tuple(await migrate(database)) == STEPS

    assert await migrate(database) == []
    await database.check()
    await database.close()


async def test_a_database_of_a_newer_reelkit_is_left_alone(database: Database, database_site: Site) -> None:
    await database.fetch("INSERT INTO schema_step (number, name) VALUES (999, 'from the future')")
    for refused in (migrate(database), database.check()):
        with pytest.raises(SchemaMismatch, match="step 999 by a newer reelkit"):
            await refused
    await database.close()
    with pytest.raises(SchemaMismatch, match="newer"):
        await open_database(database_site)


async def test_a_step_that_fails_leaves_nothing_behind(database_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    from reelkit.catalog.migrations import Step

    database = await open_database(database_site)
    broken = Step(1, "broken", lambda _: ["CREATE TABLE half (id TEXT)", "CREATE NONSENSE"])
    with monkeypatch.context() as patched:
        patched.setattr(schema, "STEPS", (broken,))
        with pytest.raises(Exception, match="syntax"):
            await migrate(database)

    assert tuple(await migrate(database)) == STEPS
    with pytest.raises(Exception, match="half"):
        await database.fetch("SELECT * FROM half")
    await database.close()


async def test_a_transaction_is_all_or_nothing_and_an_inner_one_joins(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database.transaction():
            await videos.create(SCOPE, NewVideo(title="a"))
            async with database.transaction():
                await videos.create(SCOPE, NewVideo(title="b"))
            _ = 1 / 0
    assert (await videos.page(SCOPE)).total == 0

    async with database.transaction():
        await videos.create(SCOPE, NewVideo(title="a"))
        assert (await videos.page(SCOPE)).total == 1, "it sees its own writes"
    assert (await videos.page(SCOPE)).total == 1


async def test_others_see_nothing_of_an_open_transaction(database: Database) -> None:
    written, looked = asyncio.Event(), asyncio.Event()

    async def write() -> None:
        async with database.transaction():
            await videos.create(SCOPE, NewVideo(title="a"))
            written.set()
            await looked.wait()

    writing = asyncio.create_task(write())
    await written.wait()
    assert (await videos.page(SCOPE)).total == 0
    looked.set()
    await writing
    assert (await videos.page(SCOPE)).total == 1


async def test_a_task_that_outlives_its_transaction_writes_on_its_own(database: Database) -> None:
    ended = asyncio.Event()

    async def later() -> None:
        await ended.wait()
        await videos.create(SCOPE, NewVideo(title="later"))

    async with database.transaction():
        task = asyncio.create_task(later())
    with pytest.raises(KeyError):
        async with database.transaction():
            ended.set()
            await asyncio.sleep(0.05)
            raise KeyError
    await task

    assert (await videos.page(SCOPE)).total == 1


async def test_queries_gathered_inside_a_transaction_are_part_of_it(database: Database) -> None:
    with pytest.raises(KeyError):
        async with database.transaction():
            some = (keys.insert(SCOPE, name="n", prefix="p", digest=str(n), tier="t", scopes=()) for n in range(5))
            await asyncio.gather(*some)
            assert len(await keys.list_keys(SCOPE)) == 5
            raise KeyError
    assert await keys.list_keys(SCOPE) == []


@pytest.mark.parametrize("delay", [0.0, 0.001, 0.003])
async def test_cancelled_writers_leave_no_transaction_open(database: Database, delay: float) -> None:
    """Clients hang up at any moment: while waiting for the turn, inside, and while committing."""
    for _ in range(5):
        tasks = [asyncio.create_task(videos.create(SCOPE, NewVideo(title="t"))) for _ in range(20)]
        await asyncio.sleep(delay)
        for task in tasks[::2]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert sum(task.cancelled() or task.exception() is None for task in tasks) == 20

    rows = await database.fetch("SELECT COUNT(*) AS n FROM video")
    assert rows[0]["n"] == (await videos.page(SCOPE)).total >= 50
    async with asyncio.timeout(30):
        await videos.create(SCOPE, NewVideo(title="still works"))


async def test_a_writer_cancelled_twice_still_rolls_back(tmp_path: Path) -> None:
    """Once inside a slow statement, and once more while it waits to roll back behind it."""
    database = await open_database(Site(folder=tmp_path))
    await migrate(database)
    slow = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000) SELECT MAX(i) FROM n"

    async def write() -> None:
        async with database.transaction():
            await projects.create("half")
            await database.fetch(slow)

    task = asyncio.create_task(write())
    await asyncio.sleep(0.05)
    for _ in range(2):
        task.cancel()
        await asyncio.sleep(0.01)
    with pytest.raises(asyncio.CancelledError):
        await task

    assert await projects.create("next") is not None
    assert [project.name for project in await projects.all_projects()] == ["next"]
    await database.close()


async def test_tables_belong_to_the_database_that_is_open(tmp_path: Path) -> None:
    first = await open_database(Site(folder=tmp_path / "first"))
    await migrate(first)
    await projects.create("one")
    with pytest.raises(RuntimeError, match="close it"):
        await open_database(Site(folder=tmp_path / "second"))
    assert await projects.named("one") is not None, "the refused one took nothing away"
    await first.close()

    with pytest.raises(DatabaseUnavailable, match="open_database"):
        await projects.named("one")
    second = await open_database(Site(folder=tmp_path / "second"))
    await migrate(second)
    assert await projects.named("one") is None
    await first.close()
    assert await projects.named("one") is None, "closing twice takes nothing from the next"
    await second.close()


async def test_names_of_projects_are_unique(database: Database) -> None:
    made = await asyncio.gather(*(projects.create("acme") for _ in range(5)))
    (project,) = [project for project in made if project is not None]
    assert await projects.get(project.id) == project == await projects.named("acme")
    assert (await projects.default()).id == (await projects.default()).id == projects.DEFAULT


async def test_closing_leaves_no_thread_and_no_connection(database_site: Site) -> None:
    before = set(threading.enumerate())
    for _ in range(3):
        database = await open_database(database_site)
        await migrate(database)
        await asyncio.gather(*(projects.all_projects() for _ in range(10)))
        await database.close()
    left = [thread.name for thread in set(threading.enumerate()) - before if thread.name.startswith("sqlite")]
    assert left == []


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://nobody@127.0.0.1:1/none", "cannot be reached"),
        ("sqlite:folder", "cannot be opened"),
    ],
)
async def test_a_database_that_is_not_there_is_named(tmp_path: Path, url: str, said: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(DatabaseUnavailable, match=said):
        await open_database(Site(folder=tmp_path, database=DatabaseSettings(url=url)))
    assert binding.engine() is binding._closed


@pytest.mark.parametrize("url", ["mysql://x", "sqlite:", "sqlite:///abs", ""])
async def test_a_url_of_another_kind_is_explained(tmp_path: Path, url: str) -> None:
    with pytest.raises(ValueError, match="sqlite:FILE"):
        await open_database(Site(folder=tmp_path, database=DatabaseSettings(url=url)))


async def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "text.sqlite").write_text("this is no database, but long enough to look at" * 50)
    with pytest.raises(DatabaseUnavailable, match="not a database"):
        await open_database(Site(folder=tmp_path, database=DatabaseSettings(url="sqlite:text.sqlite")))


async def test_postgres_going_away_is_named_and_survived(postgres_url: str, tmp_path: Path) -> None:
    database = await open_database(Site(folder=tmp_path, database=DatabaseSettings(url=postgres_url)))
    await migrate(database)
    kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"

    with pytest.raises(DatabaseUnavailable, match="went away"):
        await database.fetch(kill)

    for _ in range(10):
        await database.check()
    await database.close()


@pytest.mark.parametrize("noticed", [True, False])
@pytest.mark.parametrize("when", ["in the middle", "at the end"])
async def test_a_transaction_whose_postgres_goes_away_says_so(
    postgres_url: str, postgres_server: PostgresServer, tmp_path: Path, when: str, noticed: bool
) -> None:
    database = await open_database(Site(folder=tmp_path, database=DatabaseSettings(url=postgres_url)))
    name = postgres_url.rpartition("/")[2]

    with pytest.raises(DatabaseUnavailable, match="went away"):
        async with database.transaction():
            connection = binding.engine().current_transaction.get().connection  # type: ignore[union-attr]  # it is open
            postgres_server.psql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
            with suppress(InterfaceError):  # the pool has taken it back
                while noticed and not connection.is_closed():
                    await asyncio.sleep(0.01)
            if when == "in the middle":
                await database.fetch("SELECT 1 AS one")

    async with database.transaction():
        assert await database.fetch("SELECT 1 AS one") == [{"one": 1}]
    await database.close()


async def test_a_locked_sqlite_file_is_waited_for_and_then_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.3)
    database = await open_database(Site(folder=tmp_path))
    await migrate(database)
    threads = threading.active_count()
    other = sqlite3.connect(tmp_path / "data/reelkit.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    for _ in range(3):
        with pytest.raises(DatabaseBusy):
            await projects.create("x")
        with pytest.raises(DatabaseBusy):
            async with database.transaction():
                pytest.fail("never inside")
    assert await projects.all_projects() == [], "readers are not held up"
    assert threading.active_count() <= threads + 2, "only the readers' threads came"

    other.execute("ROLLBACK")
    other.close()
    assert await projects.create("x") is not None
    await database.close()


async def test_a_transaction_that_waits_for_itself_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "QUEUE_SECONDS", 0.2)
    database = await open_database(Site(folder=tmp_path))
    await migrate(database)

    # A task made before the transaction is not part of it, so its write queues behind it.
    go = asyncio.Event()

    async def outside() -> None:
        await go.wait()
        await projects.create("outside")

    task = asyncio.create_task(outside())
    with pytest.raises(DatabaseBusy, match="turn"):
        async with database.transaction():
            go.set()
            await task

    assert await projects.create("next") is not None
    await database.close()


async def test_the_sqlite_file_is_for_its_owner_only_and_durable(tmp_path: Path) -> None:
    database = await open_database(Site(folder=tmp_path))
    await migrate(database)
    await projects.create("x")
    for file in (tmp_path / "data").iterdir():
        assert file.stat().st_mode & 0o077 == 0, file.name
    assert (await database.fetch("PRAGMA journal_mode")) == [{"journal_mode": "wal"}]
    assert (await database.fetch("PRAGMA synchronous")) == [{"synchronous": 2}]
    assert (await database.fetch("PRAGMA foreign_keys")) == [{"foreign_keys": 1}]
    await database.close()


def test_a_killed_process_loses_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    script = """
    import asyncio, sys
    from pathlib import Path
    from reelkit.catalog import projects
    from reelkit.catalog.database import migrate, open_database
    from reelkit.site import Site

    async def main():
        await migrate(await open_database(Site(folder=Path(sys.argv[1]))))
        for n in range(10**6):
            await projects.create(f"p{n}")
            print(n, flush=True)

    asyncio.run(main())
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        acknowledged = [int(writer.stdout.readline()) for _ in range(200)]
        os.kill(writer.pid, signal.SIGKILL)
        acknowledged += [int(line) for line in writer.stdout.read().splitlines()]

    with sqlite3.connect(tmp_path / "data/reelkit.sqlite") as left:
        kept = {name for (name,) in left.execute("SELECT name FROM project")}
        assert left.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    left.close()
    assert {f"p{n}" for n in acknowledged} <= kept


def test_a_process_that_dies_of_an_error_ends(tmp_path: Path) -> None:
    """Threads of connections that nobody closed must not keep a process alive."""
    script = """
    import asyncio, sys
    from pathlib import Path
    from reelkit.catalog.database import migrate, open_database
    from reelkit.site import Site

    async def main():
        database = await open_database(Site(folder=Path(sys.argv[1])))
        await migrate(database)
        async with database.transaction():
            raise SystemExit(3)

    asyncio.run(main())
    """
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(script), str(tmp_path)], timeout=60)
    assert ended.returncode == 3


async def test_many_that_start_at_once_migrate_once(database_site: Site) -> None:
    """Each has looked at the empty database before it queues at the lock, as a started server has."""
    engines = [await connect(database_site) for _ in range(6)]
    await asyncio.gather(*(schema.progress(engine) for engine in engines))

    ran = await asyncio.gather(*(schema.migrate(engine) for engine in engines))

    # Between two steps another process may take the lock, so each may run some of them; together, each step once.
    assert sorted(step.number for steps in ran for step in steps) == [step.number for step in STEPS]
    for engine in engines:
        await engine.close()


async def test_a_full_disk_is_named_and_survived(small_disk: Path) -> None:
    site = Site(folder=small_disk)
    database = await open_database(site)
    await migrate(database)
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    with pytest.raises(DatabaseFull):
        for _ in range(100):  # the log has a few pages left from before
            await videos.create(SCOPE, NewVideo(title="t" * 5000))
    assert problem_of(DatabaseFull("…")).status == 503
    filler.unlink()
    made = await videos.create(SCOPE, NewVideo(title="room again"))
    assert await videos.get(SCOPE, made.video_id) is not None
    await database.close()
