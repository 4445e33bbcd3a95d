"""The job `fetch`, where the catalog does not go along with it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from reelkit.catalog import sources, videos, work
from reelkit.catalog.errors import DatabaseBusy
from reelkit.catalog.scope import Scope
from reelkit.catalog.videos import NewVideo
from reelkit.jobs import fetch
from reelkit.jobs.job import JobContext
from reelkit.jobs.runtime import running
from reelkit.outbound import OutboundFailed
from reelkit.plugins import load_plugins
from reelkit.site import Network, Site


async def test_a_source_that_was_given_up_meanwhile_is_brought_anew(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither for ever half there, nor taken for a job that somebody cancelled; a database that is busy stops no beat."""
    beats, beat = 0, sources.beat

    async def busy_first(scope: Scope, id: str) -> bool:
        nonlocal beats
        beats += 1
        if beats == 1:
            raise DatabaseBusy("busy")
        return await beat(scope, id)

    monkeypatch.setattr(fetch, "BEAT", 0.05)
    monkeypatch.setattr(sources, "beat", busy_first)
    asked, done = asyncio.Event(), asyncio.Event()

    async def stall(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nfirst bytes")
        asked.set()
        await done.wait()
        writer.close()

    server = await asyncio.start_server(stall, "127.0.0.1", 0)
    place = "{}:{}".format(*server.sockets[0].getsockname())
    site = Site(folder=site.folder, network=Network(allow_private=(place,)))
    async with running(site, load_plugins(site, third_party=True), run_jobs=False) as runtime:
        new = NewVideo(title="fetched", origin="url", origin_uri=f"http://{place}/a.mp4", fetching=True)
        video = await videos.create(Scope("default"), new)
        job = JobContext("fetch", video.video_id, 1, tmp_path, lambda _: None)
        attempt = asyncio.create_task(fetch.fetch(runtime, job, {"video_id": video.video_id}))
        await asyncio.wait_for(asked.wait(), 30)
        while beats == 0:
            await asyncio.sleep(0.01)

        (given_up,) = await work.fail_abandoned_uploads(timedelta(0))

        with pytest.raises(OutboundFailed, match="given up"):
            await asyncio.wait_for(attempt, 30)
        assert given_up.video_id == video.video_id and await sources.for_video(video.scope, video.video_id) is None
    done.set()
    server.close()
