"""Segments that are kept: for whoever asks next, no longer and no more of them than allowed."""

from __future__ import annotations

import asyncio
import os
import random
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from reelkit_streamproxy.cache import Cache, Entry
from reelkit_streamproxy.freshness import fresh_for, told_to_browsers

BODY = random.Random(4).randbytes(1_000_000)
VIDEO = "Content-Type: video/mp4"


def entry(key: str, size: int, seconds: float = 60) -> Entry:
    return Entry(key=key, size=size, expires=time.time() + seconds, headers={"content-type": "video/mp4"})


def kept(cache: Cache, key: str) -> bytes | None:
    found = cache.find(key)
    if found is None:
        return None
    opened, start = found
    try:
        return start + opened.read(len(start), opened.entry.size)
    finally:
        opened.close()


def soon(what: Any) -> Any:
    """Return what is there once it is: the cache is written beside the answers."""
    deadline = time.monotonic() + 30
    while not (found := what()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return found


def entries(proxied: Any) -> int:
    return sum(1 for _ in (proxied.site.folder / "data" / "streamproxy").glob("??/[!.]*"))


def test_a_segment_is_fetched_once(proxied: Any) -> None:
    url = proxied.origin.serves("/kept.m4s", BODY, VIDEO, "Cache-Control: max-age=100", 'ETag: "one"')
    before = entries(proxied)
    first = proxied.get(url)
    assert soon(lambda: entries(proxied) > before)
    second = proxied.get(url)
    assert first.content == second.content == BODY
    assert proxied.origin.count("/kept.m4s") == 1
    for name in ("content-type", "etag", "cache-control", "content-length", "content-security-policy"):
        assert second.headers[name] == first.headers[name]
    part = proxied.get(url, headers={"Range": "bytes=999990-"})
    assert (part.status_code, part.content) == (206, BODY[999_990:])
    assert part.headers["content-range"] == "bytes 999990-999999/1000000"
    assert proxied.get(url, headers={"Range": "bytes=-10"}).content == BODY[-10:]
    assert proxied.get(url, headers={"Range": "bytes=1000000-"}).status_code == 416
    assert proxied.get(url, headers={"If-None-Match": 'W/"one"'}).status_code == 304
    assert len(proxied.get(url, headers={"Range": "bytes=0-9", "If-Range": '"two"'}).content) == len(BODY)
    head = proxied.get(url, "HEAD")
    assert (head.headers["content-length"], head.content) == ("1000000", b"")
    assert proxied.origin.count("/kept.m4s") == 1


@pytest.mark.parametrize(
    ("name", "headers"),
    [
        ("no-store", ["Cache-Control: no-store"]),
        ("private", ["Cache-Control: max-age=60, private"]),
        ("no-cache", ["Cache-Control: no-cache"]),
        ("old", ["Cache-Control: max-age=60", "Age: 60"]),
        ("cookie", ["Cache-Control: max-age=60", "Set-Cookie: a=b"]),
        ("vary", ["Cache-Control: max-age=60", "Vary: *"]),
        ("expired", ["Expires: Thu, 01 Jan 1970 00:00:00 GMT"]),
        ("playlist.m3u8", ["Cache-Control: max-age=60"]),
    ],
)
def test_what_may_not_be_kept_is_not(proxied: Any, name: str, headers: list[str]) -> None:
    body = b"#EXTM3U\n#EXTINF:1,\na.ts\n" if name.endswith("m3u8") else b"x" * 5000
    url = proxied.origin.serves(f"/{name}", body, *headers)
    for asked in (1, 2):
        assert proxied.get(url).status_code == 200
        time.sleep(0.05)
        assert proxied.origin.count(f"/{name}") == asked


def test_what_came_by_a_redirect_is_not_kept_where_a_plugin_decides(proxied: Any) -> None:
    there = proxied.other.serves("/allowed/moved.m4s", BODY, VIDEO, "Cache-Control: max-age=100")
    url = proxied.origin.serves("/moved.m4s", b"", f"Location: {there}", status=302)
    for _ in range(2):
        assert proxied.get(url).content == BODY
        time.sleep(0.2)
    assert proxied.other.count("/allowed/moved.m4s") == 2


def test_a_body_that_broke_off_is_not_kept(proxied: Any) -> None:
    async def breaks(asked: Any, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nContent-Length: 9000\r\n\r\n" + b"x" * 5000)
        await writer.drain()
        writer.close()

    url = proxied.origin.acts("/breaks.m4s", breaks)
    for asked in (1, 2):
        with pytest.raises(httpx.RemoteProtocolError):
            proxied.get(url)
        assert proxied.origin.count("/breaks.m4s") == asked


def test_each_workers_entries_are_there_for_the_others(tmp_path: Path) -> None:
    one, two = Cache(tmp_path, 10_000_000), Cache(tmp_path, 10_000_000)
    assert one.keep(entry("a", len(BODY)), [BODY[:500_000], BODY[500_000:]])
    assert kept(two, "a") == BODY
    assert kept(two, "b") is None
    assert two.keep(entry("a", 3), [b"new"])
    assert kept(one, "a") == b"new"
    assert kept(Cache(tmp_path, 10_000_000), "a") == b"new", "a start finds what was kept"


def test_the_budget_holds_and_the_least_used_leave(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 5_000_000)
    for number in range(20):
        assert cache.keep(entry(f"n{number}", 500_000), [bytes(500_000)])
        for file in tmp_path.glob("??/*"):
            # Each is a minute older than the one after it, as if they had come apart.
            os.utime(file, (0, file.stat().st_mtime - 60))
        assert kept(cache, "n0") is not None, "it is asked for again and again"
        assert sum(file.stat().st_size for file in tmp_path.glob("??/*")) <= 5_000_000
    assert [number for number in range(20) if kept(cache, f"n{number}")] == [0, *range(12, 20)]
    assert not cache.keep(entry("huge", 6_000_000), [bytes(6_000_000)])


def test_workers_that_write_at_once_leave_whole_entries(tmp_path: Path) -> None:
    def write(number: int) -> None:
        cache = Cache(tmp_path, 2_000_000)
        for _ in range(40):
            cache.keep(entry("same", 100_000), [bytes([number]) * 50_000] * 2)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    reader = Cache(tmp_path, 2_000_000)
    while any(thread.is_alive() for thread in threads):
        body = kept(reader, "same")
        assert body is None or (len(body) == 100_000 and len(set(body)) == 1)
    assert not list(tmp_path.glob("??/.*"))


def test_damaged_foreign_and_old_entries_are_not_used(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 2_000_000)
    cache.keep(entry("old", 3, seconds=-1), [b"abc"])
    assert kept(cache, "old") is None
    cache.keep(entry("cut", 300_000), [bytes(300_000)])
    cache.keep(entry("mixed", 3), [b"abc"])
    for file in tmp_path.glob("??/*"):
        os.truncate(file, file.stat().st_size - 1)
    assert kept(cache, "cut") is None and kept(cache, "mixed") is None
    cache.keep(entry("other", 3), [b"abc"])
    cache._path("mixed").parent.mkdir(exist_ok=True)
    cache._path("other").rename(cache._path("mixed"))
    assert kept(cache, "mixed") is None, "an entry under another's name"


def test_a_disk_that_cannot_be_written_costs_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = Cache(tmp_path / "file", 2_000_000)
    assert not cache.keep(entry("a", 3), [b"abc"])
    assert kept(cache, "a") is None


@pytest.mark.parametrize(
    ("headers", "seconds", "told"),
    [
        ({}, 60, "private"),
        ({"cache-control": "max-age=5"}, 5, "private, max-age=5"),
        ({"cache-control": "public, MAX-AGE=5, s-maxage=9"}, 9, "private, max-age=5"),
        ({"cache-control": 'max-age="7"'}, 7, "private, max-age=7"),
        ({"cache-control": "max-age=5", "age": "3"}, 2, "private, max-age=2"),
        ({"cache-control": "max-age=5", "age": "9"}, 0, "private, max-age=0"),
        ({"cache-control": "max-age=-5"}, 60, "private"),
        ({"cache-control": "max-age=99999999999"}, 2592000, "private, max-age=2592000"),
        ({"cache-control": "no-store, max-age=5"}, 0, "no-store"),
        ({"cache-control": 'no-cache="a"'}, 0, "private, no-cache"),
        ({"cache-control": "max-age=9, immutable"}, 9, "private, max-age=9, immutable"),
        ({"pragma": "no-cache"}, 0, "private"),
        ({"expires": "0"}, 0, "private, max-age=0"),
        (
            {"date": "Thu, 01 Jan 2026 00:00:00 GMT", "expires": "Thu, 01 Jan 2026 00:01:00 GMT"},
            60,
            "private, max-age=60",
        ),
    ],
)
def test_how_long_is_the_origins_to_say(headers: dict[str, str], seconds: int, told: str) -> None:
    assert fresh_for(headers) == seconds
    assert told_to_browsers(headers) == told
