"""What a process knows of the videos that are watched now: who may see them, their packagers, sizes of their files."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import msgspec

from reelkit.catalog.playback import Playback, playback
from reelkit.catalog.renditions import Rendition
from reelkit.delivery.bodies import FileBody, ObjectBody
from reelkit.delivery.caching import Cache
from reelkit.interfaces.storage import LocalPaths, NotStored, Storage
from reelkit.media.mp4.index import MediaIndex
from reelkit.media.mp4.packager import Packager

__all__ = ["Library", "Packaged"]

VIEW_SECONDS = 1.5
"""How long a video may have been deleted, made private or got a new rendition before every process notices."""
WAITING_SECONDS = 0.1
"""The same for a video that is not playable or grows: everybody waits for its next piece."""
VIEWS = 4096
PACKAGER_BYTES = 96 << 20
"""Saved indexes whose packagers are kept; a packager takes about as much memory again."""
SIZES = 16384


class Packaged(msgspec.Struct, frozen=True, eq=False):
    """A rendition that segments can be cut from. bytes: of its saved index; stored: the file that it cuts.

    stored is None for a sound that is still made, whose segments are stored one by one.
    """

    packager: Packager
    bytes: int
    stored: FileBody | ObjectBody | None


class PackagedKey(msgspec.Struct, frozen=True):
    """What makes a packager; the keys of storage never change their bytes. clock: see Library.packaged."""

    index_key: str
    storage_key: str | None
    clock: PackagedKey | None = None


class Library:
    """Bounded memories in front of catalog and storage, one a process."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self._paths = storage if isinstance(storage, LocalPaths) else None
        self._views: Cache[str, Playback | None] = Cache(playback, capacity=VIEWS, ttl=_fresh)
        self._packaged: Cache[PackagedKey, Packaged] = Cache(
            self._load, capacity=PACKAGER_BYTES, cost=lambda packaged: packaged.bytes
        )
        self._sizes: Cache[str, int] = Cache(self._size, capacity=SIZES)

    def view(self, video_id: str) -> Awaitable[Playback | None]:
        """Return a video as viewers see it, at most 1.5 s old; None when there is none. Who may see it is not asked here."""
        return self._views.get(video_id)

    def forget(self, video_id: str) -> None:
        """Have a video looked up anew, because this process changed it."""
        self._views.forget(video_id)

    async def packaged(self, rendition: Rendition, clock: Rendition | None = None) -> Packaged:
        """Return the packager of a rendition. clock: for a file with sound only, the picture that it belongs to.

        Raises NotStored.
        """
        key = _key(rendition)
        return await self._packaged.get(key if clock is None else msgspec.structs.replace(key, clock=_key(clock)))

    async def stored(self, key: str, size: int | None = None) -> FileBody | ObjectBody:
        """Return an object as a body. size: bytes if known. Raises NotStored."""
        if size is None:
            size = await self._sizes.get(key)
        if self._paths is not None:
            return FileBody(self._paths.local_path(key), size)
        return ObjectBody(self.storage, key, size)

    async def _size(self, key: str) -> int:
        return (await self.storage.stat(key)).size

    async def _load(self, key: PackagedKey) -> Packaged:
        index = b"".join([chunk async for chunk in self.storage.read(key.index_key)])
        clock = None if key.clock is None else (await self._packaged.get(key.clock)).packager

        def build() -> Packager:
            media = MediaIndex.from_bytes(index)
            if clock is None:
                return Packager(media)
            return Packager(media, origin=clock.origin, cuts=clock.cut_times)

        packager = await asyncio.to_thread(build)
        stored = None if key.storage_key is None else await self.stored(key.storage_key, packager.index.size)
        return Packaged(packager, len(index), stored)


def _fresh(view: Playback | None) -> float:
    """Return for how many seconds a view may be repeated."""
    growing = view is not None and (not view.playable or view.sounds or any(not one.complete for one in view.drafts))
    return WAITING_SECONDS if growing else VIEW_SECONDS


def _key(rendition: Rendition) -> PackagedKey:
    if rendition.index_key is None:
        raise NotStored(rendition.id, "this rendition has no file of its own")
    return PackagedKey(rendition.index_key, rendition.storage_key)
