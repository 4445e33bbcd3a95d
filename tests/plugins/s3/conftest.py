"""A bucket's settings, and a storage in it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import msgspec
import pytest
from reelkit.testing.servers import S3Bucket
from reelkit_s3.settings import Settings
from reelkit_s3.storage import S3Storage


@pytest.fixture
def settings(s3_bucket: S3Bucket) -> Settings:
    """The section [plugins.s3] for an empty bucket."""
    return Settings(
        bucket=s3_bucket.bucket,
        endpoint=s3_bucket.endpoint,
        access_key=s3_bucket.access_key,
        secret_key=s3_bucket.secret_key,
        allow_http=True,
        prefix="site/media",
    )


@pytest.fixture
async def storage(settings: Settings) -> AsyncIterator[S3Storage]:
    """A storage in the bucket."""
    storage = S3Storage(settings)
    yield storage
    await storage.close()


class Line:
    """A TCP line to the service that can be cut. answered: called with what the service sends; True cuts the line."""

    def __init__(self) -> None:
        self.answered: Callable[[bytes, bytes], bool] = lambda _request, _answer: False
        self.cuts = 0

    async def carry(self, target: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Connect one client to the service."""
        host, port = target.removeprefix("http://").split(":")
        there_reader, there_writer = await asyncio.open_connection(host, int(port))
        asked = b""

        async def forth() -> None:
            nonlocal asked
            while data := await reader.read(65536):
                asked = data if data[:4] in (b"GET ", b"PUT ", b"POST", b"HEAD", b"DELE") else asked
                there_writer.write(data)
                await there_writer.drain()

        async def back() -> None:
            while data := await there_reader.read(65536):
                if self.answered(asked, data):
                    self.cuts += 1
                    return
                writer.write(data)
                await writer.drain()

        tasks = [asyncio.create_task(forth()), asyncio.create_task(back())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            there_writer.close()
            writer.transport.abort()


@pytest.fixture
async def line(settings: Settings) -> AsyncIterator[tuple[Line, S3Storage]]:
    """A storage that reaches the real service over a line that can be cut."""
    line = Line()
    clients: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        clients.add(asyncio.create_task(line.carry(settings.endpoint, reader, writer)))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    storage = S3Storage(msgspec.structs.replace(settings, endpoint=f"http://127.0.0.1:{port}", timeout=5))
    yield line, storage
    await storage.close()
    server.close()
    for client in clients:
        client.cancel()
    await asyncio.gather(*clients, return_exceptions=True)
