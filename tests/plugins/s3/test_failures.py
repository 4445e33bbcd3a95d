"""Broken lines, silent services, wrong secrets, forgotten uploads: what the S3 storage does when things go wrong."""

from __future__ import annotations

import asyncio
import socket
import tempfile
import time
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec
import pytest
from reelkit.interfaces.storage import KeyTaken, NotStored, StorageError, StorageFull, StorageUnavailable
from reelkit.testing.processes import free_ports
from reelkit.testing.servers import NginxServer
from reelkit.testing.streams import MIB, BodyBroke, broken_stream, content, joined, stream
from reelkit_s3 import multipart
from reelkit_s3.client import Client
from reelkit_s3.credentials import CredentialSource
from reelkit_s3.settings import Settings
from reelkit_s3.storage import S3Storage

EVERY_CALL: list[Callable[[S3Storage], Coroutine[Any, Any, object]]] = [
    lambda storage: storage.put("a/b", stream(b"x")),
    lambda storage: storage.put("a/b", stream(content(9 * MIB))),
    lambda storage: storage.stat("a/b"),
    lambda storage: joined(storage.read("a/b")),
    lambda storage: joined(storage.read("a/b", 5, 10)),
    lambda storage: anext(aiter(storage.list("a/"))),  # type: ignore[arg-type]  # a coroutine in effect
    lambda storage: storage.delete("a/b"),
    lambda storage: storage.check(),
    lambda storage: storage.begin("a/b"),
]


async def unfinished(settings: Settings) -> int:
    """Return how many multipart uploads are open, by aborting them."""
    client = Client(settings, CredentialSource(settings))
    try:
        return await multipart.forget_uploads(client, -1)
    finally:
        await client.close()


async def test_a_put_that_fails_leaves_no_unfinished_upload(storage: S3Storage, settings: Settings) -> None:
    with pytest.raises(BodyBroke):
        await storage.put("broken", broken_stream(content(20 * MIB)))
    waiting = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield content(20 * MIB)
        waiting.set()
        await asyncio.Event().wait()

    putting = asyncio.create_task(storage.put("cancelled", endless()))
    await waiting.wait()
    putting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await putting
    assert await unfinished(settings) == 0


async def test_a_part_of_unknown_size_that_finds_no_room_on_this_machine(
    storage: S3Storage, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(small_disk))
    upload = await storage.begin("large")
    with pytest.raises(StorageFull):
        await storage.put_part("large", upload, 1, stream(content(40 * MIB)))


async def test_forgotten_uploads_are_aborted_and_others_are_not(storage: S3Storage, settings: Settings) -> None:
    neighbours = msgspec.structs.replace(settings, prefix="site/media2")
    neighbour = S3Storage(neighbours)
    await neighbour.begin("kept")
    await neighbour.close()
    old = await storage.begin("old")
    await asyncio.sleep(5)
    forgetful = S3Storage(msgspec.structs.replace(settings, forget_uploads_hours=3.5 / 3600))
    young = await forgetful.begin("young")
    await forgetful.close()
    with pytest.raises(NotStored):
        await storage.put_part("old", old, 1, stream(b"x"))
    await storage.put_part("young", young, 1, stream(b"x"))
    assert await unfinished(settings) == 1
    assert await unfinished(neighbours) == 1


@pytest.mark.parametrize("call", EVERY_CALL)
async def test_a_wrong_secret_is_unavailable_and_not_told(
    settings: Settings, call: Callable[[S3Storage], Coroutine[Any, Any, object]]
) -> None:
    secret = "wrong-" + "s" * 34
    storage = S3Storage(msgspec.structs.replace(settings, secret_key=secret))
    with pytest.raises(StorageUnavailable, match="credentials") as caught:
        await call(storage)
    text = "".join(traceback.format_exception(caught.value)) + repr(storage) + repr(vars(storage))
    assert secret not in text
    await storage.close()


@pytest.mark.parametrize("call", EVERY_CALL)
async def test_a_service_that_is_down_is_unavailable(
    settings: Settings, call: Callable[[S3Storage], Coroutine[Any, Any, object]]
) -> None:
    (port,) = free_ports(1)
    down = msgspec.structs.replace(settings, endpoint=f"http://127.0.0.1:{port}", timeout=2)
    storage = S3Storage(down)
    begun = time.monotonic()
    with pytest.raises(StorageUnavailable):
        await call(storage)
    assert time.monotonic() - begun < 15
    await storage.close()


async def test_a_silent_service_is_unavailable_in_time(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silence = f"http://127.0.0.1:{silent.getsockname()[1]}"
        storage = S3Storage(msgspec.structs.replace(settings, endpoint=silence, timeout=0.5))
        for call in (EVERY_CALL[0], EVERY_CALL[2]):
            begun = time.monotonic()
            with pytest.raises(StorageUnavailable):
                await call(storage)
            assert time.monotonic() - begun < 12
        await storage.close()


async def test_a_bucket_that_is_not_there_is_named(settings: Settings) -> None:
    storage = S3Storage(msgspec.structs.replace(settings, bucket="no-such-bucket"))
    with pytest.raises(StorageUnavailable, match="bucket"):
        await joined(storage.read("a/b"))
    await storage.close()


async def test_a_read_goes_on_after_the_line_broke(line: tuple[Any, S3Storage]) -> None:
    wire, storage = line
    data = content(6 * MIB)
    await storage.put("long", stream(data))
    passed = 0

    def cut_after_two_mebibytes(request: bytes, answer: bytes) -> bool:
        nonlocal passed
        if not request.startswith(b"GET ") or wire.cuts >= 2:
            return False
        passed += len(answer)
        if passed > 2 * MIB:
            passed = 0
            return True
        return False

    wire.answered = cut_after_two_mebibytes
    assert await joined(storage.read("long", 3)) == data[3:]
    assert wire.cuts == 2


async def test_a_lost_answer_to_the_completion_is_no_failure(line: tuple[Any, S3Storage]) -> None:
    wire, storage = line
    data = content(9 * MIB)
    wire.answered = lambda request, _: wire.cuts == 0 and b"POST" in request[:4] and b"?uploadId=" in request
    assert (await storage.put("lost-answer", stream(data))).size == len(data)
    assert wire.cuts == 1
    assert await joined(storage.read("lost-answer")) == data


async def test_a_part_is_sent_again_when_the_line_broke(line: tuple[Any, S3Storage]) -> None:
    wire, storage = line
    data = content(9 * MIB)
    wire.answered = lambda request, _: wire.cuts < 2 and b"PUT" in request[:3] and b"partNumber=1" in request
    await storage.put("cut", stream(data))
    assert wire.cuts == 2
    assert await joined(storage.read("cut")) == data


@pytest.mark.parametrize(("status", "expected"), [(503, StorageUnavailable), (429, StorageUnavailable), (507, StorageFull)])
async def test_what_the_service_answers_is_told_apart(
    settings: Settings, nginx: Callable[..., NginxServer], status: int, expected: type[StorageError]
) -> None:
    busy = nginx(f"location / {{ return {status}; }}")
    storage = S3Storage(msgspec.structs.replace(settings, endpoint=busy.url, timeout=2))
    for call in (EVERY_CALL[0], EVERY_CALL[8], EVERY_CALL[2]):
        with pytest.raises(expected, match=str(status)):
            await call(storage)
    await storage.close()


async def test_a_key_that_another_process_completes_is_taken(storage: S3Storage) -> None:
    upload = await storage.begin("guarded")
    part = await storage.put_part("guarded", upload, 1, stream(b"x"))
    await storage._objects.put("~guard/guarded", b"")
    with pytest.raises(KeyTaken):
        await storage.complete("guarded", upload, [part])
    with pytest.raises(NotStored):
        await storage.stat("guarded")
    assert [stored async for stored in storage.list()] == []
    await storage._objects.delete("~guard/guarded")
    await storage.complete("guarded", upload, [part])
    assert await joined(storage.read("guarded")) == b"x"


@pytest.mark.parametrize("guards", ["complete", "put", "none"])
async def test_a_key_is_not_written_twice_whatever_the_service_knows(settings: Settings, guards: Any) -> None:
    storage = S3Storage(msgspec.structs.replace(settings, conditional_writes=guards))
    for size in (10, 9 * MIB):
        key = f"once/{size}"
        await storage.put(key, stream(content(size)))
        with pytest.raises(KeyTaken):
            await storage.put(key, stream(content(size, 2)))
        upload = await multipart.create_upload(storage._client, key)
        part = await multipart.put_part(storage._client, key, upload, 1, [b"other"])
        with pytest.raises(KeyTaken):
            await storage._complete(key, upload, [part])
        assert await joined(storage.read(key)) == content(size)
    await storage.close()
