"""Joining requests for one thing: the first one asks the origin, those that come meanwhile read along."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from reelkit import OutboundFailed, OutboundRefused, Problem

from reelkit_streamproxy.freshness import may_be_shared
from reelkit_streamproxy.shared import Memory, Reader, Shared
from reelkit_streamproxy.upstream import Body

__all__ = ["Joining", "Keep"]

ROOM = 64 << 20
"""Bytes of memory for bodies that are fetched for several viewers at once; beyond it each fetches its own."""

Keep = Callable[[Body, Sequence[bytes | bytearray]], None]
"""Called with a body that has come to its end, and its pieces."""


class Joining:
    """The bodies that are on their way, by what was asked for. largest: bytes of one that is shared."""

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._memory = Memory(ROOM)
        self._shared: dict[str, Shared] = {}
        self._opening: dict[str, asyncio.Future[bool]] = {}

    async def get(self, key: str, ask: Callable[[], Awaitable[Body]], keep: Keep | None) -> tuple[Body, Body | Reader]:
        """Return an answer and what its body is read from, which has to be closed. key: equal for equal requests.

        ask: asks the origin; what it raises is raised to all who wait for it. A first one that goes away leaves the
        asking to the next. Raises what ask raises.
        """
        while True:
            shared = self._shared.get(key)
            if shared is not None and shared.joinable:
                return shared.body, shared.join()
            opening = self._opening.get(key)
            if opening is None:
                return await self._first(key, ask, keep)
            await asyncio.wait({opening})
            if not opening.cancelled() and not opening.result():
                body = await ask()
                return body, body

    async def _first(self, key: str, ask: Callable[[], Awaitable[Body]], keep: Keep | None) -> tuple[Body, Body | Reader]:
        opening = self._opening[key] = asyncio.get_running_loop().create_future()
        try:
            body = await ask()
            shared = self._share(key, body, keep)
            opening.set_result(shared is not None)
            return body, body if shared is None else shared.join()
        except (OutboundFailed, OutboundRefused, Problem) as error:
            opening.set_exception(error)
            opening.exception()  # it is raised here, too, and may have nobody else to hear it
            raise
        finally:
            opening.cancel()
            del self._opening[key]

    def _share(self, key: str, body: Body, keep: Keep | None) -> Shared | None:
        size = Shared.needs(body, self._largest) if body.status == 200 and may_be_shared(body.headers) else None
        if size is None or not self._memory.take(size):
            return None

        def ended(pieces: Sequence[bytes | bytearray] | None) -> None:
            if self._shared.get(key) is shared:
                del self._shared[key]
            if pieces is not None and keep is not None:
                keep(body, pieces)

        shared = Shared(body, self._memory, size, ended)
        self._shared[key] = shared
        return shared
