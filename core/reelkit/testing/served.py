"""A site that is really served: its own folder, its own process, asked over HTTP; it can be killed and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any

import httpx

from reelkit.testing.processes import Process, answers_http, free_ports, run_process

__all__ = ["ServedSite", "served_site"]

UNHURRIED = {"REELKIT_TIERS__STANDARD__LIMIT": "1000000", "REELKIT_TIERS__STANDARD__SANDBOX_LIMIT": "1000000"}
"""Tests ask more often than a key may in a minute, or one of a sandbox; those of limits have tiers of their own."""
REELKIT = [sys.executable, "-m", "reelkit"]


class ServedSite:
    """A site of a test. folder: with site.toml; url: without a trailing slash; key: standard tier, production."""

    def __init__(
        self, folder: Path, settings: str, workers: int, environment: Mapping[str, str], plugins: Mapping[str, str]
    ) -> None:
        self.folder = folder
        self.workers = workers
        (self.port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "server.log"
        self._environment = {
            **os.environ,
            "REELKIT_LOG": "json",
            **UNHURRIED,
            **environment,
            "REELKIT_SITE__BASE_URL": self.url,
        }
        self._running: AbstractContextManager[Process] | None = None
        self.process: Process | None = None
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "site.toml").write_text(settings)
        (folder / "plugins").mkdir(exist_ok=True)
        for name, code in plugins.items():
            (folder / "plugins" / f"{name}.py").write_text(code)
        self.key = ""
        self.client = httpx.Client(base_url=self.url, timeout=120)
        self._clients = [self.client]

    def start(self) -> None:
        """Serve, and return when it answers."""
        command = [*REELKIT, "serve", "--site", str(self.folder), "--port", str(self.port), "--workers", str(self.workers)]
        self._running = run_process(
            command, log=self.log, ready=answers_http(self.port, "/readyz"), env=self._environment, timeout=120
        )
        self.process = self._running.__enter__()
        if not self.key:
            self.key = self.new_key()
        self.client.headers["Authorization"] = f"Bearer {self.key}"

    def stop(self) -> None:
        """Stop in good order."""
        if self._running is not None:
            running, self._running = self._running, None
            running.__exit__(None, None, None)

    def close(self) -> None:
        """Stop for good, and close the clients."""
        for client in self._clients:
            client.close()
        self.stop()

    def kill(self) -> None:
        """kill -9 the server and its workers, as a power cut would, and wait until they are gone."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.stop()

    def command(self, *arguments: str) -> str:
        """Run `reelkit …` on this site and return what it prints. Raises CalledProcessError."""
        run = subprocess.run(
            [*REELKIT, *arguments, "--site", str(self.folder)], env=self._environment, capture_output=True, text=True
        )
        if run.returncode:
            raise RuntimeError(f"reelkit {' '.join(arguments)}: {run.stderr[-2000:]}")
        return run.stdout

    def new_key(self, *, tier: str = "standard", environment: str = "production", project: str | None = None) -> str:
        """Make an API key."""
        options = [] if project is None else ["--project", project]
        return self.command(
            "keys", "create", "--name", "test", "--tier", tier, "--environment", environment, *options
        ).strip()

    def new_project(self) -> str:
        """Make a project, in which every list is empty, and return its name; new_key() makes keys of it."""
        name = f"project {token_hex(6)}"
        self.command("project", "create", name)
        return name

    def as_key(self, key: str) -> httpx.Client:
        """Return a client that asks with another key than this site's first one."""
        client = httpx.Client(base_url=self.url, timeout=120, headers={"Authorization": f"Bearer {key}"})
        self._clients.append(client)
        return client

    def new_video(self, title: str = "A video", **fields: Any) -> str:
        """Create a video and return its id."""
        answer = self.client.post("/videos", json={"title": title, **fields})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["videoId"])

    def upload(self, video_id: str, file: Path) -> httpx.Response:
        """Send a file as the official clients do."""
        with file.open("rb") as content:
            return self.client.post(f"/videos/{video_id}/source", files={"file": (file.name, content, "video/mp4")})

    def new_film(self, file: Path, title: str = "A film", **fields: Any) -> str:
        """Create a video, upload its source and return its id once it plays."""
        video = self.new_video(title, **fields)
        answer = self.upload(video, file)
        assert answer.status_code == 201, answer.text
        self.wait(video, lambda status: bool(status["encoding"]["playable"]))
        return video

    def status(self, video_id: str) -> dict[str, Any]:
        """Return how far a video is."""
        answer = self.client.get(f"/videos/{video_id}/status")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def logged(self) -> str:
        """Return the log, in which everything is that was answered until now; it is written beside the answers."""
        # Each worker writes its own lines in order, and a new connection may come to any of them.
        marks = [f"/mark-{token_hex(8)}" for _ in range(1 if self.workers == 1 else self.workers * 5)]
        for mark in marks:
            httpx.get(f"{self.url}{mark}", timeout=120)
        deadline = time.monotonic() + 60
        while not all(mark in (log := self.log.read_text()) for mark in marks):
            if time.monotonic() > deadline:
                raise TimeoutError(log[-3000:])
            time.sleep(0.02)
        return log

    def files(self, part: str) -> list[Path]:
        """List what the site has stored with `part` in its path; folders may be removed meanwhile."""
        walked = os.walk(self.folder / "data")
        return [Path(folder) / name for folder, _, names in walked for name in names if part in f"{folder}/{name}"]

    def wait(self, video_id: str, until: Callable[[dict[str, Any]], bool], timeout: float = 120) -> dict[str, Any]:
        """Return the status once it is as wanted. timeout: seconds. Raises TimeoutError with the last one."""
        deadline = time.monotonic() + timeout
        while not until(status := self.status(video_id)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{status}\n{self.log.read_text()[-3000:]}")
            time.sleep(0.1)
        return status

    def wait_encoded(self, video_id: str, timeout: float = 300) -> dict[str, Any]:
        """Return the status once every rendition is encoded."""
        return self.wait(video_id, all_encoded, timeout)


def all_encoded(status: dict[str, Any]) -> bool:
    """Tell whether nothing is left to be made of a video."""
    qualities = status["encoding"]["qualities"]
    return bool(qualities) and all(quality["status"] in ("encoded", "failed") for quality in qualities)


@contextmanager
def served_site(
    folder: Path,
    settings: str = "",
    *,
    workers: int = 1,
    environment: Mapping[str, str] | None = None,
    plugins: Mapping[str, str] | None = None,
) -> Iterator[ServedSite]:
    """Serve a new site for the length of the block. settings: the text of its site.toml; plugins: code by name."""
    site = ServedSite(folder, settings, workers, environment or {}, plugins or {})
    try:
        site.start()
        yield site
    finally:
        site.close()
