"""A fresh site with a running server, and the few calls that the measurements make."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
from reelkit.testing.processes import answers_http, free_ports, run_process

__all__ = ["Instance", "run_instance"]

UNHURRIED = {"REELKIT_TIERS__STANDARD__LIMIT": "100000000"}
"""What is measured is everything but the limit itself."""
REELKIT = [sys.executable, "-m", "reelkit"]


class Instance(msgspec.Struct, frozen=True):
    """A running site. key: of the standard tier; pid: the server's parent process; ready_seconds: from its start."""

    folder: Path
    port: int
    pid: int
    key: str
    ready_seconds: float

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def authorization(self) -> dict[str, str]:
        """The header that carries the key."""
        return {"Authorization": f"Bearer {self.key}"}

    def new_video(self, title: str) -> str:
        """Create a video and return its id."""
        answer = httpx.post(f"{self.url}/videos", json={"title": title}, headers=self.authorization)
        answer.raise_for_status()
        return str(answer.json()["videoId"])

    def get(self, path: str) -> httpx.Response:
        """Ask for a path with the key."""
        return httpx.get(f"{self.url}{path}", headers=self.authorization, timeout=30)


@contextmanager
def run_instance(folder: Path, settings: str = "", workers: int = 1) -> Iterator[Instance]:
    """Serve an empty site from a folder, whose `site` may have plugins already. settings: the text of its site.toml."""
    site = folder / "site"
    site.mkdir(parents=True, exist_ok=True)
    (site / "site.toml").write_text(settings)
    (port,) = free_ports(1)
    environment = {**os.environ, "REELKIT_SITE__BASE_URL": f"http://127.0.0.1:{port}", **UNHURRIED}
    command = [*REELKIT, "serve", "--site", str(site), "--port", str(port), "--workers", str(workers)]
    started = time.perf_counter()
    with run_process(command, log=folder / "server.log", ready=answers_http(port, "/readyz"), env=environment) as server:
        ready_seconds = time.perf_counter() - started
        made = subprocess.run(
            [*REELKIT, "keys", "create", "--site", str(site), "--name", "bench", "--json"],
            stdout=subprocess.PIPE,
            check=True,
        )
        created: dict[str, Any] = json.loads(made.stdout)
        yield Instance(folder=site, port=port, pid=server.pid, key=created["key"], ready_seconds=ready_seconds)
