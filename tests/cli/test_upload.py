"""`reelkit upload` sends a file to a real server until it plays, also over a connection that breaks."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from reelkit.cli import sending
from reelkit.cli.sending import PART

ENVIRON = {name: value for name, value in os.environ.items() if not name.startswith("REELKIT_")}


class Served:
    """A running site and a key of it."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self.key = key

    def get(self, path: str) -> Any:
        request = urllib.request.Request(f"{self.url}{path}", headers={"Authorization": f"Bearer {self.key}"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A site that is up as long as this file's tests."""
    folder = tmp_path_factory.mktemp("served") / "site"
    command = [sys.executable, "-P", "-m", "reelkit"]
    subprocess.run([*command, "site", "new", folder], check=True, env=ENVIRON, capture_output=True)
    serve = [*command, "serve", "--site", str(folder), "--port", "0"]
    with subprocess.Popen(serve, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=ENVIRON) as server:
        assert server.stdout is not None
        url = server.stdout.readline().split()[-1]
        create = [*command, "keys", "create", "--site", str(folder), "--name", "tests", "--tier", "partner"]
        key = subprocess.run(create, check=True, env=ENVIRON, capture_output=True, text=True).stdout.strip()
        yield Served(url, key)
        server.send_signal(signal.SIGTERM)


async def anything(chunk: bytes) -> None:
    """Let a chunk pass."""


@contextmanager
def cutting(url: str, cuts: list[int | None], before: Callable[[bytes], Awaitable[None]] = anything) -> Iterator[str]:
    """Run a TCP proxy that breaks its first connections after so many bytes from the client; None lets one live.

    before: waited for before a chunk from the client is passed on.
    """
    target = urlsplit(url)
    loop = asyncio.new_event_loop()
    port: list[int] = []
    up = threading.Event()

    async def pass_on(
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        limit: int | None,
        before: Callable[[bytes], Awaitable[None]],
    ) -> None:
        passed = 0
        while chunk := await reader.read(65536):
            passed += len(chunk)
            await before(chunk)
            if limit is not None and passed > limit:
                return
            writer.write(chunk)
            await writer.drain()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        limit = cuts.pop(0) if cuts else None
        behind_reader, behind = await asyncio.open_connection(target.hostname, target.port)
        directions = [
            asyncio.ensure_future(pass_on(reader, behind, limit, before)),
            asyncio.ensure_future(pass_on(behind_reader, writer, None, anything)),
        ]
        await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        for direction in directions:
            direction.cancel()
        for each in (writer, behind):
            each.transport.abort()

    async def run() -> None:
        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        port.append(server.sockets[0].getsockname()[1])
        up.set()
        await server.serve_forever()

    def work() -> None:
        task = loop.create_task(run())
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(task)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    assert up.wait(5)
    yield f"http://127.0.0.1:{port[0]}"
    loop.call_soon_threadsafe(lambda: [task.cancel() for task in asyncio.all_tasks(loop)])
    thread.join(5)


def test_an_upload_waits_until_it_plays_and_says_where(run: Any, served: Served, sample_h264: Path) -> None:
    sent = run("upload", sample_h264, "--url", served.url, "--key", served.key, "--json", "--title", "A film")
    assert sent.returncode == 0, sent.stderr
    told = json.loads(sent.stdout)
    assert told["size"] == sample_h264.stat().st_size
    assert 0 < told["playable_s"] < told["first_segment_s"]
    assert told["watch_url"] == f"{served.url}/embed/vod/{told['video_id']}"
    assert told["watch_url"] in told["iframe"]
    assert served.get(f"/videos/{told['video_id']}")["title"] == "A film"


def test_without_json_the_watch_address_comes_first(run: Any, served: Served, sample_h264: Path) -> None:
    sent = run("upload", sample_h264, REELKIT_URL=served.url, REELKIT_KEY=served.key)
    assert sent.stdout.splitlines()[0].startswith(f"{served.url}/embed/vod/vi")
    assert sent.stdout.splitlines()[1].startswith("Playable ")


def test_a_connection_that_breaks_is_taken_up_again(run: Any, served: Served, sample_h264: Path) -> None:
    with cutting(served.url, [100_000]) as url:
        sent = run("upload", sample_h264, "--url", url, "--key", served.key, "--json")
    assert sent.returncode == 0, sent.stderr
    assert "Sending it again from the start, 2 of 6." in sent.stderr
    status = served.get(f"/videos/{json.loads(sent.stdout)['video_id']}/status")
    assert status["ingest"]["filesize"] == sample_h264.stat().st_size
    assert status["encoding"]["playable"] is True


@pytest.fixture(scope="module")
def long_film(sample_h264: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A playable MP4 of 150 MiB, most of it a hole."""
    made = tmp_path_factory.mktemp("long") / "long.mp4"
    content = sample_h264.read_bytes()
    missing = 150 * 2**20 - len(content)
    made.write_bytes(content + missing.to_bytes(4, "big") + b"free")
    os.truncate(made, 150 * 2**20)
    return made


def test_of_a_long_film_only_the_rest_is_sent_after_a_break(run: Any, served: Served, long_film: Path) -> None:
    with cutting(served.url, [100 * 2**20, None]) as url:
        sent = run("upload", long_film, "--url", url, "--key", served.key, "--json")
    assert sent.returncode == 0, sent.stderr
    assert "The connection broke at" in sent.stderr and "Going on with what is missing, 2 of 6." in sent.stderr
    status = served.get(f"/videos/{json.loads(sent.stdout)['video_id']}/status")
    size = long_film.stat().st_size
    assert status["ingest"]["filesize"] == size and status["encoding"]["playable"] is True
    assert status["ingest"]["receivedBytes"] == [{"from": 0, "to": size - 1, "total": size}]


def test_a_long_film_goes_on_where_another_run_was_stopped(run: Any, served: Served, long_film: Path) -> None:
    video = urllib.request.Request(
        f"{served.url}/videos",
        data=b'{"title": "Long"}',
        headers={"Authorization": f"Bearer {served.key}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(video, timeout=60) as answer:
        id = json.load(answer)["videoId"]
    passed = 0

    async def hold_the_second_part(chunk: bytes) -> None:
        nonlocal passed
        if passed > PART and chunk.startswith(b"POST "):
            await asyncio.Future()
        passed += len(chunk)

    async def count(chunk: bytes) -> None:
        nonlocal passed
        passed += len(chunk)

    with cutting(served.url, [], hold_the_second_part) as url:
        command = [sys.executable, "-P", "-m", "reelkit", "upload", str(long_film), "--url", url, "--key", served.key]
        with subprocess.Popen([*command, "--video", id], env=ENVIRON, stderr=subprocess.PIPE, text=True) as first:
            while not (served.get(f"/videos/{id}/status").get("ingest") or {}).get("receivedBytes"):
                assert first.poll() is None
                time.sleep(0.02)
            first.send_signal(signal.SIGINT)
            said = first.stderr.read() if first.stderr else ""
    assert "Go on with: " in said, said
    assert shlex.split(said.strip().rpartition("Go on with: ")[2]) == [
        *("reelkit", "upload", str(long_film), "--video", id, "--url", url)
    ]
    size = long_film.stat().st_size
    there = served.get(f"/videos/{id}/status")["ingest"]["receivedBytes"]
    assert there == [{"from": 0, "to": PART - 1, "total": size}]
    passed = 0
    with cutting(served.url, [], count) as url:
        sent = run("upload", long_film, "--url", url, "--key", served.key, "--json", "--video", id)
    assert sent.returncode == 0, sent.stderr
    assert size - PART <= passed < size - PART + 2**20
    assert served.get(f"/videos/{id}/status")["encoding"]["playable"] is True


@pytest.mark.parametrize(
    ("arrived", "expected"),
    [
        ([], [(0, 64), (64, 128), (128, 150)]),
        ([(0, 64)], [(64, 128), (128, 150)]),
        ([(64, 128)], [(0, 64), (128, 150)]),
        ([(0, 10), (80, 150)], [(10, 74), (74, 80)]),
        ([(0, 10), (78, 150)], [(10, 78)]),
        ([(0, 150)], []),
    ],
)
def test_the_parts_to_send_are_what_is_missing(arrived: list[tuple[int, int]], expected: list[tuple[int, int]]) -> None:
    mib = 2**20
    found = sending.missing([(start * mib, stop * mib) for start, stop in arrived], 150 * mib)
    assert found == [(start * mib, stop * mib) for start, stop in expected]


def test_a_stopped_upload_goes_on_with_its_video(run: Any, served: Served, sample_h264: Path) -> None:
    first = json.loads(run("upload", sample_h264, "--url", served.url, "--key", served.key, "--json").stdout)
    again = run("upload", sample_h264, "--url", served.url, "--key", served.key, "--json", "--video", first["video_id"])
    assert again.returncode == 0, again.stderr
    assert "Every byte has arrived already." in again.stderr
    assert json.loads(again.stdout)["video_id"] == first["video_id"]


def test_another_file_for_a_video_that_has_one_is_refused(
    run: Any, served: Served, sample_h264: Path, tmp_path: Path
) -> None:
    first = json.loads(run("upload", sample_h264, "--url", served.url, "--key", served.key, "--json").stdout)
    other = tmp_path / "other.mp4"
    other.write_bytes(b"x" * 1000)
    refused = run("upload", other, "--url", served.url, "--key", served.key, "--video", first["video_id"])
    assert refused.returncode == 1
    assert f"{first['video_id']} has another file already, of {first['size']} bytes" in refused.stderr


def test_a_file_that_is_no_video_is_refused_and_leaves_nothing(run: Any, served: Served, tmp_path: Path) -> None:
    before = served.get("/videos")["pagination"]["itemsTotal"]
    (tmp_path / "letter.mp4").write_text("Dear reader")
    refused = run("upload", tmp_path / "letter.mp4", "--url", served.url, "--key", served.key)
    assert refused.returncode == 1
    assert refused.stderr.startswith("reelkit: The uploaded file is invalid.")
    assert served.get("/videos")["pagination"]["itemsTotal"] == before


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"key": ""}, "an upload needs an API key"),
        ({"key": "rk_live_wrong"}, "The site does not take this key: "),
        ({"key": "rk_live_wrong"}, "Make one with: reelkit keys create --site DIR --name NAME"),
        ({"video": "viNobody"}, "--video viNobody: the key's project and environment have no such video"),
        ({"url": "http://127.0.0.1:9"}, "http://127.0.0.1:9 does not answer"),
        ({"url": "video.example.org"}, "video.example.org is no site's address. Write it in full: https://"),
        ({"file": "nothing.mp4"}, "No such file or directory"),
        ({"file": "."}, "is no file"),
    ],
)
def test_a_mistake_is_one_line(
    run: Callable[..., Any], served: Served, sample_h264: Path, options: dict[str, str], told: str
) -> None:
    given = {"file": str(sample_h264), "url": served.url, "key": served.key, **options}
    more = [f"--video={given['video']}"] if "video" in given else []
    refused = run("upload", given["file"], "--url", given["url"], "--key", given["key"], *more)
    assert refused.returncode == 1
    assert told in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
