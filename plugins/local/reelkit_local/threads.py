"""Runs blocking calls in threads, to their end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from typing import ParamSpec, TypeVar

__all__ = ["finish", "held", "in_thread"]

P = ParamSpec("P")
T = TypeVar("T")


async def finish(future: asyncio.Future[T]) -> None:
    """Wait for a thread's work even when cancelled meanwhile, so that its file can be closed; does not raise."""
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError:
            # The caller is on its way out already and raises what it came with.
            continue
    if not future.cancelled():
        future.exception()  # Asking marks it as seen; asyncio would log it otherwise.


async def in_thread(threads: Executor, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a call in a thread and return what it returns; a cancelled caller waits for its end before it leaves."""
    working = asyncio.get_running_loop().run_in_executor(threads, lambda: call(*args, **kwargs))
    try:
        return await asyncio.shield(working)
    finally:
        await finish(working)


@asynccontextmanager
async def held(threads: Executor, acquire: Callable[[], T], release: Callable[[T], None]) -> AsyncIterator[T]:
    """Hold what acquire() makes for the length of the block; released even when cancelled while it is being made."""
    acquiring = asyncio.get_running_loop().run_in_executor(threads, acquire)
    try:
        yield await asyncio.shield(acquiring)
    finally:
        await finish(acquiring)
        if not acquiring.cancelled() and acquiring.exception() is None:
            await in_thread(threads, release, acquiring.result())
