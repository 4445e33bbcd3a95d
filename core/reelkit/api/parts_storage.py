"""Parts in a storage that has no multipart uploads of its own: each is an object until they are joined."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Sequence

from reelkit.catalog.ids import new_id
from reelkit.interfaces.storage import KeyTaken, Multipart, NotStored, Part, Storage, Stored

__all__ = ["multipart_of"]


def multipart_of(storage: Storage) -> Multipart:
    """Return the multipart uploads of a storage, or a stand-in that needs nothing but `put` and `read`."""
    return storage if isinstance(storage, Multipart) else PartsAsObjects(storage)


class PartsAsObjects:
    """Keeps the parts of `a/b/file` as `a/b/UPLOAD/NUMBER.TOKEN`; joining reads and writes every byte once more."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def begin(self, key: str) -> str:
        """Open an upload. Raises KeyTaken."""
        try:
            await self._storage.stat(key)
        except NotStored:
            return new_id("parts-")
        raise KeyTaken(key)

    async def put_part(
        self,
        key: str,
        upload: str,
        number: int,
        body: AsyncIterable[bytes],
        *,
        size: int | None = None,
        offset: int | None = None,  # noqa: ARG002 - an object has no place in another one
    ) -> Part:
        """Store one part as an object."""
        token = new_id("")
        stored = await self._storage.put(self._key(key, upload, f"{number}.{token}"), body, size)
        return Part(number, stored.size, token)

    async def complete(self, key: str, upload: str, parts: Sequence[Part]) -> Stored:
        """Write the object from its parts, then remove these."""

        async def chunks() -> AsyncIterator[bytes]:
            for part in parts:
                async for chunk in self._storage.read(self._key(key, upload, f"{part.number}.{part.tag}")):
                    yield chunk

        stored = await self._storage.put(key, chunks(), sum(part.size for part in parts))
        await self.abort(key, upload)
        return stored

    async def abort(self, key: str, upload: str) -> None:
        """Remove the parts."""
        for stored in [found async for found in self._storage.list(self._key(key, upload, ""))]:
            await self._storage.delete(stored.key)

    @staticmethod
    def _key(key: str, upload: str, name: str) -> str:
        return f"{key.rpartition('/')[0]}/{upload}/{name}"
