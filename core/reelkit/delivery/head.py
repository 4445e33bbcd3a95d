"""HEAD for every page that can be got, as GET without the body (RFC 9110, 9.3.2), and what OPTIONS tells of a page."""

from __future__ import annotations

from reelkit.delivery.asgi import App, Message, Receive, Scope, Send

__all__ = ["HeadAsGet"]


class HeadAsGet:
    """Stands before an application that routes by method: HEAD that it refuses with 405 is asked of it once more as GET.

    Where several handlers have one path, Litestar's answer to OPTIONS names the methods of one of them; that is mended.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in ("HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
            return
        if scope["method"] == "OPTIONS":
            await self._app(scope, receive, self._naming_all(scope, receive, send))
            return
        # What the first round leaves in the scope would mislead the second.
        as_get = {**scope, "method": "GET"}
        refused = False

        async def unless_refused(message: Message) -> None:
            nonlocal refused
            if message["type"] == "http.response.start" and message["status"] == 405:
                refused = True
            if not refused:
                await send(message)

        await self._app(scope, receive, unless_refused)
        if refused:
            await self._app(as_get, receive, _Bodiless(send))
            # The route, for whoever counts and logs requests.
            scope.update({**as_get, "method": "HEAD"})

    def _naming_all(self, scope: Scope, receive: Receive, send: Send) -> Send:
        """Return a send that names the methods as a refusal does, if any are named."""
        # What the first round leaves in the scope would mislead the second.
        none = {**scope, "method": "NONE", "state": {**scope.get("state", {})}}
        allowed: list[tuple[bytes, bytes]] = []

        async def refused(message: Message) -> None:
            if message["type"] == "http.response.start":
                allowed.extend(header for header in message["headers"] if header[0] == b"allow")

        async def complete(message: Message) -> None:
            if message["type"] == "http.response.start" and any(name == b"allow" for name, _ in message["headers"]):
                await self._app(none, receive, refused)
                others = [header for header in message["headers"] if header[0] != b"allow"]
                message["headers"] = [*others, *allowed]
            await send(message)

        return complete


class _Bodiless:
    """A send that keeps bodies back; Content-Length stays, it tells what GET would bring."""

    def __init__(self, send: Send) -> None:
        self._send = send

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._send(message)
        elif not message.get("more_body", False):
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
