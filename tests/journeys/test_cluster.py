"""One site on Postgres, served and worked for by processes that die: the product as it runs on several machines."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from reelkit.testing.played import Played
from reelkit.testing.served import REELKIT, ServedSite


@pytest.fixture
def cluster(tmp_path: Path, postgres_url: str) -> Iterator[ServedSite]:
    """A site on Postgres, migrated by its operator, whose workers are taken for dead after 3 s instead of 10."""
    site = ServedSite(tmp_path / "site", f'[database]\nurl = "{postgres_url}"\n[jobs]\nlease_seconds = 3\n', 1, {}, {})
    site.command("migrate")
    try:
        site.start()
        yield site
    finally:
        site.close()


@pytest.fixture
def worker(cluster: ServedSite) -> Iterator[psutil.Process]:
    """A `reelkit worker` process of the cluster; its server works, too."""
    command = [*REELKIT, "worker", "--site", str(cluster.folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as started:
        assert started.stdout is not None and b"jobs on postgres" in started.stdout.readline()
        yield psutil.Process(started.pid)
        started.kill()


def encodes(process: psutil.Process) -> bool:
    """Whether an ffmpeg with an input, which is more than asking for its version, runs for a process."""
    try:
        return any("ffmpeg" in each.name() and "-i" in each.cmdline() for each in process.children(recursive=True))
    except psutil.NoSuchProcess:
        return False


def who_encodes(processes: list[psutil.Process], timeout: float) -> psutil.Process:
    deadline = time.monotonic() + timeout
    while not (found := [each for each in processes if encodes(each)]):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found[0]


def test_whoever_dies_encoding_is_taken_over_within_half_a_minute(
    cluster: ServedSite, worker: psutil.Process, sample: Callable[..., Path], watch: Callable[[str], Played]
) -> None:
    source = sample(duration=15, width=854, height=480, container="mkv")
    video = cluster.new_video()
    assert cluster.upload(video, source).status_code == 201
    assert cluster.process is not None
    everybody = [psutil.Process(cluster.process.pid), worker]
    busy = who_encodes(everybody, 60)
    os.killpg(busy.pid, signal.SIGKILL)
    killed = time.monotonic()
    left = [each for each in everybody if each.pid != busy.pid]
    who_encodes(left, 30)
    assert time.monotonic() - killed < 30
    if busy.pid == cluster.process.pid:
        cluster.stop()
        cluster.start()
    status = cluster.wait_encoded(video)
    assert {quality["status"] for quality in status["encoding"]["qualities"]} == {"encoded"}
    manifest = httpx.get(f"{cluster.url}/vod/{video}/hls/manifest.m3u8")
    assert len(watch(str(manifest.url)).frames) == 450
