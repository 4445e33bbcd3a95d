"""What a running process of a site holds, web server and worker alike."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from reelkit.access.playback import PlaybackRights
from reelkit.catalog import webhook_deliveries
from reelkit.catalog.database import Database, migrate, open_database
from reelkit.interfaces.storage import Storage
from reelkit.interfaces.transcoder import Transcoder
from reelkit.jobs import webhooks
from reelkit.jobs.engine import JobEngine
from reelkit.jobs.expire import ABANDONED_EVERY, EVERY, expire, expire_abandoned
from reelkit.jobs.kinds import job_kinds
from reelkit.plugins import Plugins
from reelkit.site import Site
from reelkit.site_secrets import open_secrets

__all__ = ["Runtime", "running"]


@dataclass(frozen=True, slots=True)
class Runtime:
    """The opened parts of a site."""

    site: Site
    database: Database
    storage: Storage
    transcoder: Transcoder
    plugins: Plugins
    engine: JobEngine
    rights: PlaybackRights
    opened_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    """Before any job ran in it."""


@asynccontextmanager
async def running(site: Site, plugins: Plugins, *, run_jobs: bool = True) -> AsyncIterator[Runtime]:
    """Open everything that a process needs, and close it in reverse order at the end.

    An embedded site is migrated; on Postgres that is for `reelkit migrate`. run_jobs: also do the site's jobs.
    Raises DatabaseError, PluginRefused, JobsUnavailable, StorageError.
    """
    async with AsyncExitStack() as opened:
        site.data.mkdir(parents=True, exist_ok=True)
        database = await open_database(site)
        opened.push_async_callback(database.close)
        if database.kind == "sqlite":
            await migrate(database)
        await database.check()
        rights = PlaybackRights(open_secrets(site))
        storage = plugins.storage()
        opened.push_async_callback(storage.close)
        held: list[Runtime] = []
        engine = JobEngine(site, job_kinds(site, lambda: held[0]))
        runtime = Runtime(site, database, storage, plugins.transcoder(), plugins, engine, rights)
        held.append(runtime)
        engine.schedule("reelkit.expire", EVERY, lambda: expire(runtime))
        engine.schedule("reelkit.expire-abandoned", ABANDONED_EVERY, lambda: expire_abandoned(runtime))
        engine.schedule("reelkit.webhooks", webhooks.EVERY, lambda: webhooks.keep_deliveries(runtime))
        engine.schedule("reelkit.webhook-log", 3600.0, webhook_deliveries.prune)
        await engine.start(run=run_jobs)
        opened.push_async_callback(engine.stop)
        yield runtime
