"""`reelkit worker`: a site's jobs in a process of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Annotated

from cyclopts import Parameter

from reelkit.api import parts_mending
from reelkit.cli.options import SiteOption, open_site
from reelkit.jobs.runtime import running
from reelkit.operations.logs import configure_logs
from reelkit.operations.recovery import EVERY, recover
from reelkit.plugins import NO_PLUGINS, load_plugins

__all__ = ["worker"]


async def worker(
    *,
    site: SiteOption = None,
    no_plugins: Annotated[bool, Parameter(negative="", show_default=False, help="Leave third-party plugins out.")] = False,
) -> None:
    """Run a site's jobs until it is stopped with Ctrl-C or SIGTERM.

    `reelkit serve` runs them itself. Workers share them among more processes and
    machines, which need the site on Postgres, a storage that all of them reach,
    and the same secrets. On SQLite a worker waits until nobody else runs them.
    For example:

        reelkit worker --site mysite
    """
    if no_plugins:
        os.environ[NO_PLUGINS] = "1"
    loaded = open_site(site)
    configure_logs()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with running(loaded, load_plugins(loaded)) as runtime:
        # On an embedded site whoever runs the jobs is the only one that does what is due.
        runtime.engine.schedule("reelkit.recover", EVERY, lambda: recover(runtime))
        runtime.engine.schedule("reelkit.parts", parts_mending.EVERY, lambda: parts_mending.mend_uploads(runtime))
        sys.stdout.write(f"reelkit works for {loaded.site.name} ({loaded.folder}), jobs on {runtime.database.kind}\n")
        sys.stdout.flush()
        await stop.wait()
