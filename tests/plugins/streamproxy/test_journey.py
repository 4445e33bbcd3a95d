"""A stream made by ffmpeg, played through the proxy: by key, by session token, and by nobody else."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import imageio_ffmpeg
import pytest

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
LIMITED = "x-ratelimit-remaining"


@pytest.fixture(scope="module")
def stream(proxied: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Two renditions in fragmented MP4 and a DASH manifest for the same, served by the origin; its folder's URL."""
    folder: Path = tmp_path_factory.mktemp("stream")
    subprocess.run(
        [
            *(
                FFMPEG,
                "-loglevel",
                "error",
                "-f",
                "lavfi",
                "-i",
                "testsrc2=s=160x90:r=25:d=4",
                "-f",
                "lavfi",
                "-i",
                "sine=d=4",
            ),
            *("-map", "0:v", "-map", "0:v", "-map", "1:a", "-c:v", "libx264", "-preset", "ultrafast", "-g", "25"),
            *("-b:v:0", "60k", "-b:v:1", "120k", "-c:a", "aac", "-f", "dash", "-seg_duration", "1", "-hls_playlist", "1"),
            *("-adaptation_sets", "id=0,streams=v id=1,streams=a", str(folder / "manifest.mpd")),
        ],
        check=True,
    )
    types = {".m3u8": "application/vnd.apple.mpegurl", ".mpd": "application/dash+xml", ".m4s": "video/iso.segment"}
    for file in folder.iterdir():
        headers = f"Content-Type: {types[file.suffix]}"
        proxied.origin.serves(f"/stream/{file.name}", file.read_bytes(), headers, "Cache-Control: max-age=60")
    return str(proxied.origin.url("/stream"))


def decoded(*source: str) -> str:
    """Return a digest of everything that ffmpeg decodes of a stream."""
    run = subprocess.run(
        [FFMPEG, "-loglevel", "error", *source, "-map", "0", "-f", "streamhash", "-hash", "md5", "-"],
        capture_output=True,
        text=True,
        check=True,
    )
    return run.stdout


def through(proxied: Any, url: str) -> tuple[str, ...]:
    return "-headers", f"X-API-Key: {proxied.site.key}\r\n", "-i", f"{proxied.site.url}/api?url={quote(url, safe='')}"


@pytest.mark.parametrize("manifest", ["master.m3u8", "manifest.mpd"])
def test_a_stream_plays_as_it_does_from_its_origin(proxied: Any, stream: str, manifest: str) -> None:
    url = f"{stream}/{manifest}"
    assert decoded(*through(proxied, url)) == decoded("-i", url)


def test_a_browser_needs_no_key_beyond_the_first_playlist(proxied: Any, stream: str) -> None:
    master = proxied.get(f"{stream}/master.m3u8")
    assert master.headers["cache-control"] == "private, no-store" and LIMITED in master.headers
    assert "secret-of-origin" not in proxied.get(f"{stream}/a.ts?token=secret-of-origin").text
    assert proxied.site.key not in master.text and str(proxied.origin.port) not in master.text
    token = proxied.links(master.text)[0].split("/")[3]
    with httpx.Client(base_url=proxied.site.url) as browser:
        for link in proxied.links(master.text):
            media = browser.get(link)
            segments = proxied.links(media.text)
            assert media.status_code == 200 and len(segments) == 4
            for segment in segments:
                answer = browser.get(segment)
                name = segment.rpartition("/")[2]
                assert answer.content == httpx.get(f"{stream}/{name}").content
                assert LIMITED not in answer.headers, "links are not counted"
    log = proxied.site.logged()
    assert token not in log and "secret-of-origin" not in log, "what opens something is not for the log"


def test_session_tokens_stream_and_are_not_counted_for_their_key(proxied: Any, stream: str) -> None:
    token = proxied.site.client.post("/api/auth").json()["token"]
    before = proxied.get(f"{stream}/master.m3u8").headers[LIMITED]
    answer = httpx.get(proxied.site.url + proxied.path(f"{stream}/master.m3u8"), headers={"X-Session-Token": token})
    assert answer.status_code == 200
    assert int(proxied.get(f"{stream}/master.m3u8").headers[LIMITED]) == int(before) - 1


def test_the_public_tier_looks_and_does_not_stream(proxied: Any, stream: str) -> None:
    url = proxied.site.url + proxied.path(f"{stream}/master.m3u8")
    asked = proxied.origin.count("/stream/master.m3u8")
    key = {"X-API-Key": proxied.public_key}
    token = {"X-Session-Token": httpx.post(f"{proxied.site.url}/api/auth", headers=key).json()["token"]}
    for headers in (key, {"Authorization": f"Bearer {proxied.public_key}"}, token):
        refused = httpx.get(url, headers=headers)
        assert (refused.status_code, refused.json()["title"]) == (403, "Access denied")
        assert "x-ratelimit-limit" in refused.headers
    nobody = httpx.get(url)
    assert (nobody.status_code, nobody.json()["title"]) == (401, "Missing API key")
    forged = httpx.get(url, headers={"X-Session-Token": "a.b.c"})
    assert (forged.status_code, forged.json()["title"]) == (401, "Invalid or expired session token")
    assert proxied.origin.count("/stream/master.m3u8") == asked
    assert httpx.get(f"{proxied.site.url}/api/health", headers=key).status_code == 200, "any key may look how origins fare"
    assert httpx.get(f"{proxied.site.url}/api/health").status_code == 401


def test_a_tier_of_one_viewer_at_once_lets_one_watch(proxied: Any, stream: str) -> None:
    key = {"X-API-Key": proxied.site.new_key(tier="single")}
    with httpx.Client(base_url=proxied.site.url) as client:
        tokens = [{"X-Session-Token": client.post("/api/auth", headers=key).json()["token"]} for _ in range(2)]
        masters = [client.get(proxied.path(f"{stream}/master.m3u8"), headers=token).text for token in tokens]
        first, second = (proxied.links(client.get(proxied.links(master)[0]).text)[0] for master in masters)
        assert [client.get(link).status_code for link in (first, second, first)] == [200, 429, 200]
        assert client.get(second).json()["type"].endswith("too-many-streams")


def test_links_end_with_their_key(proxied: Any, stream: str) -> None:
    key = proxied.site.new_key()
    with httpx.Client(base_url=proxied.site.url) as browser:
        master = browser.get(proxied.path(f"{stream}/master.m3u8"), headers={"X-API-Key": key})
        link = proxied.links(master.text)[0]
        assert browser.get(link).status_code == 200
        proxied.site.command("keys", "revoke", key_id(proxied.site.command, key))
        revoked = time.monotonic()
        while browser.get(link).status_code == 200:
            assert time.monotonic() - revoked < 30
            time.sleep(0.2)
        assert browser.get(link).status_code == 401


def key_id(command: Callable[..., str], key: str) -> str:
    line = next(line for line in command("keys", "list").splitlines() if key[:12] in line)
    return line.split()[0]


def test_how_origins_fare_is_told(proxied: Any, stream: str) -> None:
    def state() -> dict[str, Any]:
        origins = proxied.site.client.get("/api/health").json()["origins"]
        return next(each for each in origins if each["name"] == "other")

    proxied.get(proxied.other.serves("/allowed/good.ts", b"x"))
    before = state()
    assert before["state"] == "working" and before["first_byte_ms"] > 0
    for _ in range(2):
        proxied.get(proxied.other.serves("/allowed/bad.ts", b"x", status=500))
    after = state()
    assert (after["state"], after["consecutive_failures"]) == ("failing", 2)
    assert (after["requests"], after["failures"]) == (before["requests"] + 2, before["failures"] + 2)
    assert after["last_failure_reason"] == "status 500" and after["last_success"] < after["last_failure"]
    assert "secret" not in proxied.site.client.get("/api/health").text.lower()
    proxied.get(proxied.other.serves("/allowed/better.ts", b"x"))
    assert state()["state"] == "working"
    assert httpx.get(f"{proxied.site.url}/readyz").status_code == 200, "others' faults do not take this site out"
