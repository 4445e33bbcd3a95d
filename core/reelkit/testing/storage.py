"""The conformance suite of storages: inherit the class, give a fixture `storage`, and every promise is tested.

    class TestMine(StorageConformance):
        @pytest_asyncio.fixture
        async def storage(self, tmp_path):
            storage = MyStorage(tmp_path)
            yield storage
            await storage.close()

Optional abilities (Multipart, Presigns, LocalPaths) are tested when the storage has them.
"""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import AsyncIterator

import pytest

from reelkit.interfaces.storage import (
    InvalidKey,
    KeyTaken,
    NotStored,
    Storage,
    StorageError,
    Stored,
)
from reelkit.testing.abilities import LocalPathsConformance, MultipartConformance, PresignsConformance
from reelkit.testing.streams import MIB, BodyBroke, broken_stream, content, joined, resident_bytes, stream

__all__ = ["HOSTILE_KEYS", "StorageConformance"]

HOSTILE_KEYS = [
    "",
    "/",
    "/etc/passwd",
    "../outside",
    "a/../../outside",
    "a/..",
    "..",
    ".",
    "a/./b",
    "a//b",
    "a/",
    "a\\b",
    "a\0b",
    "a\nb",
    "a b",
    "a?b",
    "a%2e%2e",
    "é",
    "x" * 201,
    "/".join(["x" * 100] * 11),
]
"""What a storage must refuse as a key."""

FLAT = 64 * MIB
"""Memory that a storage may take for streaming 160 MiB."""


async def listed(storage: Storage, prefix: str = "") -> set[str]:
    """Return the keys below a prefix."""
    return {stored.key async for stored in storage.list(prefix)}


class StorageConformance(MultipartConformance, PresignsConformance, LocalPathsConformance):
    """What every Storage promises. A subclass gives the fixture `storage`: an empty storage, anew for every test."""

    pytestmark = pytest.mark.asyncio

    @pytest.fixture
    async def storage(self) -> AsyncIterator[Storage]:
        """The storage under test."""
        raise NotImplementedError("a subclass of StorageConformance gives a fixture `storage`")
        yield

    async def test_it_is_a_storage(self, storage: Storage) -> None:
        assert isinstance(storage, Storage)

    async def test_check_returns_when_all_is_well(self, storage: Storage) -> None:
        await storage.check()
        assert await listed(storage) == set()

    @pytest.mark.parametrize("size", [0, 1, MIB, 5 * MIB, 12 * MIB + 345])
    @pytest.mark.parametrize("told", [True, False], ids=["size-told", "size-unknown"])
    async def test_what_is_put_comes_back(self, storage: Storage, size: int, told: bool) -> None:
        data = content(size)
        stored = await storage.put("p/vi1/file", stream(data), size if told else None)
        assert stored == Stored("p/vi1/file", size)
        assert await storage.stat("p/vi1/file") == stored
        assert await joined(storage.read("p/vi1/file")) == data

    @pytest.mark.parametrize("chunk", [1000, 7 * MIB])
    async def test_chunks_of_any_size_are_taken(self, storage: Storage, chunk: int) -> None:
        data = content(8 * MIB + 1)
        await storage.put("chunks", stream(data, chunk))
        assert await joined(storage.read("chunks")) == data

    async def test_empty_chunks_are_no_end(self, storage: Storage) -> None:
        async def body() -> AsyncIterator[bytes]:
            for chunk in (b"", b"a", b"", b"", b"b", b""):
                yield chunk

        await storage.put("empty-chunks", body())
        assert await joined(storage.read("empty-chunks")) == b"ab"

    async def test_a_read_gives_chunks_of_one_mebibyte_at_most(self, storage: Storage) -> None:
        await storage.put("big", stream(content(5 * MIB + 1)))
        sizes = [len(chunk) async for chunk in storage.read("big", 3)]
        assert sum(sizes) == 5 * MIB - 2
        assert max(sizes) <= MIB

    @pytest.mark.parametrize(
        ("start", "stop"),
        [
            (0, 0),
            (0, 1),
            (5, None),
            (100, 100),
            (200, 100),
            (MIB - 1, MIB + 1),
            (7, 2 * MIB + 9),
            (3 * MIB + 4, None),
            (3 * MIB + 4, 9 * MIB),
            (3 * MIB + 5, None),
            (3 * MIB + 5, 3 * MIB + 6),
            (9 * MIB, None),
        ],
    )
    async def test_ranges_are_exact_and_end_with_the_object(self, storage: Storage, start: int, stop: int | None) -> None:
        data = content(3 * MIB + 5)
        await storage.put("ranged", stream(data))
        assert await joined(storage.read("ranged", start, stop)) == data[start:stop]

    async def test_what_is_not_there_is_not_stored(self, storage: Storage) -> None:
        await storage.put("folder/file", stream(b"x"))
        for key in ("missing", "folder", "folder/file2", "folder/fil", "folder/file/x"):
            with pytest.raises(NotStored):
                await storage.stat(key)
            with pytest.raises(NotStored):
                await joined(storage.read(key))
            with pytest.raises(NotStored):
                await joined(storage.read(key, 5, 9))

    async def test_a_key_is_never_reused(self, storage: Storage) -> None:
        await storage.put("taken", stream(b"first"))
        for data in (b"second", b"", content(12 * MIB)):
            with pytest.raises(KeyTaken):
                await storage.put("taken", stream(data))
        assert await joined(storage.read("taken")) == b"first"

    @pytest.mark.parametrize("size", [100, 11 * MIB])
    async def test_one_of_many_concurrent_puts_gets_the_key(self, storage: Storage, size: int) -> None:
        bodies = [content(size, seed) for seed in range(6)]
        results = await asyncio.gather(*(storage.put("raced", stream(body)) for body in bodies), return_exceptions=True)
        won = [index for index, result in enumerate(results) if isinstance(result, Stored)]
        assert len(won) == 1, results
        assert all(isinstance(result, Stored | KeyTaken) for result in results), results
        assert await joined(storage.read("raced")) == bodies[won[0]]

    @pytest.mark.parametrize("size", [0, 1000, 14 * MIB])
    async def test_a_body_that_breaks_leaves_nothing(self, storage: Storage, size: int) -> None:
        with pytest.raises(BodyBroke):
            await storage.put("broken", broken_stream(content(size)), 2 * size + 1)
        with pytest.raises(BodyBroke):
            await storage.put("broken", broken_stream(content(size)))
        assert await listed(storage) == set()
        await storage.put("broken", stream(b"whole"))
        assert await joined(storage.read("broken")) == b"whole"

    @pytest.mark.parametrize("size", [1000, 14 * MIB])
    async def test_a_cancelled_put_leaves_nothing(self, storage: Storage, size: int) -> None:
        waiting = asyncio.Event()

        async def endless() -> AsyncIterator[bytes]:
            async for chunk in stream(content(size)):
                yield chunk
            waiting.set()
            await asyncio.Event().wait()

        putting = asyncio.create_task(storage.put("cancelled", endless()))
        await waiting.wait()
        putting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await putting
        assert await listed(storage) == set()
        await storage.put("cancelled", stream(b"whole"))

    @pytest.mark.parametrize("announced", [999, 1001, 0, 40 * MIB])
    async def test_a_body_of_another_size_than_told_is_refused(self, storage: Storage, announced: int) -> None:
        with pytest.raises(StorageError):
            await storage.put("lied", stream(content(1000)), announced)
        assert await listed(storage) == set()

    async def test_nothing_is_seen_of_a_put_before_its_end(self, storage: Storage) -> None:
        halfway, go_on = asyncio.Event(), asyncio.Event()

        async def body() -> AsyncIterator[bytes]:
            async for chunk in stream(content(12 * MIB)):
                yield chunk
            halfway.set()
            await go_on.wait()
            yield b"end"

        putting = asyncio.create_task(storage.put("growing", body()))
        await halfway.wait()
        with pytest.raises(NotStored):
            await storage.stat("growing")
        assert await listed(storage) == set()
        go_on.set()
        assert (await putting).size == 12 * MIB + 3
        assert await listed(storage) == {"growing"}

    async def test_a_prefix_lists_the_keys_that_start_with_it(self, storage: Storage) -> None:
        keys = {"a/b/1", "a/b/2", "a/bc", "a/c", "ab", "b/a/b", "a.b", "A/b"}
        for key in keys:
            await storage.put(key, stream(key.encode()))
        for prefix in ("", "a", "a/", "a/b", "a/b/", "a/b/1", "b/a", "nothing", "a/b/1/"):
            assert await listed(storage, prefix) == {key for key in keys if key.startswith(prefix)}, prefix
        assert {stored.size async for stored in storage.list("a/b/")} == {5}

    @pytest.mark.parametrize("prefix", ["..", "../", "/", "a/../", "//", "a//"])
    async def test_a_hostile_prefix_lists_nothing(self, storage: Storage, prefix: str) -> None:
        await storage.put("a/b", stream(b"x"))
        assert await listed(storage, prefix) == set()

    async def test_a_list_is_complete_however_long(self, storage: Storage) -> None:
        keys = {f"many/{number:04}" for number in range(1100)}
        waiting = asyncio.Semaphore(16)

        async def put(key: str) -> None:
            async with waiting:
                await storage.put(key, stream(b"x"))

        await asyncio.gather(*(put(key) for key in keys))
        assert await listed(storage, "many/") == keys

    async def test_a_delete_removes_that_object_only_and_may_be_repeated(self, storage: Storage) -> None:
        for key in ("d/1", "d/10", "d/2/x"):
            await storage.put(key, stream(b"x"))
        for _ in range(2):
            await storage.delete("d/1")
            assert await listed(storage) == {"d/10", "d/2/x"}
        await storage.delete("never/there")
        await storage.delete("d/2")
        assert await listed(storage) == {"d/10", "d/2/x"}
        with pytest.raises(NotStored):
            await storage.stat("d/1")

    async def test_concurrent_puts_reads_and_deletes_stay_apart(self, storage: Storage) -> None:
        async def one(number: int) -> None:
            data = content(100_000 + number * 77_777, number)
            key = f"apart/{number % 4}/{number}"
            await storage.put(key, stream(data, 10_000))
            assert await joined(storage.read(key)) == data
            await storage.delete(key)

        await asyncio.gather(*(one(number) for number in range(24)))
        assert await listed(storage) == set()

    async def test_an_abandoned_read_does_no_harm(self, storage: Storage) -> None:
        data = content(6 * MIB)
        await storage.put("abandoned", stream(data))
        for _ in range(20):
            async for chunk in storage.read("abandoned"):
                assert data.startswith(chunk)
                break
        gc.collect()
        assert await joined(storage.read("abandoned")) == data

    @pytest.mark.parametrize("key", HOSTILE_KEYS)
    async def test_a_hostile_key_is_refused_everywhere(self, storage: Storage, key: str) -> None:
        with pytest.raises(InvalidKey):
            await storage.put(key, stream(b"x"))
        with pytest.raises(InvalidKey):
            await joined(storage.read(key))
        with pytest.raises(InvalidKey):
            await storage.stat(key)
        with pytest.raises(InvalidKey):
            await storage.delete(key)

    async def test_memory_stays_flat_however_long_the_stream(self, storage: Storage) -> None:
        block = content(MIB)
        await storage.put("warm-up", stream(block * 8))
        gc.collect()
        before = peak = resident_bytes()
        # The process may hold freed memory that a greedy storage would fill without growing it; this sees through that.
        tracemalloc.start()
        tracemalloc.reset_peak()

        async def body() -> AsyncIterator[bytes]:
            nonlocal peak
            for _ in range(160 * 16):
                yield block[: 64 * 1024]
                peak = max(peak, resident_bytes())

        stored = await storage.put("long", body())
        assert stored.size == 160 * MIB
        assert peak - before < FLAT, f"{(peak - before) // MIB} MiB"
        length = 0
        async for chunk in storage.read("long"):
            length += len(chunk)
            peak = max(peak, resident_bytes())
        assert length == stored.size
        held = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert max(peak - before, held) < FLAT, f"{max(peak - before, held) // MIB} MiB"
