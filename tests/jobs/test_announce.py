"""An event that is committed is told, whenever the process that was to tell it dies; of webhooks each is told once."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from reelkit.catalog import untold, videos, webhook_deliveries, webhooks
from reelkit.catalog.scope import Scope, scoped
from reelkit.catalog.videos import NewVideo
from reelkit.interfaces.event import RenditionEncoded, VideoCreated
from reelkit.jobs import announce
from reelkit.jobs.announce import announcing, facts, noting, tell_what_is_left
from reelkit.jobs.runtime import Runtime, running
from reelkit.operations.recovery import recover
from reelkit.plugins import load_plugins
from reelkit.site import Network, Site

SCOPE = Scope("default", "production")

PLUGIN = """
import os, signal
from pathlib import Path
import reelkit

HERE = Path({folder!r})

@reelkit.hookimpl
def on_event(event):
    with (HERE / "told").open("a") as log:
        log.write(type(event).__name__ + "\\n")
    if (HERE / "die").exists():
        (HERE / "die").unlink()
        os.kill(os.getpid(), signal.SIGKILL)
"""

CHILD = """
import asyncio, os, signal, sys
from pathlib import Path
from reelkit.catalog import videos
from reelkit.catalog.scope import Scope
from reelkit.catalog.videos import NewVideo
from reelkit.interfaces.event import RenditionEncoded, VideoCreated
from reelkit.jobs import announce
from reelkit.jobs.runtime import running
from reelkit.plugins import load_plugins
from reelkit.site import Site

folder, moment = Path(sys.argv[1]), sys.argv[2]

async def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

async def main():
    site = Site(folder=folder)
    async with running(site, load_plugins(site), run_jobs=False) as runtime:
        if moment == "after the commit":
            announce._tell = die
        async with announce.announcing(runtime) as happened:
            video = await videos.create(Scope("default", "production"), NewVideo(title="t"))
            await happened(RenditionEncoded(**announce.facts(video), encoding="hls", quality="720p"))
            if moment == "before the commit":
                await die()

asyncio.run(main())
"""


class Receiver:
    """An address that takes what it is told."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.came = asyncio.Event()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.split("content-length: ")[1].split("\r\n")[0])
        self.bodies.append(json.loads(await reader.readexactly(length)))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        self.came.set()
        writer.close()


@pytest.fixture
async def receiver() -> AsyncIterator[tuple[Receiver, str]]:
    taking = Receiver()
    async with await asyncio.start_server(taking, "127.0.0.1", 0) as server:
        yield taking, f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.fixture
def site(tmp_path: Path, receiver: tuple[Receiver, str]) -> Site:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "listener.py").write_text(PLUGIN.format(folder=str(tmp_path)))
    return Site(folder=tmp_path, network=Network(allow_private=(receiver[1],)))


def told(site: Site) -> list[str]:
    log = site.folder / "told"
    return log.read_text().split() if log.exists() else []


async def settled(runtime: Runtime, webhook_id: str) -> list[str]:
    """Return what became of every delivery, once none waits."""
    for _ in range(2000):
        page = await webhook_deliveries.page(SCOPE, webhook_id)
        if all(delivery.status != "waiting" for delivery in page.items):
            break
        await asyncio.sleep(0.02)
    return [delivery.status for delivery in page.items]


@pytest.mark.parametrize("moment", ["before the commit", "after the commit", "while plugins are told"])
async def test_a_killed_process_neither_loses_an_event_nor_invents_one(
    moment: str, site: Site, receiver: tuple[Receiver, str]
) -> None:
    async with running(site, load_plugins(site), run_jobs=False):
        webhook = await webhooks.create(SCOPE, f"http://{receiver[1]}/", ("video.encoding.quality.completed",))
        assert webhook is not None
    if moment == "while plugins are told":
        (site.folder / "die").touch()

    command = [sys.executable, "-c", CHILD, str(site.folder), moment]
    killed = await asyncio.to_thread(subprocess.run, command, check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL

    async with running(site, load_plugins(site)) as runtime:
        await recover(runtime, alone=True)
        if moment == "before the commit":
            assert (await settled(runtime, webhook.id), told(site), receiver[0].bodies) == ([], [], [])
            assert (await videos.page(SCOPE)).total == 0
            return
        await asyncio.wait_for(receiver[0].came.wait(), 30)
        assert await settled(runtime, webhook.id) == ["delivered"]
        assert [body["quality"] for body in receiver[0].bodies] == ["720p"]
        assert told(site) == ["RenditionEncoded"] * (2 if moment == "while plugins are told" else 1)
        assert (await videos.page(SCOPE)).total == 1
        await recover(runtime, alone=True)
        assert await untold.left(datetime.now(UTC)) == []
        assert len(receiver[0].bodies) == 1 and len(told(site)) < 3


async def test_an_event_is_told_once_when_nobody_dies(site: Site, receiver: tuple[Receiver, str]) -> None:
    async with running(site, load_plugins(site)) as runtime:
        webhook = await webhooks.create(SCOPE, f"http://{receiver[1]}/", ("video.encoding.quality.completed",))
        assert webhook is not None
        async with announcing(runtime) as happened:
            video = await videos.create(SCOPE, NewVideo(title="t"))
            await happened(VideoCreated(**facts(video)))
            await happened(RenditionEncoded(**facts(video), encoding="hls", quality="720p"))
            assert told(site) == [], "nothing is told before it is committed"
        await recover(runtime, alone=True)
        assert await settled(runtime, webhook.id) == ["delivered"]
        assert told(site) == ["VideoCreated", "RenditionEncoded"] and len(receiver[0].bodies) == 1


async def test_what_is_rolled_back_is_not_told(site: Site) -> None:
    async with running(site, load_plugins(site), run_jobs=False) as runtime:
        with pytest.raises(RuntimeError):
            async with announcing(runtime) as happened:
                await happened(VideoCreated(**facts(await videos.create(SCOPE, NewVideo(title="t")))))
                raise RuntimeError
        assert await untold.left(datetime.now(UTC)) == [] and told(site) == []


async def test_an_event_that_another_process_is_telling_is_left_to_it(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(site, load_plugins(site), run_jobs=False) as runtime:
        async with noting(runtime) as happened:
            await happened(VideoCreated(**facts(await videos.create(SCOPE, NewVideo(title="t")))))
        await tell_what_is_left(runtime)
        assert told(site) == []
        monkeypatch.setattr(announce, "LEFT", timedelta(seconds=0.2))
        await asyncio.sleep(0.25)
        await asyncio.gather(tell_what_is_left(runtime), tell_what_is_left(runtime))
        assert told(site) == ["VideoCreated"]


async def test_a_worker_tells_what_another_process_left(site: Site) -> None:
    async with running(site, load_plugins(site), run_jobs=False) as runtime:
        async with noting(runtime) as happened:
            await happened(VideoCreated(**facts(await videos.create(SCOPE, NewVideo(title="t")))))
        past = {untold.UntoldRow.taken_at: datetime.now(UTC) - timedelta(minutes=2)}
        await scoped(untold.UntoldRow, SCOPE).update(past).where(untold.UntoldRow.id == happened.events[0].id)
    (site.folder / "site.toml").touch()
    command = [sys.executable, "-m", "reelkit", "worker", "--site", str(site.folder)]
    worker = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        for _ in range(600):
            if told(site):
                break
            await asyncio.sleep(0.1)
    finally:
        worker.terminate()
        said, _ = worker.communicate(timeout=60)
    assert told(site) == ["VideoCreated"], said.decode()


async def test_an_event_of_a_version_that_knew_others_is_let_go(site: Site) -> None:
    async with running(site, load_plugins(site), run_jobs=False) as runtime:
        now = datetime.now(UTC) - timedelta(days=1)
        await scoped(untold.UntoldRow, SCOPE).insert(
            id="ev1", event='{"type":"video.sold"}', webhooks_noted=False, created_at=now, taken_at=now
        )
        await tell_what_is_left(runtime)
        assert await untold.left(datetime.now(UTC)) == [] and told(site) == []


async def test_an_event_that_nobody_listens_to_is_not_written(tmp_path: Path) -> None:
    site = Site(folder=tmp_path)
    async with running(site, load_plugins(site), run_jobs=False) as runtime:
        async with noting(runtime) as happened:
            await happened(VideoCreated(**facts(await videos.create(SCOPE, NewVideo(title="t")))))
        assert happened.events == [] and await untold.left(datetime.now(UTC) + timedelta(days=1)) == []
