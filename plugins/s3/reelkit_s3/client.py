"""Signed requests to the bucket, for what obstore cannot: multipart uploads by hand, conditional completion."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from weakref import WeakKeyDictionary

import httpx
from reelkit.interfaces.storage import StorageError, StorageFull, StorageUnavailable

from reelkit_s3.credentials import CredentialSource
from reelkit_s3.settings import Settings
from reelkit_s3.signing import UNSIGNED, canonical_query, signed_headers

__all__ = ["Client", "Refused", "storage_error"]

TRIES = 4
FULL = {"QuotaExceeded", "EntityTooLarge", "InsufficientStorage", "XMinioStorageFull", "InsufficientCapacity"}


class Refused(Exception):
    """The service answered with an error. status: HTTP; code: S3's word for it, such as NoSuchUpload."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(f"{status} {code}")
        self.status = status
        self.code = code


def storage_error(key: str, status: int, code: str) -> StorageError:
    """Return the error that stands for an answer of the service which the caller did not expect."""
    words = f"the service answered {status} {code}".rstrip()
    if code in FULL or status == 507:
        return StorageFull(key, words)
    if status in (401, 403):
        return StorageUnavailable(key, f"{words}: are the credentials right, and may they do this?")
    if code == "NoSuchBucket":
        return StorageUnavailable(key, f"{words}: is [plugins.s3] bucket right?")
    if status >= 500 or status in (404, 408, 429) or code in ("RequestTimeout", "SlowDown"):
        return StorageUnavailable(key, words)
    return StorageError(key, words)


def sha256_of(blocks: Sequence[bytes]) -> str:
    """Return the digest of a body, in hex."""
    digest = hashlib.sha256()
    for block in blocks:
        digest.update(block)
    return digest.hexdigest()


async def each(blocks: Sequence[bytes]) -> AsyncIterator[bytes]:
    """Yield blocks one by one: sent as one piece they would be copied whole to the socket's buffer."""
    for block in blocks:
        yield block


class Client:
    """Sends requests to one bucket; may be used from several event loops."""

    def __init__(self, settings: Settings, credentials: CredentialSource) -> None:
        self._settings = settings
        self._credentials = credentials
        self._base = settings.base_url()
        # A connection belongs to the event loop that made it.
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, httpx.AsyncClient] = WeakKeyDictionary()

    async def send(
        self,
        method: str,
        key: str,
        query: Mapping[str, str],
        *,
        blocks: Sequence[bytes] = (),
        stream: AsyncIterable[bytes] | None = None,
        size: int = 0,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send a request and return the successful answer; what failed in passing is tried again.

        blocks: a body in memory; stream: a body of `size` bytes, sent as it comes and therefore once. Raises Refused,
        StorageUnavailable.
        """
        if stream is not None:
            given = {**(headers or {}), "content-length": str(size)}
            return await self._send_once(method, key, query, stream, given, UNSIGNED)
        given = {**(headers or {}), "content-length": str(sum(len(block) for block in blocks))}
        # A hash of 8 MiB takes 5 to 20 ms: not in the event loop.
        digest = await asyncio.to_thread(sha256_of, blocks) if len(blocks) > 1 else sha256_of(blocks)
        for attempt in range(1, TRIES + 1):
            try:
                return await self._send_once(method, key, query, each(blocks), given, digest)
            except Refused as refused:
                if attempt == TRIES or not (refused.status >= 500 or refused.status in (408, 429)):
                    raise
            except StorageUnavailable:
                if attempt == TRIES:
                    raise
            await asyncio.sleep(0.1 * 2**attempt)
        raise AssertionError("unreachable")

    async def _send_once(
        self,
        method: str,
        key: str,
        query: Mapping[str, str],
        body: AsyncIterable[bytes],
        headers: Mapping[str, str],
        payload_hash: str,
    ) -> httpx.Response:
        url = self.url(key)
        signed = signed_headers(
            method, url, query, headers, payload_hash, await self._credentials.get(), self._settings.region
        )
        address = f"{url}?{canonical_query(query)}" if query else url
        try:
            answer = await self._client().request(method, address, content=body, headers=signed)
        except httpx.HTTPError as error:
            reason = f"{self._base} did not answer ({type(error).__name__})"
            raise StorageUnavailable(key, reason) from error
        code = re.search(rb"<Code>([A-Za-z0-9]{1,60})</Code>", answer.content[:4096])
        word = code.group(1).decode() if code else ""
        if not answer.is_success:
            raise Refused(answer.status_code, word)
        # Completing may take long, so S3 says 200 first and the error, if there is one, in the body.
        if re.search(rb"<Error[ >]", answer.content[:4096]):
            raise Refused(500 if word in ("InternalError", "SlowDown") else 400, word)
        return answer

    def url(self, key: str, *, public: bool = False) -> str:
        """Return the address of an object, or of the bucket for the empty key."""
        base = self._settings.base_url(public=True) if public else self._base
        return f"{base}/{self.full_key(key)}" if key else base if self._settings.path_style else f"{base}/"

    def full_key(self, key: str) -> str:
        """Return a key as the bucket has it."""
        return f"{self._settings.prefix}/{key}" if self._settings.prefix else key

    def _client(self) -> httpx.AsyncClient:
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            client = self._clients[loop] = httpx.AsyncClient(timeout=httpx.Timeout(self._settings.timeout, connect=5))
        return client

    async def close(self) -> None:
        """Close the connections of this event loop."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()
