"""From the last byte of an upload to the first segment of video, for files of a minute to two hours."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

from tests.bench.instance import Instance, run_instance
from tests.bench.results import Row
from tests.bench.samples import ffmpeg, looped
from tests.bench.upload import send_file

__all__ = ["fetch", "playlists", "run"]


def fetch(port: int, path: str) -> tuple[int, bytes]:
    """GET a path from loopback."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path)
    response = connection.getresponse()
    return response.status, response.read()


def playlists(port: int, manifest: str) -> tuple[str, list[str]]:
    """Return the path of the first media playlist of a manifest, and those of its segments."""
    paths = [manifest]
    for _ in range(2):
        path = paths[0]
        status, text = fetch(port, path)
        if status != 200:
            raise RuntimeError(f"{path}: {status}")
        paths = [urljoin(path, line) for line in text.decode().splitlines() if line and not line.startswith("#")]
    return path, paths


def upload_and_play(instance: Instance, file: Path) -> tuple[float, float]:
    """Upload a file; return the seconds from its last byte to the manifest, and to the first segment's last byte."""
    video = instance.new_video(file.name)
    manifest = f"/vod/{video}/hls/manifest.m3u8"
    sent = threading.Event()
    seen: list[float] = []

    def watch() -> None:
        sent.wait()
        start = time.perf_counter()
        while fetch(instance.port, manifest)[0] != 200:
            if time.perf_counter() - start > 60:
                return
            time.sleep(0.005)
        seen.append(time.perf_counter() - start)
        if fetch(instance.port, playlists(instance.port, manifest)[1][0])[0] != 200:
            return
        seen.append(time.perf_counter() - start)

    viewer = threading.Thread(target=watch)
    viewer.start()
    headers = {"Content-Type": "video/mp4"} | instance.authorization
    send_file(instance.port, "POST", f"/videos/{video}/source", file, headers, on_sent=sent.set)
    viewer.join()
    if len(seen) < 2:
        raise RuntimeError(f"{file.name} was not playable within 60 s")
    return seen[0], seen[1]


def run(folder: Path, cache: Path) -> Iterator[Row]:
    """Measure each length three times on an idle server and report the slowest."""
    with run_instance(folder / "instance") as instance:
        for minutes in (1, 10, 120):
            file = looped(cache, minutes)
            taken = [upload_and_play(instance, file) for _ in range(3)]
            hls = folder / f"hls-{minutes}"
            hls.mkdir()
            start = time.perf_counter()
            ffmpeg("-i", file, "-c", "copy", "-f", "hls", "-hls_playlist_type", "vod", hls / "index.m3u8")
            beside = f"ffmpeg's copy of the whole file to HLS {time.perf_counter() - start:.2f} s"
            for piece in hls.iterdir():
                piece.unlink()
            manifest, segment = (max(column) for column in zip(*taken, strict=True))
            name = f"{minutes} min: last byte → first segment (manifest {manifest:.3f} s)"
            yield Row(topic="first play", name=name, figure=segment, unit="s", limit="≤ 1", beside=beside)
        yield uncompressed_sound(instance, folder, looped(cache, 10))


def uncompressed_sound(instance: Instance, folder: Path, file: Path) -> Row:
    """Measure a picture that is copied beside a sound that no browser plays; beside it encoding all of the sound."""
    camera = folder / "camera.mov"
    ffmpeg("-i", file, "-c:v", "copy", "-c:a", "pcm_s16le", camera)
    start = time.perf_counter()
    ffmpeg("-i", camera, "-vn", "-c:a", "aac", folder / "sound.mp4")
    whole = time.perf_counter() - start
    taken = []
    for _ in range(3):
        taken.append(upload_and_play(instance, camera))
        # Until the server is idle again.
        time.sleep(3 * whole)
    manifest, segment = (max(column) for column in zip(*taken, strict=True))
    beside = f"ffmpeg's AAC of the whole sound {whole:.2f} s"
    name = f"10 min with PCM sound: last byte → first segment (manifest {manifest:.3f} s)"
    return Row(topic="first play", name=name, figure=segment, unit="s", limit="≤ 1", beside=beside)
