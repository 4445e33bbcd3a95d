"""kill -9 at any moment: what was acknowledged is finished, what was not leaves no trace."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from reelkit.testing.played import Played
from reelkit.testing.served import ServedSite


def manifest(site: ServedSite, video: str) -> str:
    return f"{site.url}/vod/{video}/hls/manifest.m3u8"


def media_files(site: ServedSite) -> list[Path]:
    return [path for path in (site.folder / "data" / "media").rglob("*") if path.is_file() and path.stat().st_size > 100]


def test_killed_during_an_upload_the_site_forgets_it_and_takes_it_again(
    serve: Callable[..., ServedSite], sample_h264: Path, watch: Callable[[str], Played]
) -> None:
    site = serve()
    video = site.new_video()
    with socket.create_connection(("127.0.0.1", site.port), timeout=60) as connection:
        head = f"POST /videos/{video}/source HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {site.key}\r\n"
        connection.sendall(f"{head}Content-Type: video/mp4\r\nContent-Length: 90000000\r\n\r\n".encode() + b"x" * 5_000_000)
        site.wait(video, lambda status: status.get("ingest", {}).get("status") == "uploading")
        site.kill()
    site.start()
    # At once, not after the minute that an upload on another machine would be waited for.
    assert site.upload(video, sample_h264).status_code == 201
    assert len(watch(manifest(site, video)).frames) == 300
    site.wait_encoded(video)
    deadline = time.monotonic() + 60
    while any(path.stat().st_size == 5_000_000 for path in media_files(site)):
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_killed_as_soon_as_an_upload_is_acknowledged_nothing_is_lost(
    serve: Callable[..., ServedSite], sample: Callable[..., Path], watch: Callable[[str], Played]
) -> None:
    site = serve()
    source = sample(width=1280, height=720, duration=6)
    video = site.new_video()
    assert site.upload(video, source).status_code == 201
    site.kill()
    site.start()
    status = site.wait_encoded(video)
    assert all(quality["status"] == "encoded" for quality in status["encoding"]["qualities"])
    assert watch(manifest(site, video)).frames == watch(str(source)).frames


@pytest.mark.parametrize("encoded", [False, True], ids=["copied", "encoded"])
def test_killed_twice_while_it_works_the_site_finishes_everything(
    encoded: bool, serve: Callable[..., ServedSite], sample: Callable[..., Path], watch: Callable[[str], Played]
) -> None:
    site = serve()
    if encoded:
        source = sample(container="webm", video="libvpx", audio="libopus", duration=6, width=640, height=360)
    else:
        source = sample(width=1280, height=720, duration=6)
    video = site.new_video()
    assert site.upload(video, source).status_code == 201
    for pause in (0.0, 0.7):
        time.sleep(pause)
        site.kill()
        site.start()
        # Whatever is listed at any moment can be fetched.
        master = httpx.get(manifest(site, video))
        assert master.status_code in (200, 202)
        for line in master.text.splitlines():
            if line and not line.startswith("#"):
                assert httpx.get(str(master.url.join(line))).status_code == 200
    status = site.wait_encoded(video)
    assert all(quality["status"] == "encoded" for quality in status["encoding"]["qualities"]), status
    assert len(watch(manifest(site, video)).frames) == 180
