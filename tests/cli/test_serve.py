"""`reelkit serve`: ready when it says so, gone when it is told to, and never half."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

Serve = Callable[..., "Server"]


class Server:
    """A `reelkit serve` in the making. lines: what it said on stdout so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None
        self.line = process.stdout.readline()

    @property
    def url(self) -> str:
        assert self.line.startswith("reelkit is ready at http://"), self.line
        return self.line.split()[-1]

    def get(self, path: str) -> int:
        with urllib.request.urlopen(f"{self.url}{path}", timeout=60) as answer:
            return int(answer.status)

    def workers(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)


@pytest.fixture
def serve(site: Path, environ: dict[str, str]) -> Iterator[Serve]:
    """Start a server on a free port and return it when it is ready or has ended."""
    started: list[subprocess.Popen[str]] = []

    def serve(*arguments: object, **variables: str) -> Server:
        command = [sys.executable, "-P", "-m", "reelkit", "serve", "--site", str(site), "--port", "0"]
        process = subprocess.Popen(
            [*command, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**environ, **variables},
        )
        started.append(process)
        return Server(process)

    yield serve
    for process in started:
        process.kill()
        process.communicate()


def gone(processes: list[psutil.Process]) -> bool:
    """Wait until none of them runs."""
    deadline = time.monotonic() + 60
    while any(runs(process) for process in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def runs(process: psutil.Process) -> bool:
    # What is left of an orphan waits for init to take note of it, which some containers lack.
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_the_ready_line_is_true(serve: Serve) -> None:
    server = serve()
    assert server.get("/healthz") == 200
    assert server.get("/readyz") == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_cleanly_when_told_to(serve: Serve, number: signal.Signals) -> None:
    server = serve("--workers", 2)
    workers = server.workers()
    assert len(workers) == 3, "two workers and their Valkey"
    server.process.send_signal(number)
    out, err = server.process.communicate(timeout=60)
    assert server.process.returncode == 0
    assert out == ""
    assert "Traceback" not in err
    assert gone(workers)


def test_killed_it_takes_its_workers_along(serve: Serve) -> None:
    server = serve()
    workers = server.workers()
    server.process.kill()
    assert gone(workers)


def test_a_dead_worker_is_replaced(serve: Serve) -> None:
    server = serve()
    (first,) = server.workers()
    first.kill()
    deadline = time.monotonic() + 60
    while True:
        try:
            if server.get("/healthz") == 200:
                break
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    assert server.process.poll() is None
    assert first.pid not in [worker.pid for worker in server.workers()]


def test_a_port_in_use_is_told_before_anything_starts(run: Any, site: Path) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = run("serve", "--site", site, "--port", port)
    assert refused.returncode == 1
    assert refused.stderr == f"reelkit: port {port} is in use by another process. Take another one: --port {port + 1}\n"


def test_an_address_of_another_machine_is_refused(run: Any, site: Path) -> None:
    refused = run("serve", "--site", site, "--host", "192.0.2.1", "--port", 0)
    assert refused.returncode == 1
    assert refused.stderr.startswith("reelkit: 192.0.2.1 is not an address of this machine.")


def test_an_empty_host_is_refused(run: Any, site: Path) -> None:
    refused = run("serve", "--site", site, "--host", "", "--port", 0)
    assert refused.returncode == 2
    assert refused.stderr.startswith("reelkit: --host is empty.")


def test_a_plugin_that_does_not_fit_stops_the_start_once_and_in_a_line(run: Any, site: Path) -> None:
    (site / "plugins" / "bad.py").write_text("import reelkit\n@reelkit.hookimpl\ndef on_evnt(): ...\n")
    refused = run("serve", "--site", site, "--port", 0, "--workers", 2)
    assert refused.returncode == 1
    assert refused.stderr == (
        'reelkit: plugin "bad" (plugins/bad.py): there is no hook "on_evnt". Did you mean "on_event"?\n'
    )


def test_a_player_that_is_not_built_stops_the_start_with_the_command_that_builds_it(run: Any, site: Path) -> None:
    (site / "plugins" / "bare.py").write_text(
        "import reelkit\nclass Bare:\n    def assets(self): raise FileNotFoundError('not built yet: run `make bare`')\n"
        "@reelkit.hookimpl\ndef register_player(): return reelkit.Provides('bare', open=Bare)\n"
    )
    chosen = {"REELKIT_USE__PLAYER": "bare"}
    refused = run("serve", "--site", site, "--port", "0", **chosen)
    assert (refused.returncode, refused.stderr) == (1, "reelkit: not built yet: run `make bare`\n")
    [plugins] = [
        found for found in json.loads(run("doctor", "--site", site, "--json", **chosen).stdout) if found["name"] == "plugins"
    ]
    assert (plugins["state"], plugins["found"]) == ("fail", "not built yet: run `make bare`")


def test_without_third_party_plugins_a_bad_one_does_no_harm(serve: Serve, site: Path) -> None:
    (site / "plugins" / "bad.py").write_text("raise RuntimeError")
    assert serve("--no-plugins").get("/healthz") == 200


def test_a_start_tells_where_links_lead_and_why_it_fails_in_the_worker(serve: Serve) -> None:
    server = serve("--host", "0.0.0.0", REELKIT_DATABASE__URL="postgresql://me:hunter2@127.0.0.1:9/x")
    _, err = server.process.communicate(timeout=60)
    assert "which is this machine alone" in err.splitlines()[0] and "[site] base_url" in err.splitlines()[0]
    assert server.process.returncode == 1
    assert "database" in err.lower()
    assert "hunter2" not in err


def test_a_plugins_route_is_served_with_its_settings(serve: Serve, site: Path) -> None:
    (site / "plugins" / "hello.py").write_text(
        "import msgspec, reelkit\nfrom litestar import get\n"
        "class Settings(msgspec.Struct):\n    word: str = 'Hello'\n"
        "@reelkit.hookimpl\ndef register_routes(settings):\n"
        "    @get('/hello')\n    async def hello() -> str: return settings.word\n    return [hello]\n"
    )
    server = serve(REELKIT_PLUGINS__HELLO__WORD="Welcome")
    with urllib.request.urlopen(f"{server.url}/hello", timeout=60) as answer:
        assert answer.read() == b"Welcome"


def test_the_server_process_holds_nothing_of_reelkit(serve: Serve) -> None:
    server = serve()
    maps = Path(f"/proc/{server.process.pid}/maps").read_text()
    assert "msgspec" not in maps
    assert psutil.Process(server.process.pid).memory_info().rss < 40 * 1024 * 1024


def limits_told(server: Server, key: str, times: int) -> list[int]:
    told: list[int] = []
    for _ in range(times):
        # A connection each, so that either worker may take it.
        request = urllib.request.Request(f"{server.url}/videos", headers={"X-API-Key": key, "Connection": "close"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            told.append(int(answer.headers["X-RateLimit-Remaining"]))
    return told


def test_workers_of_one_server_count_rate_limits_together(serve: Serve, site: Path, run: Any) -> None:
    server = serve("--workers", 2)
    key = run("keys", "create", "--site", site, "--name", "k").stdout.strip()
    assert limits_told(server, key, 20) == list(range(99, 79, -1))

    valkey = [process for process in server.workers() if "valkey" in process.name()]
    assert len(valkey) == 1
    server.process.kill()
    assert gone(valkey)
    assert not list((site / "data").glob("*.sock"))


def test_workers_without_a_valkey_are_told_that_they_count_apart(serve: Serve) -> None:
    server = serve("--workers", 2, REELKIT_VALKEY_BIN="/nowhere/valkey-server")
    assert server.get("/readyz") == 200
    server.process.terminate()
    _, said = server.process.communicate(timeout=60)
    assert "each counts by itself" in said and "[valkey] url" in said
