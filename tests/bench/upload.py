"""Taking in 2 GiB, against nginx writing the same body to a file: rate, memory, what other requests feel meanwhile.

The nginx of the wheel has no DAV module, so its PUT is made of what PUT does: the body goes to a file in
`client_body_temp_path`; only the rename is missing. It never waits for the disk, so it is compared with a site that does
not either, `durable = false`; and nginx with an fsync is compared with a site as it comes, which acknowledges an upload
when no power cut can take it back.
"""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import statistics
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
from reelkit.testing.servers import run_nginx

from tests.bench.instance import Instance, run_instance
from tests.bench.results import Row
from tests.bench.samples import looped

__all__ = ["run"]

GIB = 1024**3
TURNS = 5

BODY_TO_FILE = """
  client_max_body_size 0;
  location / {
    client_body_in_file_only on;
    proxy_pass_request_body off;
    proxy_set_header Content-Length "";
    proxy_method GET;
    proxy_pass http://127.0.0.1:$server_port/taken$is_args;
  }
  location /taken { return 204; }
"""


def send_file(
    port: int,
    method: str,
    path: str,
    file: Path,
    headers: dict[str, str],
    wrap: tuple[bytes, bytes] = (b"", b""),
    on_sent: Callable[[], None] = lambda: None,
) -> float:
    """Send a file as a request body by sendfile, between the two wrappings; return seconds until the answer came."""
    size = file.stat().st_size + len(wrap[0]) + len(wrap[1])
    lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", f"Content-Length: {size}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    with socket.create_connection(("127.0.0.1", port)) as connection, file.open("rb") as body:
        started = time.perf_counter()
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode() + wrap[0])
        connection.sendfile(body)
        connection.sendall(wrap[1])
        on_sent()
        response = http.client.HTTPResponse(connection)
        response.begin()
        answer = response.read()
        took = time.perf_counter() - started
    if response.status not in (200, 201, 204):
        raise RuntimeError(f"{method} {path}: {response.status} {answer[:300]!r}")
    return took


@dataclass
class Watch:
    """What the server and its other clients felt during an upload. peak: bytes; pings: seconds."""

    before: int = 0
    peak: int = 0
    pings: list[float] = field(default_factory=list)


def resident(pid: int) -> int:
    """Bytes of memory of a server: its process and its workers, without the ffmpeg that a job may have started."""
    parent = psutil.Process(pid)
    return sum(process.memory_info().rss for process in [parent, *parent.children()])


@contextmanager
def watched(port: int, pid: int) -> Iterator[Watch]:
    """Ask for /healthz 20 times a second on one connection and sample the memory until the block ends."""
    watch, stop = Watch(before=resident(pid)), threading.Event()

    def look() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        while not stop.wait(0.05):
            started = time.perf_counter()
            connection.request("GET", "/healthz")
            connection.getresponse().read()
            watch.pings.append(time.perf_counter() - started)
            watch.peak = max(watch.peak, resident(pid))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield watch
    finally:
        stop.set()
        thread.join()


def multipart(name: str) -> tuple[dict[str, str], tuple[bytes, bytes]]:
    """Return the headers and the bytes before and after the one file of a form."""
    boundary = "reelkit-bench-0f3a"
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\nContent-Type: video/mp4\r\n\r\n'
    )
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    return headers, (head.encode(), f"\r\n--{boundary}--\r\n".encode())


def big_file(folder: Path) -> Path:
    """Return a playable MP4 of 2 GiB: the minute, looped, then a `free` box of whatever is missing."""
    path = folder / "2GiB.mp4"
    if not path.exists():
        half = path.with_suffix(".part")
        shutil.copyfile(looped(folder, 20), half)
        missing = 2 * GIB - half.stat().st_size
        with half.open("ab") as file:
            file.write(struct.pack(">I4sQ", 1, b"free", missing))
            file.truncate(2 * GIB)
        half.rename(path)
    return path


NOT_WAITING = "[plugins.local]\ndurable = false\n"


class Uploads:
    """Uploads to one site, and what they cost it. seconds: by kind of body; growth: bytes of memory."""

    def __init__(self, instance: Instance, file: Path) -> None:
        self.instance, self.file = instance, file
        self.seconds: dict[str, list[float]] = {"multipart": [], "raw": []}
        self.pings: list[float] = []
        self.growth: list[int] = []

    def turn(self, *, watching: bool) -> None:
        """Upload with both kinds of body. watching: look at memory and other requests, which costs time, instead."""
        instance = self.instance
        for kind, taken in self.seconds.items():
            headers, wrap = multipart(self.file.name) if kind == "multipart" else ({"Content-Type": "video/mp4"}, (b"", b""))
            video = instance.new_video(kind)
            with watched(instance.port, instance.pid) if watching else nullcontext() as watch:
                path = f"/videos/{video}/source"
                took = send_file(instance.port, "POST", path, self.file, headers | instance.authorization, wrap)
            if watch is None:
                taken.append(took)
            else:
                self.pings += watch.pings
                self.growth.append(watch.peak - watch.before)
            # Ends the encoding that has just begun; its process and the removal of 2 GiB would slow the next turn down.
            httpx.delete(f"{instance.url}/videos/{video}", headers=instance.authorization).raise_for_status()
            time.sleep(3)


def to_disk(folder: Path) -> float:
    """Bring what nginx has written to the disk, remove it, and return how many seconds the first took."""
    (written,) = [path for path in folder.rglob("*") if path.is_file()]
    started = time.perf_counter()
    with written.open("rb") as file:
        os.fsync(file.fileno())
    took = time.perf_counter() - started
    written.unlink()
    return took


def run(folder: Path, cache: Path) -> Iterator[Row]:
    """Measure both bodies and the baseline in turns and take the medians; the first turn warms the disk's blocks up."""
    file = big_file(cache)
    baseline: dict[str, list[float]] = {"nginx": [], "nginx and fsync": []}
    root = folder / "nginx"
    root.mkdir()
    with (
        run_nginx(root, BODY_TO_FILE) as nginx,
        run_instance(folder / "not-waiting", NOT_WAITING) as not_waiting,
        run_instance(folder / "instance") as instance,
    ):
        sites = {"nginx": Uploads(not_waiting, file), "nginx and fsync": Uploads(instance, file)}
        port = int(nginx.url.rsplit(":", 1)[1])
        for turn in range(TURNS + 1):
            sent = send_file(port, "PUT", f"/{turn}.mp4", file, {})
            baseline["nginx"].append(sent)
            baseline["nginx and fsync"].append(sent + to_disk(root / "client_body"))
            for site in sites.values():
                site.turn(watching=turn == 0)
    for beside, site in sites.items():
        theirs = statistics.median(baseline[beside][1:])
        how = "" if site.instance is instance else ", durable = false"
        for kind, limit in (("multipart", "≥ 0.8"), ("raw", "≥ 1.4")):
            ours = statistics.median(site.seconds[kind])
            yield Row(
                topic="upload",
                name=f"2 GiB {kind}{how}: {2 / ours:.2f} GiB/s",
                figure=theirs / ours,
                unit=f"x {beside}",
                limit=limit,
                beside=f"{beside}: {2 / theirs:.2f} GiB/s",
            )
    growth = max(growth for site in sites.values() for growth in site.growth) / 2**20
    yield Row(topic="upload", name="memory growth", figure=growth, unit="MiB", limit="≤ 32")
    pings = sorted(ping for site in sites.values() for ping in site.pings)
    p99 = pings[int(len(pings) * 0.99)] * 1000
    yield Row(topic="upload", name="p99 of other requests meanwhile", figure=p99, unit="ms", limit="≤ 60")
