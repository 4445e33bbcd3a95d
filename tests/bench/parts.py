"""100 parts of uploads at once: what they take of memory, that it stays flat, and what other requests feel meanwhile."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPResponse
from pathlib import Path
from statistics import median

from tests.bench.instance import Instance, run_instance
from tests.bench.results import Row
from tests.bench.upload import multipart, watched

__all__ = ["run"]

AT_ONCE = 100
PART = 16 << 20
WARMING, ROUNDS = 4, 12
CHUNK = bytes(256 << 10)


def send_part(instance: Instance, video: str, number: int, total: int, together: threading.Barrier) -> float:
    """Send one part of zeros as official clients do, once everybody is connected; return seconds until the answer."""
    headers, (before, behind) = multipart("part.mp4")
    lines = [
        f"POST /videos/{video}/source HTTP/1.1",
        f"Host: 127.0.0.1:{instance.port}",
        f"Content-Length: {len(before) + PART + len(behind)}",
        f"Content-Range: part {number}/{total}",
        "Connection: close",
        *(f"{name}: {value}" for name, value in (headers | instance.authorization).items()),
    ]
    with socket.create_connection(("127.0.0.1", instance.port), timeout=300) as connection:
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode() + before)
        together.wait(120)
        started = time.perf_counter()
        for _ in range(PART // len(CHUNK)):
            connection.sendall(CHUNK)
        connection.sendall(behind)
        response = HTTPResponse(connection)
        response.begin()
        answer = response.read()
    if response.status != 201:
        raise RuntimeError(f"part {number}: {response.status} {answer[:300]!r}")
    return time.perf_counter() - started


def run(folder: Path, cache: Path) -> Iterator[Row]:
    """Measure parts of 10 videos at once, twelve times: memory is bound to connections, neither to bytes nor to time.

    Most of it are the buffers that the server reads into, of up to 4 MiB a connection, and what it hands over of them: with
    64 KiB a hundred parts took 28 MiB, with 1 MiB 118. What waits for the disk and for checksums is shared by all uploads.
    """
    limits = "[tiers.standard]\nlimit = 1000000\nwindow = 60\nstreaming = true\n"
    idle = 0
    peaks: list[int] = []
    pings: list[float] = []
    with run_instance(folder / "instance", limits) as instance, ThreadPoolExecutor(AT_ONCE) as threads:
        for _ in range(ROUNDS):
            # One part more than is sent, so that nothing is joined and looked into while it is measured.
            videos = [instance.new_video(f"parts {number}") for number in range(10)]
            jobs = [(video, number) for video in videos for number in range(1, 11)]
            together = threading.Barrier(AT_ONCE)
            with watched(instance.port, instance.pid) as watch:
                started = time.perf_counter()
                sending = [threads.submit(send_part, instance, video, number, 11, together) for video, number in jobs]
                for part in sending:
                    part.result()
                seconds = time.perf_counter() - started
            idle = idle or watch.before
            peaks.append(watch.peak)
            pings += watch.pings if len(peaks) > 1 else []
    over = [(peak - idle) / 2**20 for peak in peaks]
    rate = f"{AT_ONCE * PART / seconds / 2**30:.2f} GiB/s; idle: {idle / 2**20:.0f} MiB, over it: "
    rate += ", ".join(f"{more:.0f}" for more in over)
    name = f"memory over idle of {AT_ONCE} parts of {PART >> 20} MiB at once, each"
    yield Row(topic="parts", name=name, figure=max(over) / AT_ONCE, unit="MiB", limit="≤ 3", beside=rate)
    # How many connections happen to be full at once differs by tens of MiB between rounds, as does what the allocator of
    # the server keeps of it; the first rounds fill the heap.
    middle = (WARMING + ROUNDS) // 2
    growth = median(peaks[middle:]) / median(peaks[WARMING:middle])
    name = f"median of all memory at the peaks of rounds {middle + 1} to {ROUNDS}"
    unit = f"x that of {WARMING + 1} to {middle}"
    yield Row(topic="parts", name=name, figure=growth, unit=unit, limit="≤ 1.15", beside=rate)
    p99 = sorted(pings)[int(len(pings) * 0.99)] * 1000
    yield Row(topic="parts", name="p99 of other requests meanwhile", figure=p99, unit="ms", limit="≤ 250")
