"""A process that dies in the middle of a job, and the next one that finishes it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from reelkit.catalog import work
from reelkit.catalog.playback import playback
from reelkit.catalog.sources import Source
from reelkit.jobs.runtime import Runtime, running
from reelkit.operations.recovery import recover
from reelkit.plugins import load_plugins
from reelkit.site import Limits, Site

WORKER = """
import asyncio, sys
from pathlib import Path
from reelkit.jobs.runtime import running
from reelkit.plugins import load_plugins
from reelkit.site import Limits, Site

async def main():
    site = Site(folder=Path(sys.argv[1]), limits=Limits(duration_minutes=10))
    async with running(site, load_plugins(site, third_party=True)) as runtime:
        await runtime.engine.submit("ingest", sys.argv[2], {"source_id": sys.argv[2]})
        print("ready", flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


def ffmpeg_of(worker: subprocess.Popen[bytes]) -> list[psutil.Process]:
    try:
        children = psutil.Process(worker.pid).children(recursive=True)
        # One without an input is imageio-ffmpeg asking for the version.
        return [p for p in children if "ffmpeg" in p.name() and "-i" in p.cmdline()]
    except psutil.NoSuchProcess:
        return []


@pytest.mark.parametrize("container", ["mp4", "mkv"])
async def test_what_a_killed_process_was_making_is_made_by_the_next(
    container: str,
    site: Site,
    sample: Callable[..., Path],
    upload_to: Callable[[Runtime, Path], Awaitable[Source]],
    told: Any,
) -> None:
    site = Site(folder=site.folder, limits=Limits(duration_minutes=10))
    made = sample(duration=25, width=854, height=480, container=container)
    async with running(site, load_plugins(site, third_party=True), run_jobs=False) as runtime:
        source = await upload_to(runtime, made)

    worker = subprocess.Popen([sys.executable, "-c", WORKER, str(site.folder), source.id], stdout=subprocess.PIPE)
    try:
        for _ in range(1200):
            if len(encoders := ffmpeg_of(worker)) == (1 if container == "mp4" else 2):
                break
            await asyncio.sleep(0.05)
        assert encoders
        await asyncio.sleep(0.3)
    finally:
        worker.kill()
        worker.wait()
    _, alive = await asyncio.to_thread(psutil.wait_procs, encoders, 60)
    assert alive == []

    async with running(site, load_plugins(site, third_party=True)) as runtime:
        await recover(runtime)
        assert (await runtime.engine.wait("transcode", source.id, 90)).state == "done"
        if container == "mkv":
            assert (await runtime.engine.wait("draft", source.id, 90)).state == "done"
            assert (await runtime.engine.wait("mp4", source.id, 90)).state == "done"
        watched = await playback(source.video_id)
        assert watched is not None
        encoded = [r.quality for r in watched.renditions if r.kind == "encoded"]
        assert encoded == (["360p", "240p"] if container == "mp4" else ["480p", "360p", "240p"])
        assert [draft.complete for draft in watched.drafts] == ([] if container == "mp4" else [True])
        assert {r.status for r in await work.renditions_of(source.id)} == {"encoded"}
        await recover(runtime)
        kept = {r.storage_key for r in watched.renditions} | {r.index_key for r in watched.renditions}
        kept |= {segment.storage_key for draft in watched.drafts for segment in draft.segments}
        assert watched.source is not None
        kept |= {watched.source.storage_key, watched.source.mp4_key, *watched.source.images}
        assert {stored.key async for stored in runtime.storage.list("")} == kept - {None}
    assert json.dumps(told()).count("video.failed") == 0
