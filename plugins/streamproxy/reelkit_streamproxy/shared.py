"""Bodies that several viewers ask for at the same time: fetched once, read by each at their own pace."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from reelkit import OutboundFailed

from reelkit_streamproxy.upstream import Body

__all__ = ["Memory", "Reader", "Shared"]

WINDOW = 8 << 20
"""Bytes that are kept of a body whose length is not known."""


class Memory:
    """How many bytes all bodies together may keep."""

    def __init__(self, room: int) -> None:
        self.room = room

    def take(self, size: int) -> bool:
        """Reserve bytes, if there are so many."""
        if size > self.room:
            return False
        self.room -= size
        return True


class Shared:
    """One body on its way. Whoever needs its next piece first has it fetched, so that its fastest reader sets the pace.

    It is kept from its first byte on while it may be joined, so `size` bytes of memory are reserved before. One whose
    length is not known keeps a window; who falls out of it has to ask again. Gone with its last reader.
    ended: called once it can be joined no more, with the pieces if it came to its end and all are there.
    """

    def __init__(
        self, body: Body, memory: Memory, size: int, ended: Callable[[Sequence[bytes | bytearray] | None], None]
    ) -> None:
        self.body = body
        self.joinable = True
        self._memory = memory
        self._size = size
        self._ended = ended
        self._pieces: list[bytes | bytearray] = []
        self._dropped = 0
        self._kept = 0
        self._complete = False
        self._error: OutboundFailed | None = None
        self._pulling = asyncio.Lock()
        self._readers = 0

    @staticmethod
    def needs(body: Body, largest: int) -> int | None:
        """Return how much memory a body takes to share; None when it is too large."""
        if body.length is None:
            return min(WINDOW, largest)
        return body.length if body.length <= largest else None

    def join(self) -> Reader:
        """Return one more reader, from the first byte on."""
        self._readers += 1
        return Reader(self)

    def leave(self) -> None:
        """One reader less."""
        self._readers -= 1
        if self._readers == 0:
            self._close_to_others()
            self.body.close()
            self._memory.room += self._size
            self._size = 0
            self._pieces = []

    async def piece(self, number: int) -> bytes | bytearray:
        """Return a piece, nothing behind the last one. Raises OutboundFailed."""
        while number >= self._dropped + len(self._pieces):
            if self._error is not None:
                raise self._error
            if self._complete:
                return b""
            async with self._pulling:
                if number >= self._dropped + len(self._pieces) and self._error is None and not self._complete:
                    await self._pull()
        if number < self._dropped:
            raise OutboundFailed("This reader has fallen too far behind the others.")
        return self._pieces[number - self._dropped]

    async def _pull(self) -> None:
        try:
            piece = await self.body.read()
        except OutboundFailed as error:
            self._error = error
            self._close_to_others()
            return
        if piece:
            self._pieces.append(piece)
            self._kept += len(piece)
            while self._kept > max(self._size, len(piece)):
                self._close_to_others()
                self._kept -= len(self._pieces.pop(0))
                self._dropped += 1
        if not self.body.ended:
            return
        self._complete = True
        self._close_to_others(None if self._dropped else tuple(self._pieces))

    def _close_to_others(self, pieces: Sequence[bytes | bytearray] | None = None) -> None:
        if self.joinable:
            self.joinable = False
            self._ended(pieces)


class Reader:
    """One reader of a shared body."""

    def __init__(self, shared: Shared) -> None:
        self._shared: Shared | None = shared
        self._next = 0

    async def read(self) -> bytes | bytearray:
        """Return the next bytes, nothing at the end. Raises OutboundFailed."""
        if self._shared is None:
            return b""
        piece = await self._shared.piece(self._next)
        self._next += 1
        return piece

    def close(self) -> None:
        """Leave."""
        shared, self._shared = self._shared, None
        if shared is not None:
            shared.leave()
