"""What the requests of one process share: connections, bodies on their way, the cache, how origins fare."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

from reelkit import Site

from reelkit_streamproxy.cache import Cache
from reelkit_streamproxy.connections import Connections
from reelkit_streamproxy.joining import Joining
from reelkit_streamproxy.links import Links
from reelkit_streamproxy.origin_health import OriginHealth
from reelkit_streamproxy.origins import Origins
from reelkit_streamproxy.passing import TypeList
from reelkit_streamproxy.settings import Settings
from reelkit_streamproxy.upstream import Limits, Upstream

__all__ = ["Proxy"]

WAITING = 8
"""Bodies at once on their way to the cache, which hold memory meanwhile."""


class Proxy:
    """Opened by the first request."""

    def __init__(self, site: Site, settings: Settings, keys: Sequence[bytes]) -> None:
        self.settings = settings
        self.links = Links(keys, settings.link_seconds)
        self.origins = Origins(settings)
        self.types = TypeList(settings.content_types)
        self.health = OriginHealth(settings.origins)
        connections = Connections(
            site.network.allow_private,
            settings.connect_seconds,
            settings.first_byte_seconds,
            most=settings.origin_connections,
        )
        limits = Limits(
            idle=settings.idle_seconds,
            total=settings.total_seconds,
            redirects=settings.redirects,
            size=settings.response_bytes,
        )
        self.upstream = Upstream(connections, limits)
        self.cache = Cache(site.data / "streamproxy", settings.cache_bytes) if settings.cache_bytes else None
        self.joining = Joining(settings.cache_entry_bytes)
        self._background: set[asyncio.Future[object]] = set()

    def in_the_background(self, work: Coroutine[Any, Any, object]) -> None:
        """Have something done that nobody waits for; or not, when too much is waiting to be done."""
        if len(self._background) >= WAITING:
            work.close()
            return
        task = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
