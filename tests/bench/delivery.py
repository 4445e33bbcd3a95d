"""Media of a private video to 32 viewers at once, against nginx with one worker sending the same bytes from a file.

Every request of ours carries a session, which is checked; nginx checks nothing. Litestar's File runs on Granian with the
options that ours runs with.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
from reelkit.testing.processes import answers_http, free_ports, run_process
from reelkit.testing.servers import run_nginx

from tests.bench.first_play import fetch, playlists
from tests.bench.instance import Instance, run_instance
from tests.bench.load import Load, ServerCost, run_load
from tests.bench.results import Row
from tests.bench.samples import ffmpeg
from tests.bench.upload import send_file

__all__ = ["run"]

CONNECTIONS = 32
SECONDS = 5.0
ROUNDS = 3

LITESTAR_FILE = """
from litestar import Litestar, get
from litestar.response import File

@get("/playlist.m3u8")
async def playlist() -> File:
    return File({path!r}, media_type="application/vnd.apple.mpegurl")

app = Litestar([playlist], openapi_config=None)
"""


class Measured:
    """Rounds of load on one address of one server."""

    def __init__(self, port: int, pid: int, path: str | Sequence[str], headers: dict[str, str] | None = None) -> None:
        self.port, self.pid, self.path, self.headers = port, pid, path, headers
        self.loads: list[Load] = []
        self.costs: list[float] = []

    def round(self) -> None:
        """Load it once."""
        cost = ServerCost(self.pid)
        load = run_load(self.port, self.path, connections=CONNECTIONS, seconds=SECONDS, headers=self.headers)
        if load.failures:
            raise RuntimeError(f"{self.path}: {load.failures} of {load.requests} requests failed")
        self.costs.append(cost.seconds())
        self.loads.append(load)

    @property
    def best(self) -> Load:
        """The round with the highest rate: the one that was disturbed least."""
        return max(self.loads, key=lambda load: load.requests_per_second)

    @property
    def cpu_per_gb(self) -> float:
        """CPU seconds of the server for 10^9 bytes, over all rounds."""
        return sum(self.costs) / (sum(load.body_bytes for load in self.loads) / 1e9)

    def __str__(self) -> str:
        load = self.best
        return f"{load.bytes_per_second / 1e9:.2f} GB/s, {self.cpu_per_gb:.2f} CPU-s/GB, p99 {load.p99 * 1000:.0f} ms"


def two_megabyte_segments(folder: Path) -> Path:
    """Return 40 s of H.264 whose segments of 4 s have about 2 MB."""
    path = folder / "two-megabytes.mp4"
    if not path.exists():
        ffmpeg(
            *("-f", "lavfi", "-i", "testsrc2=s=1280x720:r=30:d=40,noise=alls=20:allf=t"),
            *("-c:v", "libx264", "-preset", "ultrafast", "-b:v", "4M", "-minrate", "4M", "-maxrate", "4M"),
            *("-bufsize", "2M", "-x264-params", "nal-hrd=cbr", "-pix_fmt", "yuv420p", "-g", "60", path),
        )
    return path


def published(instance: Instance, file: Path) -> str:
    """Upload a private video, wait until its ladder is done, so that nothing encodes meanwhile, and return its id."""
    created = httpx.post(
        f"{instance.url}/videos", json={"title": file.name, "public": False}, headers=instance.authorization
    )
    video = str(created.raise_for_status().json()["videoId"])
    headers = {"Content-Type": "video/mp4"} | instance.authorization
    send_file(instance.port, "POST", f"/videos/{video}/source", file, headers)
    while True:
        qualities = instance.get(f"/videos/{video}/status").json()["encoding"]["qualities"]
        if qualities and all(quality["status"] == "encoded" for quality in qualities):
            return video
        time.sleep(1)


def session_of(instance: Instance, video: str) -> str:
    """Return the query that opens a private video, as its token gives it."""
    manifest: str = instance.get(f"/videos/{video}").json()["assets"]["hls"]
    answer = httpx.get(manifest.replace("hls/manifest.m3u8", "session")).raise_for_status()
    return f"avh={answer.json()['session_token']}"


def run(folder: Path, cache: Path) -> Iterator[Row]:
    """Load each server in turns and compare the best rounds."""
    root = folder / "nginx"
    root.mkdir()
    with run_instance(folder / "instance") as instance:
        video = published(instance, two_megabyte_segments(cache))
        session = session_of(instance, video)
        manifest = f"/vod/{video}/hls/manifest.m3u8?{session}"
        playlist, segments = playlists(instance.port, manifest)
        if fetch(instance.port, segments[1].partition("?")[0])[0] != 404:
            raise RuntimeError("a segment of a private video is there for everybody")
        _, body = fetch(instance.port, segments[1])
        (root / "segment.m4s").write_bytes(body)
        (root / "playlist.m3u8").write_bytes(fetch(instance.port, playlist)[1])
        app = folder / "litestar_file.py"
        app.write_text(LITESTAR_FILE.format(path=str(root / "playlist.m3u8")))
        (port,) = free_ports(1)
        options = ["--runtime-mode", "st", "--loop", "uvloop", "--http", "1", "--workers-kill-timeout", "5", "--no-log"]
        granian = [
            sys.executable,
            "-m",
            "granian",
            "--interface",
            "asgi",
            *options,
            "--port",
            str(port),
            "litestar_file:app",
        ]
        ready = answers_http(port, "/playlist.m3u8")
        with (
            run_nginx(root, "root .;") as nginx,
            run_process(granian, log=folder / "granian.log", ready=ready, cwd=folder) as framework,
        ):
            nginx_port = int(nginx.url.rsplit(":", 1)[1])
            source = f"/vod/{video}/mp4/source.mp4?{session}"
            size = int(httpx.head(f"{instance.url}{source}").headers["content-length"])
            part = {"Range": f"bytes=1000000-{min(size, 1000000 + len(body)) - 1}"}
            static = Measured(nginx_port, nginx.pid, "/segment.m4s")
            packaged = Measured(instance.port, instance.pid, segments[1])
            ranges = Measured(instance.port, instance.pid, source, part)
            whole = Measured(instance.port, instance.pid, source)
            ours = Measured(instance.port, instance.pid, playlist)
            theirs = Measured(port, framework.pid, "/playlist.m3u8")
            for _ in range(ROUNDS):
                for measured in (static, packaged, ranges, whole, ours, theirs):
                    measured.round()
    ratio = packaged.best.bytes_per_second / static.best.bytes_per_second
    name = f"{len(body) / 1e6:.1f} MB segments with a session: {packaged}"
    yield Row(topic="delivery", name=name, figure=ratio, unit="x nginx", limit="≥ 0.7", beside=f"nginx {static}")
    name = f"ranges of {len(body) / 1e6:.1f} MB: {ranges}"
    cost = ranges.cpu_per_gb / whole.cpu_per_gb
    yield Row(topic="delivery", name=name, figure=cost, unit="x CPU", limit="≤ 1.2", beside=f"whole file {whole}")
    faster = ours.best.requests_per_second / theirs.best.requests_per_second
    beside = f"Litestar's File {theirs.best.requests_per_second:.0f}/s"
    name = f"playlists: {ours.best.requests_per_second:.0f}/s"
    yield Row(topic="delivery", name=name, figure=faster, unit="x", limit="≥ 10", beside=beside)
