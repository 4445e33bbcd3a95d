"""A process of a site that runs the jobs of these tests until it is killed: runner.py FOLDER DATABASE_URL LEASE_SECONDS.

What happens is appended to FOLDER/marks, one line each: WORD KIND KEY PID NUMBER. Run as a program and imported by path.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

from reelkit.interfaces.storage import StorageUnavailable
from reelkit.jobs.engine import JobEngine
from reelkit.jobs.job import JobContext, JobFunction, JobKind, PermanentFailure
from reelkit.site import Database, Jobs, Site


def kinds(folder: Path) -> dict[str, JobKind | JobFunction]:
    def mark(word: str, job: JobContext, number: int = 0) -> None:
        with (folder / "marks").open("a") as marks:
            marks.write(f"{word} {job.kind} {job.key} {os.getpid()} {number or job.attempt}\n")

    async def sleep(job: JobContext, payload: dict[str, Any]) -> None:
        """Takes payload["seconds"]."""
        mark("start", job)
        (job.scratch / "half").write_bytes(b"\0" * 1000)
        seconds = float(payload["seconds"])
        for tenth in range(10):
            job.progress(tenth / 10)
            await asyncio.sleep(seconds / 10)
        mark("end", job)

    async def child(job: JobContext, payload: dict[str, Any]) -> None:
        """Waits for a child process, which it ends when it is cancelled."""
        process = await asyncio.create_subprocess_exec("sleep", "300")
        mark("child", job, process.pid)
        try:
            await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            mark("gone", job, process.pid)

    async def flaky(job: JobContext, payload: dict[str, Any]) -> None:
        """Works from attempt payload["works"] on."""
        mark("start", job)
        if job.attempt < payload["works"]:
            raise StorageUnavailable("vi1/source", "10.0.0.7 refused")

    async def hopeless(job: JobContext, payload: dict[str, Any]) -> None:
        mark("start", job)
        raise PermanentFailure("The file has no video.")

    async def confused(job: JobContext, payload: dict[str, Any]) -> None:
        """Awaits something that is cancelled by somebody else, the first time."""
        mark("start", job)
        if job.attempt == 1:
            other = asyncio.create_task(asyncio.sleep(100))
            asyncio.get_running_loop().call_later(0.05, other.cancel)
            await other

    async def deadly(job: JobContext, payload: dict[str, Any]) -> None:
        mark("start", job)
        os.kill(os.getpid(), signal.SIGKILL)

    async def told(payload: dict[str, Any], reason: str) -> None:
        with (folder / "told").open("a") as file:
            file.write(f"{payload.get('name')}: {reason}\n")

    return {
        "sleep": JobKind(sleep, concurrency=2),
        "child": child,
        "flaky": JobKind(flaky, attempts=3, backoff=0.05, failed=told),
        "hopeless": JobKind(hopeless, failed=told),
        "confused": JobKind(confused, backoff=0.05),
        "deadly": JobKind(deadly, failed=told),
    }


def site(folder: Path, url: str, lease_seconds: float = 10.0) -> Site:
    return Site(folder=folder, database=Database(url=url), jobs=Jobs(lease_seconds=lease_seconds))


async def run(folder: Path, url: str, lease_seconds: float) -> None:
    engine = JobEngine(site(folder, url, lease_seconds), kinds(folder))
    await engine.start()
    with (folder / "marks").open("a") as marks:
        marks.write(f"ready - - {os.getpid()} 0\n")
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await engine.stop()


if __name__ == "__main__":
    import uvloop

    logging.basicConfig(level=logging.INFO)
    uvloop.run(run(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])))
