"""Processes that run jobs, and what they did."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest
from reelkit.jobs.engine import JobEngine

RUNNER = Path(__file__).with_name("runner.py")


class Mark(NamedTuple):
    """One line that a job wrote."""

    word: str
    kind: str
    key: str
    pid: int
    number: int


class Ground:
    """A site whose jobs are watched. start(): another process that runs its jobs; engine(): one in this process."""

    def __init__(self, folder: Path, url: str, lease_seconds: float, module: ModuleType) -> None:
        self.folder, self.url, self.lease_seconds, self._module = folder, url, lease_seconds, module
        self.processes: list[subprocess.Popen[bytes]] = []
        self.engines: list[JobEngine] = []

    def start(self) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, str(RUNNER), str(self.folder), self.url, str(self.lease_seconds)],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.processes.append(process)
        self.await_marks("ready", pid=process.pid)
        return process

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """As the kernel or a power cut would: no clean-up."""
        process.kill()
        process.wait()

    async def engine(self, run: bool = False) -> JobEngine:
        engine = JobEngine(self._module.site(self.folder, self.url, self.lease_seconds), self._module.kinds(self.folder))
        self.engines.append(engine)
        await engine.start(run=run)
        return engine

    def marks(self, word: str | None = None, kind: str | None = None, key: str | None = None) -> list[Mark]:
        file = self.folder / "marks"
        lines = file.read_text().splitlines() if file.exists() else []
        found = [Mark(a, b, c, int(d), int(e)) for a, b, c, d, e in (line.split() for line in lines)]
        return [m for m in found if word in (None, m.word) and kind in (None, m.kind) and key in (None, m.key)]

    def await_marks(
        self, word: str, key: str | None = None, count: int = 1, pid: int | None = None, timeout: float = 40
    ) -> list[Mark]:
        """Return the marks once there are so many. Fails with the log of the processes."""
        deadline = time.monotonic() + timeout
        while len(found := [m for m in self.marks(word, key=key) if pid in (None, m.pid)]) < count:
            if time.monotonic() > deadline:
                pytest.fail(f"{len(found)} of {count} {word} {key}\n{self.log()}")
            time.sleep(0.02)
        return found

    def log(self) -> str:
        file = self.folder / "log"
        return file.read_text()[-5000:] if file.exists() else ""

    def told(self) -> list[str]:
        file = self.folder / "told"
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture(scope="session")
def runner_module() -> ModuleType:
    spec = spec_from_file_location("jobs_runner", RUNNER)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
async def make_ground(tmp_path: Path, runner_module: ModuleType) -> AsyncIterator[Callable[..., Ground]]:
    """make_ground(url, lease_seconds) -> Ground; everything that it started ends with the test."""
    grounds: list[Ground] = []

    def make(url: str, lease_seconds: float = 10.0) -> Ground:
        ground = Ground(tmp_path, url, lease_seconds, runner_module)
        grounds.append(ground)
        return ground

    yield make
    for ground in grounds:
        for engine in ground.engines:
            await engine.stop()
        for process in ground.processes:
            process.send_signal(signal.SIGCONT) if process.poll() is None else None
            process.kill()
            process.wait()
        for mark in ground.marks("child"):
            if alive(mark.number):
                os.kill(mark.number, signal.SIGKILL)


@pytest.fixture
def embedded(make_ground: Callable[..., Ground]) -> Ground:
    """A site on SQLite."""
    return make_ground("sqlite:data/reelkit.sqlite")


@pytest.fixture
def cluster(postgres_url: str, make_ground: Callable[..., Ground]) -> Ground:
    """A site on Postgres whose workers are taken for dead after 2 s."""
    return make_ground(postgres_url, 2.0)


@pytest.fixture(params=["embedded", "cluster"])
def ground(request: pytest.FixtureRequest) -> Iterator[Ground]:
    """A site of either kind."""
    yield request.getfixturevalue(request.param)


def alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


@pytest.fixture
def is_alive() -> Callable[[int], bool]:
    """is_alive(pid) -> whether a process exists and is no zombie."""
    return alive
