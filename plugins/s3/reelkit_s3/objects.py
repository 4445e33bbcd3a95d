"""The bucket through obstore: whole small objects, reads, sizes, lists, deletes; its errors as the storage's."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import S3Store
from reelkit.interfaces.storage import KEY, KeyTaken, NotStored, StorageUnavailable, Stored

from reelkit_s3.client import storage_error
from reelkit_s3.credentials import CredentialSource
from reelkit_s3.settings import Settings

__all__ = ["Objects"]

CHUNK = 1024**2
"""Bytes of one chunk at most."""

RESUMED = 3
"""Times that a read goes on after the connection broke without having given a byte."""


@contextmanager
def obstore_errors(key: str) -> Iterator[None]:
    """Turn obstore's errors into the storage's. Their texts quote requests and answers, so only S3's word is kept."""
    try:
        yield
    except FileNotFoundError as error:
        if "NoSuchBucket" in str(error):
            raise storage_error(key, 404, "NoSuchBucket") from None
        raise NotStored(key) from None
    except (AlreadyExistsError, PreconditionError):
        raise KeyTaken(key) from None
    except (PermissionDeniedError, UnauthenticatedError) as error:
        raise storage_error(key, 403, code_in(error)) from None
    except BaseError as error:
        status = re.search(r"status code: (\d{3})\b", str(error))
        if status is None:
            raise StorageUnavailable(key, "the service did not answer") from None
        raise storage_error(key, int(status.group(1)), code_in(error)) from None


def code_in(error: BaseError) -> str:
    """Return S3's word for an error, if its text has one."""
    found = re.search(r"<Code>([A-Za-z0-9]{1,60})</Code>", str(error))
    return found.group(1) if found else ""


class Objects:
    """The objects of one bucket, below the prefix of the settings."""

    def __init__(self, settings: Settings, credentials: CredentialSource) -> None:
        # base_url tells the whole address in both styles; so the store must add nothing to it.
        self._store = S3Store(
            settings.bucket,
            prefix=settings.prefix or None,
            config={
                "endpoint": settings.base_url() if not settings.path_style else settings.base_url().rpartition("/")[0],
                "region": settings.region,
                "virtual_hosted_style_request": not settings.path_style,
                "disable_bulk_delete": True,
                "disable_tagging": True,
            },
            client_options={
                "allow_http": settings.allow_http,
                "connect_timeout": timedelta(seconds=5),
                "read_timeout": timedelta(seconds=settings.timeout),
                # Of a whole answer: a viewer may take hours for one.
                "timeout": timedelta(days=2),
            },
            retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=settings.timeout)},
            credential_provider=credentials.obstore,
        )
        self._mode: obstore.PutMode = "overwrite" if settings.guards == "none" else "create"

    async def put(self, key: str, body: bytes) -> None:
        """Store a small object in one request. Raises KeyTaken, StorageError."""
        with obstore_errors(key):
            try:
                await obstore.put_async(self._store, key, body, mode=self._mode, use_multipart=False)
            except FileNotFoundError:
                raise storage_error(key, 404, "NoSuchBucket") from None

    async def size(self, key: str) -> int:
        """Return the bytes of an object. Raises NotStored."""
        with obstore_errors(key):
            return (await obstore.head_async(self._store, key))["size"]

    async def exists(self, key: str) -> bool:
        """Tell whether an object is there."""
        return await self.age(key) is not None

    async def age(self, key: str) -> timedelta | None:
        """Return for how long an object has been there, None when it is not."""
        try:
            with obstore_errors(key):
                found = await obstore.head_async(self._store, key)
        except NotStored:
            return None
        return datetime.now(UTC) - found["last_modified"]

    async def read(self, key: str, start: int, stop: int | None) -> AsyncIterator[bytes]:
        """Yield start <= i < stop in chunks of at most CHUNK bytes; a connection that breaks is made anew."""
        if stop is not None and stop <= start:
            await self.size(key)
            return
        position, broken = start, 0
        while stop is None or position < stop:
            try:
                async for chunk in self._stream(key, position, stop):
                    for cut in range(0, len(chunk), CHUNK):
                        yield chunk[cut : cut + CHUNK]
                    position += len(chunk)
                    broken = 0
                return
            except StorageUnavailable:
                broken += 1
                if broken > RESUMED:
                    raise

    async def _stream(self, key: str, start: int, stop: int | None) -> AsyncIterator[bytes]:
        """Yield a range as one answer brings it. Raises NotStored."""
        with obstore_errors(key):
            try:
                if stop is not None:
                    answer = await obstore.get_async(self._store, key, options={"range": (start, stop)})
                elif start:
                    answer = await obstore.get_async(self._store, key, options={"range": {"offset": start}})
                else:
                    answer = await obstore.get_async(self._store, key)
            except BaseError:
                # A range beyond the end is an error of S3's, and an end of the object for us.
                if start and start >= await self.size(key):
                    return
                raise
            async for chunk in answer.stream(min_chunk_size=CHUNK // 4):
                yield bytes(chunk)

    async def list(self, prefix: str) -> AsyncIterator[Stored]:
        """Yield the objects whose key starts with prefix."""
        # obstore lists below whole names only, so ask for the folder and choose.
        folder = prefix.rpartition("/")[0]
        if folder and not KEY.match(folder):
            return
        with obstore_errors(prefix or "list"):
            async for page in obstore.list(self._store, prefix=folder or None, chunk_size=1000):
                for found in page:
                    if found["path"].startswith(prefix) and KEY.match(found["path"]):
                        yield Stored(found["path"], found["size"])

    async def delete(self, key: str) -> None:
        """Remove an object; a missing one is no error."""
        with obstore_errors(key):
            try:
                await obstore.delete_async(self._store, key)
            except FileNotFoundError as error:
                if "NoSuchBucket" in str(error):
                    raise
