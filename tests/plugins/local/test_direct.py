"""Long streams go past the page cache, where the file system can; what is stored is the same."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import reelkit_local.writing
from reelkit.interfaces.storage import StorageFull
from reelkit.testing.streams import MIB, BodyBroke, broken_stream, content, joined, stream
from reelkit_local import LocalStorage
from reelkit_local.direct import BLOCK, DirectFile

DATA = content(12 * MIB + 12345)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin after a megabyte, so that tests need not write so much."""
    monkeypatch.setattr(reelkit_local.writing, "CACHED", MIB)


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[LocalStorage]:
    storage = LocalStorage(tmp_path / "media")
    yield storage
    await storage.close()


@pytest.fixture
def direct_disk(tmp_path: Path) -> Path:
    """Return a folder whose file system lets files be written so."""
    with (tmp_path / "probe").open("wb") as file:
        try:
            way = DirectFile(file.fileno(), 0)
            os.pwrite(way._direct, way._block, 0)
        except OSError:
            pytest.skip("this file system knows no direct writes")
        way.close()
    return tmp_path


def is_cached(path: Path, at: int) -> bool:
    with path.open("rb") as file:
        try:
            return bool(os.preadv(file.fileno(), [bytearray(1)], at, os.RWF_NOWAIT))
        except BlockingIOError:
            return False


@pytest.mark.parametrize("chunk", [4095, 65536, 1_000_003, 3 * MIB])
async def test_chunks_of_any_length_are_stored_whole(storage: LocalStorage, chunk: int) -> None:
    stored = await storage.put("film", stream(DATA, chunk), len(DATA))
    assert stored.size == len(DATA)
    assert await joined(storage.read("film")) == DATA


async def test_what_comes_late_in_a_long_stream_is_not_kept_in_memory(storage: LocalStorage, direct_disk: Path) -> None:
    await storage.put("film", stream(DATA))
    path = storage.local_path("film")
    assert is_cached(path, 0) and not is_cached(path, 8 * MIB)
    for name, settings in (("kept", {"direct": False}), ("hasty", {"durable": False})):
        kept = LocalStorage(direct_disk / name, **settings)
        await kept.put("film", stream(DATA))
        assert is_cached(kept.local_path("film"), 8 * MIB)
        await kept.close()


async def test_parts_beside_one_another_meet_at_any_byte(storage: LocalStorage) -> None:
    cut = 5 * MIB + 777
    upload = await storage.begin("film")
    first, second = DATA[:cut], DATA[cut:]
    parts = await asyncio.gather(
        storage.put_part("film", upload, 1, stream(first, 70_001), size=len(first), offset=0),
        storage.put_part("film", upload, 2, stream(second, 70_001), size=len(second), offset=cut),
    )
    await storage.complete("film", upload, parts)
    assert await joined(storage.read("film")) == DATA


async def test_many_streams_at_once_stay_whole(storage: LocalStorage) -> None:
    await asyncio.gather(*(storage.put(f"film-{number}", stream(DATA[number:])) for number in range(6)))
    for number in range(6):
        assert await joined(storage.read(f"film-{number}")) == DATA[number:]


async def test_what_may_not_go_past_the_cache_is_written_in_large_pieces(
    storage: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    pieces: list[int] = []
    pwrite = os.pwrite

    def seen(descriptor: int, data: memoryview, position: int) -> int:
        pieces.append(len(data))
        return pwrite(descriptor, data, position)

    monkeypatch.setattr(os, "pwrite", seen)
    monkeypatch.setattr(reelkit_local.writing, "DIRECT_STREAMS", 0)
    await storage.put("film", stream(DATA, MIB))
    assert sum(pieces) == len(DATA)
    assert len(pieces) < 2 * len(DATA) / reelkit_local.writing.PIECE


async def test_a_stream_that_breaks_leaves_no_descriptor_open(storage: LocalStorage, tmp_path: Path) -> None:
    before = len([*Path("/proc/self/fd").iterdir()])
    for _ in range(3):
        with pytest.raises(BodyBroke):
            await storage.put("film", broken_stream(DATA))
    assert len([*Path("/proc/self/fd").iterdir()]) == before
    assert not [path for path in (tmp_path / "media").rglob("*") if path.is_file()]


async def test_a_disk_that_fills_up_is_said(small_disk: Path) -> None:
    storage = LocalStorage(small_disk / "media")
    with pytest.raises(StorageFull):
        await storage.put("large", stream(content(40 * MIB)))
    assert not [path for path in (small_disk / "media").rglob("*") if path.is_file()]
    await storage.put("film", stream(DATA))
    assert await joined(storage.read("film")) == DATA
    await storage.close()


def test_where_direct_writes_are_refused_plain_ones_follow(direct_disk: Path) -> None:
    # A place that is no multiple is refused by every disk in the way that a file system without such writes refuses all.
    with (direct_disk / "file").open("w+b") as file:
        way = DirectFile(file.fileno(), 1)
        way.write(memoryview(DATA[: BLOCK + 5]))
        way.finish()
        way.close()
        assert way.position == 1 + BLOCK + 5
        file.seek(1)
        assert file.read() == DATA[: BLOCK + 5]
