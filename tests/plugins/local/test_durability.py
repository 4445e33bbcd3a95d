"""Killed writers, full disks, strangers in the folder: what the local storage does when things go wrong."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from reelkit.interfaces.storage import KeyTaken, NotStored, Part, StorageFull, StorageUnavailable
from reelkit.testing.streams import MIB, content, joined, stream
from reelkit_local import LocalStorage


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[LocalStorage]:
    storage = LocalStorage(tmp_path / "media")
    yield storage
    await storage.close()


@pytest.mark.parametrize("told", [True, False])
async def test_a_full_disk_is_said_and_nothing_is_kept(small_disk: Path, told: bool) -> None:
    storage = LocalStorage(small_disk / "media")
    await storage.put("small", stream(content(MIB)))
    data = content(40 * MIB)
    with pytest.raises(StorageFull):
        await storage.put("large", stream(data), len(data) if told else None)
    assert files_below(small_disk) == ["media/objects/small"]
    await storage.put("after", stream(content(16 * MIB)))
    assert await joined(storage.read("after")) == content(16 * MIB)
    await storage.close()


async def test_a_full_disk_stops_a_part_and_keeps_the_others(small_disk: Path) -> None:
    storage = LocalStorage(small_disk / "media")
    upload = await storage.begin("large")
    kept = await storage.put_part("large", upload, 1, stream(content(6 * MIB)), size=6 * MIB, offset=0)
    with pytest.raises(StorageFull):
        await storage.put_part("large", upload, 2, stream(content(40 * MIB)))
    with pytest.raises(StorageFull):
        await storage.put_part("large", upload, 2, stream(content(40 * MIB)), size=40 * MIB, offset=6 * MIB)
    await storage.complete("large", upload, [kept])
    assert await joined(storage.read("large")) == content(6 * MIB)
    await storage.close()


async def test_parts_that_do_not_fit_together_leave_no_blocks(small_disk: Path) -> None:
    storage = LocalStorage(small_disk / "media")
    upload = await storage.begin("large")
    kept = await storage.put_part("large", upload, 1, stream(content(6 * MIB)), size=6 * MIB, offset=0)
    both = [
        storage.put_part("large", upload, number, stream(content(12 * MIB)), size=12 * MIB, offset=offset * MIB)
        for number, offset in ((2, 6), (3, 18))
    ]
    done = await asyncio.gather(*both, return_exceptions=True)
    parts = [kept, *(part for part in done if isinstance(part, Part))]
    assert any(isinstance(fault, StorageFull) for fault in done)
    blocks = sum(path.stat().st_blocks * 512 for path in small_disk.rglob("*") if path.is_file())
    assert blocks < sum(part.size for part in parts) + MIB
    await storage.close()


async def test_media_leave_the_disk_room_for_the_database(small_disk: Path) -> None:
    storage = LocalStorage(small_disk / "media", keep_free=20 * MIB)
    await storage.put("fits", stream(content(2 * MIB)), 2 * MIB)
    with pytest.raises(StorageFull, match="left for media"):
        await storage.put("does-not", stream(content(3 * MIB)), 3 * MIB)
    await storage.check()
    await storage.put("more", stream(content(2 * MIB)))
    with pytest.raises(StorageFull):
        await storage.check()
    await storage.close()


async def test_a_file_beyond_the_systems_limit_is_full_too(storage: LocalStorage, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8 * MIB, hard))
    try:
        with pytest.raises(StorageFull):
            await storage.put("large", stream(content(20 * MIB)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert files_below(tmp_path / "media") == []
    await storage.put("large", stream(content(20 * MIB)))


PUTTING = """
import asyncio, sys
from pathlib import Path
from reelkit.testing.streams import content
from reelkit_local import LocalStorage

async def body():
    for _ in range(200):
        yield content(65536)
    print("halfway", flush=True)
    await asyncio.Event().wait()

async def main():
    storage = LocalStorage(Path(sys.argv[1]))
    if sys.argv[2] == "put":
        await storage.put("killed", body())
    elif sys.argv[2] == "part":
        await storage.put_part("parts", sys.argv[3], 1, body(), size=100 * 1048576, offset=0)
    else:
        await storage.put("done", (chunk async for chunk in body_of_one()))
        print("acknowledged", flush=True)
        await asyncio.Event().wait()

async def body_of_one():
    yield content(3 * 1048576)

asyncio.run(main())
"""


def killed_while(folder: Path, what: str, *more: str) -> None:
    """Run PUTTING and kill -9 it when it says that it is there."""
    command = [sys.executable, "-c", PUTTING, str(folder), what, *more]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() in ("halfway", "acknowledged")
        process.send_signal(signal.SIGKILL)


async def test_a_killed_put_leaves_nothing_after_the_next_start(tmp_path: Path) -> None:
    killed_while(tmp_path, "put")
    assert files_below(tmp_path) != []
    storage = LocalStorage(tmp_path)
    assert files_below(tmp_path) == []
    with pytest.raises(NotStored):
        await storage.stat("killed")
    await storage.close()


async def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    killed_while(tmp_path, "acknowledge")
    storage = LocalStorage(tmp_path)
    assert await joined(storage.read("done")) == content(3 * MIB)
    await storage.close()


async def test_the_place_of_a_killed_part_is_free_again(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    upload = await storage.begin("parts")
    await asyncio.to_thread(killed_while, tmp_path, "part", upload)
    before = files_below(tmp_path / "uploads" / upload)
    assert any(".claim." in name for name in before)
    part = await storage.put_part("parts", upload, 1, stream(content(6 * MIB)), size=6 * MIB, offset=0)
    names = files_below(tmp_path / "uploads" / upload)
    assert not any(".claim." in name or name.endswith(".own") for name in names)
    await storage.complete("parts", upload, [part])
    assert await joined(storage.read("parts")) == content(6 * MIB)
    await storage.close()


async def test_a_start_does_not_touch_what_another_process_writes(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    halfway, go_on = asyncio.Event(), asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield content(5 * MIB)
        halfway.set()
        await go_on.wait()
        yield b"end"

    putting = asyncio.create_task(storage.put("mine", body()))
    await halfway.wait()
    other = await asyncio.to_thread(LocalStorage, tmp_path)
    go_on.set()
    await putting
    assert await joined(other.read("mine")) == content(5 * MIB) + b"end"
    await storage.close()
    await other.close()


async def test_one_of_many_processes_gets_the_key(tmp_path: Path) -> None:
    script = """
import asyncio, sys
from pathlib import Path
from reelkit.interfaces.storage import KeyTaken
from reelkit.testing.streams import stream
from reelkit_local import LocalStorage

async def main():
    storage = LocalStorage(Path(sys.argv[1]))
    print("ready", flush=True)
    sys.stdin.readline()
    won = []
    for number in range(50):
        try:
            await storage.put(f"raced/{number}", stream(sys.argv[2].encode()))
            won.append(number)
        except KeyTaken:
            pass
    print(*won)

asyncio.run(main())
"""
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path), str(name)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in range(3)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    won = [set(racer.communicate()[0].split()) for racer in racers]
    assert sorted(number for one in won for number in one) == sorted(str(number) for number in range(50))
    for name, numbers in enumerate(won):
        for number in numbers:
            assert (tmp_path / "objects" / "raced" / number).read_text() == str(name)


async def test_parts_in_their_places_are_not_moved(storage: LocalStorage, tmp_path: Path) -> None:
    upload = await storage.begin("whole")
    place = tmp_path / "media" / "uploads" / upload / "object"
    inode = place.stat().st_ino
    sizes = [6 * MIB, 5 * MIB, 17]
    parts = [
        await storage.put_part("whole", upload, n + 1, stream(content(size, n)), size=size, offset=sum(sizes[:n]))
        for n, size in reversed(list(enumerate(sizes)))
    ]
    await storage.complete("whole", upload, parts[::-1])
    assert storage.local_path("whole").stat().st_ino == inode
    assert list((tmp_path / "media" / "uploads").iterdir()) == []


async def test_a_late_part_cannot_change_what_was_published(storage: LocalStorage) -> None:
    upload = await storage.begin("published")
    first = await storage.put_part("published", upload, 1, stream(content(6 * MIB)), size=6 * MIB, offset=0)
    started, go_on = asyncio.Event(), asyncio.Event()

    async def late() -> AsyncIterator[bytes]:
        started.set()
        await go_on.wait()
        yield content(5 * MIB, 9)

    writing = asyncio.create_task(
        storage.put_part("published", upload, 2, late(), size=5 * MIB, offset=6 * MIB),
    )
    await started.wait()
    await storage.complete("published", upload, [first])
    go_on.set()
    with pytest.raises(NotStored):
        await writing
    assert await joined(storage.read("published")) == content(6 * MIB)


async def test_forgotten_uploads_go_at_the_next_start(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    old, young = await storage.begin("old"), await storage.begin("young")
    yesterday = time.time() - 86400
    for path in [*(tmp_path / "uploads" / old).iterdir(), tmp_path / "uploads" / old]:
        os.utime(path, (yesterday, yesterday))
    await storage.close()
    again = LocalStorage(tmp_path, forget_uploads_hours=12)
    assert [path.name for path in (tmp_path / "uploads").iterdir()] == [young]
    await again.close()


async def test_an_object_and_a_folder_cannot_share_a_name(storage: LocalStorage) -> None:
    await storage.put("a/b", stream(b"x"))
    for key in ("a", "a/b/c", "a/b/c/d"):
        with pytest.raises(KeyTaken):
            await storage.put(key, stream(b"y"))
    assert await joined(storage.read("a/b")) == b"x"


async def test_deleting_the_last_object_removes_its_folders(storage: LocalStorage, tmp_path: Path) -> None:
    await storage.put("p/vi1/source/so1/file", stream(b"x"))
    await storage.put("p/vi2/source/so2/file", stream(b"x"))
    await storage.delete("p/vi1/source/so1/file")
    assert files_below(tmp_path / "media" / "objects") == ["p/vi2/source/so2/file"]
    assert not (tmp_path / "media" / "objects" / "p" / "vi1").exists()


async def test_files_of_strangers_are_not_listed(storage: LocalStorage, tmp_path: Path) -> None:
    await storage.put("a/b", stream(b"x"))
    (tmp_path / "media" / "objects" / "a" / "not a key").write_text("x")
    assert [stored.key async for stored in storage.list()] == ["a/b"]


async def test_a_folder_that_went_away_is_unavailable(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path / "media")
    (tmp_path / "media").rename(tmp_path / "unplugged")
    with pytest.raises(StorageUnavailable):
        await storage.put("x", stream(b"x"))
    with pytest.raises(StorageUnavailable):
        await storage.check()
    await storage.close()


def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageUnavailable):
        LocalStorage(tmp_path / "file" / "media")


async def test_a_cancelled_writer_closes_its_files(storage: LocalStorage) -> None:
    descriptors = Path("/proc/self/fd")

    async def one(number: int) -> None:
        async def body() -> AsyncIterator[bytes]:
            while True:
                yield content(MIB)

        task = asyncio.create_task(storage.put(f"c{number}", body()))
        await asyncio.sleep(0.001 * number)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    before = len(list(descriptors.iterdir()))
    await asyncio.gather(*(one(number) for number in range(20)))
    assert len(list(descriptors.iterdir())) == before
    assert [stored async for stored in storage.list()] == []


async def test_the_loop_runs_on_while_much_is_written(storage: LocalStorage) -> None:
    waits = []

    async def beat() -> None:
        while True:
            begun = time.perf_counter()
            await asyncio.sleep(0.002)
            waits.append(time.perf_counter() - begun)

    beating = asyncio.create_task(beat())
    await storage.put("much", stream(content(64 * MIB)))
    beating.cancel()
    assert len(waits) > 5
    assert sorted(waits)[len(waits) // 2] < 0.1
