"""How far a job is, written to the database often enough for people and seldom enough for the disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

__all__ = ["Progress"]

PAUSE = 0.5
"""Seconds between two writes."""


class Progress:
    """Takes any number of reports and writes the last one. write: blocks, gets 0..1."""

    def __init__(self, write: Callable[[float], None]) -> None:
        self._write = write
        self._value = 0.0
        self._loop = asyncio.get_running_loop()
        self._writer: asyncio.Task[None] | None = None
        self._stopped = False

    def report(self, value: float) -> None:
        """Note a new value, from any thread; values outside 0..1 are cut."""
        self._value = min(1.0, max(0.0, value))
        try:
            here = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        if here is self._loop:
            self._begin()
        else:
            self._loop.call_soon_threadsafe(self._begin)

    async def stop(self) -> None:
        """Write no more."""
        self._stopped = True
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)

    def _begin(self) -> None:
        if self._writer is None and not self._stopped:
            self._writer = asyncio.create_task(self._write_changes())

    async def _write_changes(self) -> None:
        written = -1.0
        try:
            while written != self._value:
                written = self._value
                # For people to look at: the job goes on without it.
                with suppress(Exception):
                    await asyncio.to_thread(self._write, written)
                await asyncio.sleep(PAUSE)
        finally:
            self._writer = None
