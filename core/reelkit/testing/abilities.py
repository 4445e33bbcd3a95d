"""Conformance of the optional abilities of storages; part of StorageConformance, each skipped when it is not there."""

from __future__ import annotations

import asyncio
from typing import cast

import httpx
import pytest

from reelkit.interfaces.storage import (
    InvalidKey,
    KeyTaken,
    LocalPaths,
    Multipart,
    NotStored,
    Part,
    Presigns,
    Storage,
    StorageError,
    Stored,
)
from reelkit.testing.streams import MIB, BodyBroke, broken_stream, content, joined, stream

__all__ = ["LocalPathsConformance", "MultipartConformance", "PresignsConformance"]

KEY = "p/vi1/source/so1/file"


class MultipartConformance:
    """What a storage with Multipart promises."""

    @pytest.fixture
    def multipart(self, storage: Storage) -> Multipart:
        """The storage, known to have the ability."""
        if not isinstance(storage, Multipart):
            pytest.skip("this storage has no Multipart")
        return cast(Multipart, storage)

    @pytest.mark.parametrize("hints", ["none", "right", "wrong", "size only"])
    async def test_parts_in_any_order_make_one_object(self, storage: Storage, multipart: Multipart, hints: str) -> None:
        bodies = {1: content(5 * MIB, 1), 2: content(5 * MIB + 7, 2), 5: content(6 * MIB, 5), 9: content(3, 9)}
        upload = await multipart.begin(KEY)
        offsets, end = {}, 0
        for number, data in bodies.items():
            offsets[number] = end
            end += len(data)

        async def put(number: int) -> Part:
            size = None if hints == "none" else len(bodies[number])
            offset = {"right": offsets[number], "wrong": 4 * MIB * (number % 3)}.get(hints)
            return await multipart.put_part(KEY, upload, number, stream(bodies[number]), size=size, offset=offset)

        parts = await asyncio.gather(*(put(number) for number in (9, 2, 1, 5)))
        assert {part.number: part.size for part in parts} == {number: len(data) for number, data in bodies.items()}
        with pytest.raises(NotStored):
            await storage.stat(KEY)
        assert [stored async for stored in storage.list()] == []
        stored = await multipart.complete(KEY, upload, sorted(parts, key=lambda part: part.number))
        assert stored == Stored(KEY, end)
        assert await joined(storage.read(KEY)) == b"".join(bodies.values())
        assert [stored.key async for stored in storage.list()] == [KEY]

    async def test_one_small_part_is_enough(self, storage: Storage, multipart: Multipart) -> None:
        upload = await multipart.begin(KEY)
        part = await multipart.put_part(KEY, upload, 1, stream(b"small"), size=5, offset=0)
        await multipart.complete(KEY, upload, [part])
        assert await joined(storage.read(KEY)) == b"small"

    @pytest.mark.parametrize("hinted", [True, False])
    async def test_the_same_number_again_replaces_the_part(
        self, storage: Storage, multipart: Multipart, hinted: bool
    ) -> None:
        upload = await multipart.begin(KEY)
        size, place = (5 * MIB, 0) if hinted else (None, None)
        await multipart.put_part(KEY, upload, 1, stream(content(5 * MIB, 1)), size=size, offset=place)
        first = await multipart.put_part(KEY, upload, 1, stream(content(5 * MIB, 2)), size=size, offset=place)
        last = await multipart.put_part(KEY, upload, 2, stream(b"end"), size=3, offset=5 * MIB if hinted else None)
        await multipart.complete(KEY, upload, [first, last])
        assert await joined(storage.read(KEY)) == content(5 * MIB, 2) + b"end"

    @pytest.mark.parametrize("hinted", [True, False])
    async def test_a_part_that_breaks_can_be_sent_again(self, storage: Storage, multipart: Multipart, hinted: bool) -> None:
        upload = await multipart.begin(KEY)
        good = content(6 * MIB, 1)
        size, place = (len(good), 0) if hinted else (None, None)
        with pytest.raises(BodyBroke):
            await multipart.put_part(KEY, upload, 1, broken_stream(content(5 * MIB, 2)), size=size, offset=place)
        part = await multipart.put_part(KEY, upload, 1, stream(good), size=size, offset=place)
        with pytest.raises(BodyBroke):
            await multipart.put_part(KEY, upload, 1, broken_stream(content(5 * MIB, 3)), size=size, offset=place)
        await multipart.complete(KEY, upload, [part])
        assert await joined(storage.read(KEY)) == good

    @pytest.mark.parametrize("announced", [999, 1001])
    async def test_a_part_of_another_size_than_told_is_refused(self, multipart: Multipart, announced: int) -> None:
        upload = await multipart.begin(KEY)
        with pytest.raises(StorageError):
            await multipart.put_part(KEY, upload, 1, stream(content(1000)), size=announced, offset=0)
        await multipart.abort(KEY, upload)

    async def test_an_unknown_upload_is_not_stored(self, multipart: Multipart) -> None:
        upload = await multipart.begin(KEY)
        part = await multipart.put_part(KEY, upload, 1, stream(b"x"))
        for key, wrong in ((KEY, "0" * 32), (KEY, "../x"), (KEY, ""), ("other", upload)):
            with pytest.raises(NotStored):
                await multipart.put_part(key, wrong, 1, stream(b"x"))
            with pytest.raises(NotStored):
                await multipart.complete(key, wrong, [part])
            await multipart.abort(key, wrong)
        await multipart.complete(KEY, upload, [part])

    async def test_a_part_that_was_never_stored_cannot_be_joined(self, storage: Storage, multipart: Multipart) -> None:
        upload = await multipart.begin(KEY)
        part = await multipart.put_part(KEY, upload, 1, stream(content(5 * MIB)))
        with pytest.raises(NotStored):
            await multipart.complete(KEY, upload, [part, Part(2, 3, part.tag)])
        with pytest.raises(NotStored):
            await storage.stat(KEY)

    async def test_an_aborted_upload_is_gone(self, storage: Storage, multipart: Multipart) -> None:
        upload = await multipart.begin(KEY)
        part = await multipart.put_part(KEY, upload, 1, stream(content(5 * MIB)))
        for _ in range(2):
            await multipart.abort(KEY, upload)
        with pytest.raises(NotStored):
            await multipart.put_part(KEY, upload, 2, stream(b"x"))
        with pytest.raises(NotStored):
            await multipart.complete(KEY, upload, [part])
        assert [stored async for stored in storage.list()] == []

    async def test_an_upload_does_not_replace_an_object(self, storage: Storage, multipart: Multipart) -> None:
        upload = await multipart.begin(KEY)
        part = await multipart.put_part(KEY, upload, 1, stream(content(5 * MIB)))
        await storage.put(KEY, stream(b"first"))
        with pytest.raises(KeyTaken):
            await multipart.complete(KEY, upload, [part])
        with pytest.raises(KeyTaken):
            await multipart.begin(KEY)
        assert await joined(storage.read(KEY)) == b"first"
        await multipart.abort(KEY, upload)

    @pytest.mark.parametrize("key", ["", "../x", "a//b", "/a"])
    async def test_a_hostile_key_opens_no_upload(self, multipart: Multipart, key: str) -> None:
        with pytest.raises(InvalidKey):
            await multipart.begin(key)


class PresignsConformance:
    """What a storage with Presigns promises."""

    @pytest.fixture
    def presigns(self, storage: Storage) -> Presigns:
        """The storage, known to have the ability."""
        if not isinstance(storage, Presigns):
            pytest.skip("this storage has no Presigns")
        return cast(Presigns, storage)

    async def test_a_presigned_url_gives_the_object_and_ranges_of_it(self, storage: Storage, presigns: Presigns) -> None:
        data = content(2 * MIB + 3)
        await storage.put(KEY, stream(data))
        url = await presigns.presign_get(KEY, 60)
        async with httpx.AsyncClient() as client:
            whole = await client.get(url)
            part = await client.get(url, headers={"Range": "bytes=5-9"})
            unsigned = await client.get(url.partition("?")[0])
        assert (whole.status_code, whole.content) == (200, data)
        assert (part.status_code, part.content) == (206, data[5:10])
        assert unsigned.status_code in (400, 401, 403)

    @pytest.mark.parametrize("name", ["holiday.mp4", "Ferien & Höhle 100%.mp4", 'a"b\\c;d.mp4', "a\r\nX-Evil: 1.mp4"])
    async def test_a_file_name_makes_it_a_download(self, storage: Storage, presigns: Presigns, name: str) -> None:
        await storage.put(KEY, stream(b"x"))
        url = await presigns.presign_get(KEY, 60, filename=name)
        async with httpx.AsyncClient() as client:
            answer = await client.get(url)
        assert answer.status_code == 200
        assert answer.headers["content-disposition"].startswith("attachment")
        assert ".mp4" in answer.headers["content-disposition"]
        assert "x-evil" not in answer.headers

    async def test_a_presigned_url_ends(self, storage: Storage, presigns: Presigns) -> None:
        await storage.put(KEY, stream(b"x"))
        url = await presigns.presign_get(KEY, 1)
        await asyncio.sleep(2.5)
        async with httpx.AsyncClient() as client:
            assert (await client.get(url)).status_code in (400, 401, 403)

    async def test_a_hostile_key_is_not_signed(self, presigns: Presigns) -> None:
        with pytest.raises(InvalidKey):
            await presigns.presign_get("../x", 60)


class LocalPathsConformance:
    """What a storage with LocalPaths promises."""

    @pytest.fixture
    def local_paths(self, storage: Storage) -> LocalPaths:
        """The storage, known to have the ability."""
        if not isinstance(storage, LocalPaths):
            pytest.skip("this storage has no LocalPaths")
        return cast(LocalPaths, storage)

    async def test_a_local_path_is_the_object(self, storage: Storage, local_paths: LocalPaths) -> None:
        assert not local_paths.local_path(KEY).exists()
        await storage.put(KEY, stream(b"here"))
        path = local_paths.local_path(KEY)
        assert path.is_absolute()
        assert path.read_bytes() == b"here"
        await storage.delete(KEY)
        assert not path.exists()

    @pytest.mark.parametrize("key", ["", "..", "../x", "/etc/passwd", "a/../../x"])
    async def test_no_local_path_leads_outside(self, local_paths: LocalPaths, key: str) -> None:
        with pytest.raises(InvalidKey):
            local_paths.local_path(key)
