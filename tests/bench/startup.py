"""What a process costs before it does anything: the help page, the way to ready, idle memory."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.instance import REELKIT, run_instance
from tests.bench.results import Row
from tests.bench.upload import resident

__all__ = ["run"]


def seconds_of(command: list[str]) -> float:
    """Run a command five times; return the median seconds."""
    taken = []
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def run(folder: Path, cache: Path) -> Iterator[Row]:
    """Measure with an empty site; the interpreter alone stands beside."""
    beside = f"python -c pass {seconds_of([sys.executable, '-c', 'pass']):.2f} s"
    shown = seconds_of([*REELKIT, "--help"])
    yield Row(topic="startup", name="reelkit --help", figure=shown, unit="s", limit="≤ 0.7", beside=beside)
    with run_instance(folder / "instance") as instance:
        ready = instance.ready_seconds
        time.sleep(5)
        yield Row(topic="startup", name="new site → ready", figure=ready, unit="s", limit="≤ 3", beside=beside)
        idle = resident(instance.pid) / 2**20
        yield Row(topic="startup", name="idle memory, all processes", figure=idle, unit="MiB", limit="≤ 150")
