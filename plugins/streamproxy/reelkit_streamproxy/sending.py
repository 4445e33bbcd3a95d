"""Sending an answer piece by piece over ASGI, until it ends, fails or nobody listens any more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

from reelkit import OutboundFailed

__all__ = ["CutOff", "Receive", "Scope", "Send", "Source", "send_bytes", "stream"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]


class CutOff(Exception):
    """The origin failed in the middle of a body; the viewer's connection can only be broken off."""


class Source(Protocol):
    """What a body is read from."""

    async def read(self) -> bytes | bytearray:
        """Return the next bytes, nothing at the end. Raises OutboundFailed."""
        ...


async def send_bytes(scope: Scope, send: Send, status: int, headers: Headers, body: bytes = b"") -> None:
    """Send an answer that is there as a whole; of HEAD its head."""
    head = [*headers, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body, "more_body": False})


async def stream(
    receive: Receive, send: Send, status: int, headers: Headers, first: bytes | bytearray, rest: Source, length: int | None
) -> None:
    """Send a body as it comes, no faster than the viewer takes it. first: read already; length: of all of it, if known.

    Returns early when the viewer goes. Raises CutOff.
    """
    await send({"type": "http.response.start", "status": status, "headers": headers})
    left = -1 if length is None else length - len(first)
    if left == 0 or not first:
        await send({"type": "http.response.body", "body": first, "more_body": False})
        return
    task = asyncio.current_task()
    assert task is not None
    # The server swallows what is sent to a viewer who has gone, so somebody has to listen for it, also while an origin
    # is silent.
    gone = asyncio.ensure_future(_disconnected(receive))
    sending = True

    def stop(gone: asyncio.Future[None]) -> None:
        # Many go the moment they have all of it: what the task does next is not to be cancelled.
        if sending and not gone.cancelled():
            task.cancel()

    gone.add_done_callback(stop)
    try:
        piece = first
        while piece:
            await send({"type": "http.response.body", "body": piece, "more_body": left != 0})
            if left == 0:
                return
            piece = await rest.read()
            left -= len(piece) if left > 0 else 0
        await send({"type": "http.response.body", "body": b"", "more_body": False})
    except asyncio.CancelledError:
        if not gone.done() or gone.cancelled():
            raise
        task.uncancel()
    except OutboundFailed as error:
        raise CutOff(str(error)) from error
    finally:
        sending = False
        gone.cancel()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
