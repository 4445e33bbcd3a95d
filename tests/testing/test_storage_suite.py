"""The conformance suite sees the faults that it is there for: each broken storage fails the test of its promise."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from reelkit.interfaces.storage import InvalidKey, KeyTaken, Multipart, Part, StorageError, Stored
from reelkit.testing.storage import StorageConformance
from reelkit.testing.streams import joined, stream
from reelkit_local import LocalStorage

suite = StorageConformance()


class Overwrites(LocalStorage):
    async def put(self, key: str, body: AsyncIterable[bytes], size: int | None = None) -> Stored:
        await self.delete(key)
        return await super().put(key, body, size)


class KeepsHalves(LocalStorage):
    async def put(self, key: str, body: AsyncIterable[bytes], size: int | None = None) -> Stored:
        got = b""
        try:
            async for chunk in body:
                got += chunk
        finally:
            await super().put(key, stream(got))
        return Stored(key, len(got))


class IgnoresSize(LocalStorage):
    async def put(self, key: str, body: AsyncIterable[bytes], size: int | None = None) -> Stored:
        return await super().put(key, body)


class Greedy(LocalStorage):
    async def put(self, key: str, body: AsyncIterable[bytes], size: int | None = None) -> Stored:
        return await super().put(key, stream(await joined(body)), size)


class OffByOne(LocalStorage):
    def read(self, key: str, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        return super().read(key, start, None if stop is None else stop + 1)


class BigChunks(LocalStorage):
    async def read(self, key: str, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        yield await joined(super().read(key, start, stop))


class ListsFoldersOnly(LocalStorage):
    async def list(self, prefix: str = "") -> AsyncIterator[Stored]:
        folder = prefix if prefix.endswith("/") or not prefix else f"{prefix}/"
        async for stored in super().list(folder):
            yield stored


class ForgetsTheSecondPage(LocalStorage):
    async def list(self, prefix: str = "") -> AsyncIterator[Stored]:
        given = 0
        async for stored in super().list(prefix):
            given += 1
            if given <= 1000:
                yield stored


class DeletesPrefixes(LocalStorage):
    async def delete(self, key: str) -> None:
        async for stored in super().list(key):
            await super().delete(stored.key)


class Gullible(LocalStorage):
    async def stat(self, key: str) -> Stored:
        try:
            return await super().stat(key)
        except InvalidKey:
            return Stored(key, 0)


class JoinsAsTheyCame(LocalStorage):
    came: list[int] = []

    async def put_part(self, key: str, upload: str, number: int, body: AsyncIterable[bytes], **hints: Any) -> Part:
        part = await super().put_part(key, upload, number, body, **hints)
        self.came.append(number)
        return part

    async def complete(self, key: str, upload: str, parts: Sequence[Part]) -> Stored:
        return await super().complete(key, upload, sorted(parts, key=lambda part: self.came.index(part.number)))


class CompletesOverOthers(LocalStorage):
    async def complete(self, key: str, upload: str, parts: Sequence[Part]) -> Stored:
        try:
            return await super().complete(key, upload, parts)
        except KeyTaken:
            await self.delete(key)
            return await super().complete(key, upload, parts)


async def parts_test(storage: LocalStorage) -> None:
    assert isinstance(storage, Multipart)
    await suite.test_parts_in_any_order_make_one_object(storage, storage, "none")


async def replacing_test(storage: LocalStorage) -> None:
    assert isinstance(storage, Multipart)
    await suite.test_an_upload_does_not_replace_an_object(storage, storage)


FAULTS: list[tuple[type[LocalStorage], Callable[[LocalStorage], Any]]] = [
    (Overwrites, suite.test_a_key_is_never_reused),
    (KeepsHalves, lambda storage: suite.test_a_body_that_breaks_leaves_nothing(storage, 1000)),
    (KeepsHalves, lambda storage: suite.test_a_cancelled_put_leaves_nothing(storage, 1000)),
    (IgnoresSize, lambda storage: suite.test_a_body_of_another_size_than_told_is_refused(storage, 1001)),
    (Greedy, suite.test_memory_stays_flat_however_long_the_stream),
    (OffByOne, lambda storage: suite.test_ranges_are_exact_and_end_with_the_object(storage, 0, 1)),
    (BigChunks, suite.test_a_read_gives_chunks_of_one_mebibyte_at_most),
    (ListsFoldersOnly, suite.test_a_prefix_lists_the_keys_that_start_with_it),
    (ForgetsTheSecondPage, suite.test_a_list_is_complete_however_long),
    (DeletesPrefixes, suite.test_a_delete_removes_that_object_only_and_may_be_repeated),
    (Gullible, lambda storage: suite.test_a_hostile_key_is_refused_everywhere(storage, "../x")),
    (JoinsAsTheyCame, parts_test),
    (CompletesOverOthers, replacing_test),
]


@pytest.mark.parametrize(("faulty", "test"), FAULTS, ids=[f"{faulty.__name__}" for faulty, _ in FAULTS])
async def test_a_fault_is_seen(tmp_path: Path, faulty: type[LocalStorage], test: Callable[[LocalStorage], Any]) -> None:
    storage = faulty(tmp_path / "faulty")
    with pytest.raises((AssertionError, pytest.fail.Exception, StorageError)):
        await test(storage)
    await storage.close()
    sound = LocalStorage(tmp_path / "sound")
    await test(sound)
    await sound.close()
