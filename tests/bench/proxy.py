"""The stream proxy between 32 viewers and an origin, beside mediaflow-proxy doing the same.

Each viewer asks for a segment of their own, so that nothing is fetched once for several: what is compared is the way of
the bytes. The origin is nginx, and both proxies are one process. Signed links are followed, as players do.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import httpx
import psutil
from reelkit.testing.processes import answers_http, free_ports, run_process
from reelkit.testing.servers import NginxServer, run_nginx

from tests.bench.delivery import CONNECTIONS, ROUNDS, Measured
from tests.bench.instance import Instance, run_instance
from tests.bench.proxied_playlists import rows
from tests.bench.results import Row

__all__ = ["run"]

PEER = "mediaflow-proxy==2.4.9"
SIZE = 2_000_000
SETTINGS = """
[network]
allow_private = ["127.0.0.1:{port}"]
[plugins.streamproxy]
cache_bytes = {cache}
[plugins.streamproxy.origins.nginx]
host = "127.0.0.1"
port = {port}
schemes = ["http"]
"""


def peer(cache: Path) -> Path:
    """Return the Python of an environment that has the peer in it; it has 50 dependencies, so it gets its own."""
    python = cache / "mediaflow" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", cache / "mediaflow"], check=True)
    installed = subprocess.run([python, "-c", "import mediaflow_proxy"], capture_output=True, check=False)
    if installed.returncode:
        uv = Path(sys.executable).with_name("uv")
        subprocess.run([uv, "pip", "install", "--quiet", "--python", python, PEER], check=True)
    return python


@contextmanager
def run_peer(folder: Path, python: Path) -> Iterator[tuple[int, int]]:
    """Serve the peer with one worker; gives its port and process."""
    (port,) = free_ports(1)
    command = [str(python), "-m", "uvicorn", "mediaflow_proxy.main:app", "--port", str(port), "--no-access-log"]
    environment = {**os.environ, "API_PASSWORD": "secret", "LOG_LEVEL": "ERROR"}
    ready = answers_http(port, "/health")
    with run_process(command, log=folder / "peer.log", ready=ready, env=environment, cwd=folder, timeout=60) as process:
        yield port, process.pid


def links(instance: Instance, nginx_port: int) -> list[str]:
    """Return what a playlist of the origin leads to."""
    url = quote(f"http://127.0.0.1:{nginx_port}/list.m3u8", safe="")
    text = httpx.get(f"{instance.url}/api?url={url}", headers=instance.authorization).raise_for_status().text
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def rss(pid: int) -> int:
    """Return the memory of a process and its children."""
    process = psutil.Process(pid)
    found: list[psutil.Process] = [process, *process.children(recursive=True)]
    return sum(each.memory_info().rss for each in found)


@contextmanager
def origin(folder: Path) -> Iterator[tuple[NginxServer, int]]:
    """Serve segments and the playlist that names them."""
    root = folder / "origin"
    root.mkdir()
    (root / "segment.m4s").write_bytes(os.urandom(SIZE))
    names = [f"#EXTINF:4,\nsegment.m4s?n={number}" for number in range(CONNECTIONS)]
    (root / "list.m3u8").write_text("\n".join(["#EXTM3U", *names, ""]))
    with run_nginx(root, "root .;") as nginx:
        yield nginx, int(nginx.url.rsplit(":", 1)[1])


def run(folder: Path, cache: Path) -> Iterator[Row]:
    """Load both in turns."""
    yield from rows()
    python = peer(cache)
    with (
        origin(folder) as (_, port),
        run_instance(folder / "relay", SETTINGS.format(port=port, cache=0)) as relay,
        run_instance(folder / "kept", SETTINGS.format(port=port, cache=1 << 30)) as kept,
        run_peer(folder, python) as (peer_port, peer_pid),
    ):
        urls = [quote(f"http://127.0.0.1:{port}/segment.m4s?n={number}", safe="") for number in range(CONNECTIONS)]
        ours = Measured(relay.port, relay.pid, links(relay, port))
        cached = Measured(kept.port, kept.pid, links(kept, port))
        theirs = Measured(peer_port, peer_pid, [f"/proxy/stream?d={url}&api_password=secret" for url in urls])
        memory: list[int] = []
        for _ in range(ROUNDS):
            for measured in (ours, cached, theirs):
                measured.round()
            memory.append(rss(relay.pid))
    beside = f"{PEER} {theirs}"
    name = f"2 MB segments relayed, nothing kept: {ours}"
    ratio = theirs.cpu_per_gb / ours.cpu_per_gb
    yield Row(topic="proxy", name=name, figure=ratio, unit="x bytes a CPU-s", limit="≥ 3", beside=beside)
    name = f"2 MB segments from the disk cache: {cached}"
    ratio = theirs.cpu_per_gb / cached.cpu_per_gb
    yield Row(topic="proxy", name=name, figure=ratio, unit="x bytes a CPU-s", beside=beside)
    name = f"memory after {ROUNDS} rounds, {memory[-1] / 2**20:.0f} MiB"
    growth = memory[-1] / memory[0]
    yield Row(topic="proxy", name=name, figure=growth, unit="x after one", limit="≤ 1.1")
