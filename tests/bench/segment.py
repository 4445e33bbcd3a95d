"""One packaged segment out of two hours of video, against ffmpeg seeking and copying the same piece."""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from reelkit.media.mp4.index import MediaIndex, build_index
from reelkit.media.mp4.packager import Packager

from tests.bench.ladder import children_cpu
from tests.bench.results import Row
from tests.bench.samples import ffmpeg, looped

__all__ = ["run"]


def index_of(file: int, size: int) -> MediaIndex:
    """Index an open local file."""

    async def read_at(start: int, stop: int) -> bytes:
        return os.pread(file, stop - start, start)

    return asyncio.run(build_index(read_at, size))


def run(folder: Path, cache: Path) -> Iterator[Row]:
    """Take 200 random segments of picture and sound, and 20 of them by ffmpeg."""
    source = looped(cache, 120)
    with source.open("rb") as file:
        start = time.perf_counter()
        index = index_of(file.fileno(), source.stat().st_size)
        built = (time.perf_counter() - start) * 1000
        saved = index.to_bytes()
        start = time.perf_counter()
        packager = Packager(MediaIndex.from_bytes(saved))
        loaded = (time.perf_counter() - start) * 1000
        beside = f"loading the saved index ({len(saved) / 2**20:.1f} MiB) {loaded:.1f} ms"
        yield Row(topic="segment", name="index of 2 h", figure=built, unit="ms", beside=beside)

        assert packager.video_track is not None
        tracks = [packager.video_track, *packager.audio_tracks]
        durations = packager.segments(packager.video_track)
        chosen = random.Random(1).choices(range(len(durations) - 1), k=200)
        taken, media = [], 0.0
        used = time.process_time()
        for number in chosen:
            start = time.perf_counter()
            for track in tracks:
                plan = packager.segment(track, number)
                body = [plan.head, *(os.pread(file.fileno(), stop - start, start) for start, stop in plan.ranges)]
                assert sum(map(len, body)) == plan.size
            taken.append((time.perf_counter() - start) * 1000 / len(tracks))
            media += durations[number]
        used = time.process_time() - used

    at = [sum(durations[:number]) for number in chosen[:20]]
    before, start = children_cpu(), time.perf_counter()
    for number, seconds in zip(chosen, at, strict=False):
        ffmpeg(
            "-ss", f"{seconds:.3f}", "-i", source, "-t", f"{durations[number]:.3f}", "-c", "copy", folder / f"{number}.mp4"
        )
    each = (time.perf_counter() - start) * 1000 / len(at)
    cpu = (children_cpu() - before) * 1000 / sum(durations[number] for number in chosen[:20])
    beside = f"ffmpeg -ss … -c copy {each:.0f} ms, {cpu:.1f} CPU-ms a media second"
    median = statistics.median(taken)
    yield Row(topic="segment", name="one segment, median", figure=median, unit="ms", limit="≤ 10", beside=beside)
    worst = sorted(taken)[int(len(taken) * 0.99)]
    yield Row(topic="segment", name="one segment, p99", figure=worst, unit="ms", beside=beside)
    cost = used * 1000 / media
    name = "CPU a media second, picture and sound"
    yield Row(topic="segment", name=name, figure=cost, unit="CPU-ms", limit="≤ 1.5", beside=beside)
