"""Where the proxy answers: /api, the folders and refusals that its playlists lead to, and /api/health."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qsl

from litestar import Request, asgi, get
from litestar.params import FromPath
from reelkit import Gate, Problem, Site, Visitor, signing_keys

from reelkit_streamproxy.refusals import AddressRefused, refusal_of
from reelkit_streamproxy.sending import Receive, Scope, Send, send_bytes
from reelkit_streamproxy.settings import Settings

if TYPE_CHECKING:
    from litestar.types import ControllerRouterHandler

    from reelkit_streamproxy.proxy import Proxy

__all__ = ["handlers"]

NEEDS = "api:read"
METHODS = ("GET", "HEAD")
_INNER_QUERY = re.compile(rb"(?:%3[Ff]|\?)[^&]*")


class NotForStreaming(Problem):
    """The credential is good, and its tier may not stream."""

    slug, status, title = "authorization-access-denied", 403, "Access denied"


class MethodRefused(Problem):
    """The proxy only reads."""

    slug, status, title = "method-not-allowed", 405, "Method is not allowed for this route."
    headers = {"allow": "GET, HEAD, OPTIONS"}


class Nothing(Problem):
    """Nothing lives at this path."""

    slug, status, title = "unrecognized-request-url", 404, "Unrecognized request URL."


def handlers(site: Site, settings: Settings) -> list[ControllerRouterHandler]:
    """Return the handlers of a site."""
    opened: list[Proxy] = []
    opening = asyncio.Lock()

    async def proxy_of_site() -> Proxy:
        """Return what the requests share; the first one has it made, since most sites proxy nothing."""
        if not opened:
            async with opening:
                if not opened:
                    # Imports for a third of a second, in which others are to be answered.
                    opened.append(await asyncio.to_thread(_opened, site, settings))
        return opened[0]

    @asgi("/api", copy_scope=False)
    async def proxy(scope: Scope, receive: Receive, send: Send) -> None:
        """Fetch what `url` names, for a credential; or what a signed link names."""
        if await _is_answered(scope, send):
            return
        query = scope["query_string"].decode("latin-1")
        # What the log is to see: addresses of origins often carry tokens.
        scope["query_string"] = _INNER_QUERY.sub(b"", scope["query_string"])
        if "signature" in {part.partition("=")[0] for part in query.split("&")}:
            await _follow(await proxy_of_site(), scope, receive, send, f"/api?{query}")
            return
        gate = Gate.of(scope)
        visitor = await gate.admit(scope, NEEDS)
        _check(visitor)
        found = await proxy_of_site()
        from reelkit_streamproxy.addresses import parse_address
        from reelkit_streamproxy.answering import Answering
        from reelkit_streamproxy.links import Link

        urls = [value for name, value in parse_qsl(query, keep_blank_values=True) if name == "url"]
        if len(urls) > 1:
            raise AddressRefused(name="url", detail="There is more than one URL.")
        link = Link(parse_address(urls[0] if urls else None), depth=0, expires=0, ticket=visitor.ticket)
        by: Literal["key", "session"] = "session" if visitor.session else "key"
        await Answering(found, scope, link, visitor, by).answer(receive, send)

    @asgi("/api/folder", is_mount=True, copy_scope=False)
    async def folder(scope: Scope, receive: Receive, send: Send) -> None:
        """Fetch what is below a folder that a playlist leads to."""
        path, query = scope["raw_path"].partition(b"?")[0], scope["query_string"]
        # What the log is to see: the token opens the folder to whoever reads it, and the query may hold an origin's.
        scope["query_string"] = b""
        scope["path"] = "/api/folder/***/" + "/".join(path.decode("latin-1").split("/")[4:])
        if not await _is_answered(scope, send):
            target = path + (b"?" + query if query else b"")
            await _follow(await proxy_of_site(), scope, receive, send, target.decode("latin-1"))

    @get("/api/refused/{reason:str}", include_in_schema=False)
    async def refused(reason: FromPath[str]) -> None:
        """Say why a playlist leads here."""
        raise refusal_of(reason) or Nothing()

    @get("/api/health", opt={"needs": NEEDS}, operation_id="GET_api-health")
    async def health(request: Request[Any, Any, Any]) -> dict[str, Any]:
        """Tell how the origins fare, as the worker that answers has seen them."""
        await Gate.of(request.scope).admit(request.scope, NEEDS)
        return {"origins": (await proxy_of_site()).health.states()}

    return [proxy, folder, refused, health]


def _opened(site: Site, settings: Settings) -> Proxy:
    import reelkit_streamproxy.answering
    import reelkit_streamproxy.hls  # noqa: F401  what the first request is going to need
    from reelkit_streamproxy.proxy import Proxy

    return Proxy(site, settings, signing_keys(site, "streamproxy links"))


async def _follow(proxy: Proxy, scope: Scope, receive: Receive, send: Send, target: str) -> None:
    """Answer with what a signed link leads to. No key is asked for and nothing is counted; the key that it was made for
    must still work. Raises Problem."""
    from reelkit_streamproxy.answering import Answering

    link = proxy.links.open(target)
    visitor = await Gate.of(scope).readmit(link.ticket)
    _check(visitor)
    await Answering(proxy, scope, link, visitor, "link").answer(receive, send)


def _check(visitor: Visitor) -> None:
    if not visitor.streaming:
        raise NotForStreaming(detail=f"The tier {visitor.caller.tier!r} looks and does not stream.")


async def _is_answered(scope: Scope, send: Send) -> bool:
    """Answer OPTIONS, which is no preflight any more here. Raises MethodRefused."""
    if scope["method"] == "OPTIONS":
        await send_bytes(scope, send, 204, [(b"allow", b"GET, HEAD, OPTIONS")])
        return True
    if scope["method"] not in METHODS:
        raise MethodRefused
    return False
