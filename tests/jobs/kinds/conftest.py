"""A site whose jobs are done by the tests themselves, step by step, and uploads to do them on."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from reelkit.catalog import sources, videos
from reelkit.catalog.checksums import Checksum
from reelkit.catalog.playback import Playback, playback
from reelkit.catalog.scope import Scope
from reelkit.catalog.sources import Source
from reelkit.catalog.videos import NewVideo
from reelkit.jobs.job import JobContext
from reelkit.jobs.runtime import Runtime, running
from reelkit.jobs.transfer import store_file
from reelkit.plugins import load_plugins
from reelkit.site import Limits, Site, Use

Upload = Callable[[Path], Awaitable[Source]]

RECORDER = """
import json
from pathlib import Path
import msgspec, reelkit

@reelkit.hookimpl
def on_event(event):
    with Path({log!r}).open("a") as log:
        log.write(json.dumps(msgspec.to_builtins(event)) + "\\n")
"""


class Told:
    """The events that a plugin was told of."""

    def __init__(self, log: Path) -> None:
        self._log = log

    def __call__(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._log.read_text().splitlines()] if self._log.exists() else []

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self()]


@pytest.fixture
def told(tmp_path: Path) -> Told:
    return Told(tmp_path / "events")


@pytest.fixture
def site(tmp_path: Path, told: Told) -> Site:
    folder = tmp_path / "site"
    (folder / "plugins").mkdir(parents=True)
    (folder / "plugins" / "recorder.py").write_text(RECORDER.format(log=str(tmp_path / "events")))
    return Site(folder=folder, limits=Limits(duration_minutes=1))


@pytest.fixture
def s3_site(site: Site, s3_bucket: Any) -> Site:
    section = {
        "bucket": s3_bucket.bucket,
        "endpoint": s3_bucket.endpoint,
        "access_key": s3_bucket.access_key,
        "secret_key": s3_bucket.secret_key,
        "region": s3_bucket.region,
        "allow_http": True,
    }
    return Site(folder=site.folder, limits=site.limits, use=Use(storage="s3"), plugins={"s3": section})


@pytest.fixture
async def runtime(site: Site) -> AsyncIterator[Runtime]:
    async with running(site, load_plugins(site, third_party=True), run_jobs=False) as opened:
        yield opened


async def put_source(runtime: Runtime, path: Path) -> Source:
    """Upload a file as the source of a new video, whole and acknowledged."""
    scope = Scope("default", "production")
    video = await videos.create(scope, NewVideo(title="A video"))
    source = await sources.begin(scope, video.video_id, path.name)
    assert isinstance(source, Source)
    checksum = Checksum()
    checksum.update(path.read_bytes())
    await store_file(runtime.storage, source.storage_key, path)
    assert await sources.uploaded(scope, source, checksum.size, str(checksum))
    found = await sources.for_video(scope, video.video_id)
    assert found is not None
    return found


@pytest.fixture
def upload_to() -> Callable[[Runtime, Path], Awaitable[Source]]:
    return put_source


@pytest.fixture
def upload(runtime: Runtime) -> Upload:
    return lambda path: put_source(runtime, path)


@pytest.fixture
def job(tmp_path: Path) -> Callable[[str, Source], JobContext]:
    """Begin an attempt: job("ingest", source)."""
    begun = 0

    def begin(kind: str, source: Source) -> JobContext:
        nonlocal begun
        begun += 1
        scratch = tmp_path / f"scratch-{begun}"
        scratch.mkdir()
        return JobContext(kind, source.id, 1, scratch, lambda _: None)

    return begin


@pytest.fixture
def keys(runtime: Runtime) -> Callable[[], Awaitable[list[str]]]:
    """List what the storage holds."""

    async def every() -> list[str]:
        return sorted([stored.key async for stored in runtime.storage.list("")])

    return every


UntilPlayable = Callable[..., Awaitable[Playback]]


@pytest.fixture
def until_playable() -> UntilPlayable:
    """Wait until a video plays: await until_playable(video_id, run) -> what viewers see. Fails when run ends before."""

    async def wait(video_id: str, run: asyncio.Task[None] | None = None) -> Playback:
        deadline = time.monotonic() + 60
        while True:
            ended = run is not None and run.done()
            if (seen := await playback(video_id)) is not None and seen.playable:
                return seen
            assert not ended and time.monotonic() < deadline, run
            await asyncio.sleep(0.01)

    return wait
