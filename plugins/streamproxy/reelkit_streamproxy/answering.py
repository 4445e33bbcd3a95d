"""One request of a viewer's: permitted, fetched or found, and passed on or rewritten."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
import structlog
from reelkit import Gate, OutboundFailed, OutboundRefused, Visitor
from reelkit.interfaces.proxy import ProxyRequest

from reelkit_streamproxy.addresses import Address
from reelkit_streamproxy.cache import Entry
from reelkit_streamproxy.faults import AnswerRefused, UpstreamSilent, fault_of, fault_of_status
from reelkit_streamproxy.freshness import fresh_for
from reelkit_streamproxy.linking import Linker
from reelkit_streamproxy.links import Link
from reelkit_streamproxy.origin_health import reason_of
from reelkit_streamproxy.passing import GUARDS, passed_on, unpacked
from reelkit_streamproxy.proxy import Proxy
from reelkit_streamproxy.ranges import answer_kept
from reelkit_streamproxy.sending import CutOff, Receive, Scope, Send, send_bytes, stream
from reelkit_streamproxy.shared import Reader
from reelkit_streamproxy.sniffing import ENOUGH, Kind, kind_of
from reelkit_streamproxy.upstream import Body

__all__ = ["Answering"]

PLAYLIST_SECONDS = 30.0
"""Within which a playlist must be there."""
IN_A_THREAD = 128 << 10
"""Bytes of a playlist above which it is rewritten beside the event loop."""
CONDITIONS = frozenset({b"range", b"if-range", b"if-none-match", b"if-modified-since"})
"""The only headers of a viewer's that an origin is sent."""
NOT_THEIRS = frozenset({"host", "connection", "content-length", "transfer-encoding", "te", "upgrade", "accept-encoding"})
"""Headers that no plugin adds: how the message travels is the proxy's business."""
PLAYLIST_TYPES = {"hls": "application/vnd.apple.mpegurl", "dash": "application/dash+xml"}
KEPT_HEADERS = ("content-type", "etag", "last-modified", "cache-control", "expires", "date", "accept-ranges")

log = structlog.get_logger("reelkit.streamproxy")


class Answering:
    """Answers one request. by: how the visitor came in."""

    def __init__(
        self, proxy: Proxy, scope: Scope, link: Link, visitor: Visitor, by: Literal["key", "session", "link"]
    ) -> None:
        self._proxy = proxy
        self._scope = scope
        self._link = link
        self._visitor = visitor
        self._by = by
        self._gate = Gate.of(scope)
        self._guarded = self._gate.asks("proxy_policy")
        self._conditions = {name.decode(): value.decode("latin-1") for name, value in scope["headers"] if name in CONDITIONS}
        if "," in self._conditions.get("range", "") or scope["method"] == "HEAD":
            # Parts in one body are of no use to players and may be ignored (RFC 9110, 14.2).
            self._conditions.pop("range", None)
            self._conditions.pop("if-range", None)
        self._origin = ""

    async def answer(self, receive: Receive, send: Send) -> None:
        """Answer. Raises Problem, and CutOff when the origin fails in the middle of a body."""
        try:
            await self._answer(receive, await self._gate.metered(self._visitor, send))
        except (OutboundFailed, OutboundRefused) as error:
            raise fault_of(error) from error
        except CutOff:
            self._proxy.health.failed(self._origin, "body broke off", asked=False)
            raise

    async def _answer(self, receive: Receive, send: Send) -> None:
        address = self._link.address
        permitted = await self._permit(address)
        key = self._key(address, permitted)
        cache = self._proxy.cache
        if cache is not None and (found := await asyncio.to_thread(cache.find, key)) is not None:
            try:
                await self._gate.watch(self._scope, self._visitor)
            except BaseException:
                found[0].close()
                raise
            await answer_kept(self._scope, receive, send, *found, self._conditions)
        elif self._scope["method"] == "HEAD":
            await self._answer_head(send, address, permitted)
        elif self._conditions:
            body = await self._ask("GET", address, permitted, self._conditions)
            await self._pass_on(receive, send, body, body)
        else:
            await self._answer_joined(receive, send, address, permitted, key)

    async def _answer_joined(
        self, receive: Receive, send: Send, address: Address, permitted: Mapping[str, str], key: str
    ) -> None:
        async def ask() -> Body:
            return await self._ask("GET", address, permitted, {})

        def keep(body: Body, pieces: Sequence[bytes | bytearray]) -> None:
            self._keep(key, body, pieces)

        body, source = await self._proxy.joining.get(key, ask, keep)
        await self._pass_on(receive, send, body, source)

    async def _answer_head(self, send: Send, address: Address, permitted: Mapping[str, str]) -> None:
        body = await self._ask("HEAD", address, permitted, self._conditions, also=(405, 501))
        try:
            if body.status in (405, 501):
                body.close()
                body = await self._ask("GET", address, permitted, {})
            content_type = "" if body.status == 304 else self._proxy.types.check(body.headers)
            if body.status == 200 and (kind := kind_of(content_type, b"", body.address.path)) != "other":
                # How long it is once it is rewritten shows only then.
                body.close()
                body = await self._ask("GET", address, permitted, {})
                await self._send_playlist(send, body, kind, content_type, await self._whole(body, b""))
                return
            headers = passed_on(body.headers, content_type)
            if (length := body.headers.get("content-length", "")).isdecimal():
                headers.append((b"content-length", length.encode()))
            await send({"type": "http.response.start", "status": body.status, "headers": headers})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            body.close()

    async def _pass_on(self, receive: Receive, send: Send, body: Body, source: Body | Reader) -> None:
        """Answer with what an origin has answered, and close it."""
        try:
            if body.status in (304, 416):
                headers = passed_on(body.headers, "application/octet-stream")
                await send_bytes(self._scope, send, body.status, headers)
                return
            content_type = self._proxy.types.check(body.headers)
            first = await _start_of(source)
            kind = kind_of(content_type, bytes(first[:ENOUGH]), body.address.path)
            if kind != "other" and body.status == 206:
                # A part of a playlist cannot be rewritten, so it is sent whole.
                source.close()
                source = body = await self._ask("GET", self._link.address, await self._permit(self._link.address), {})
                first = await _start_of(source)
            packed = body.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity")
            if kind != "other" or packed:
                whole = await self._whole(source, first)
                if packed:
                    if body.status == 206:
                        raise AnswerRefused(detail="It is a part of something compressed.")
                    whole = unpacked(whole, body.headers["content-encoding"], self._proxy.settings.playlist_bytes)
                    kind = kind_of(content_type, whole[:ENOUGH], body.address.path)
                if kind != "other":
                    await self._send_playlist(send, body, kind, content_type, whole)
                    return
                plain = {name: value for name, value in body.headers.items() if name not in ("content-encoding", "etag")}
                await send_bytes(self._scope, send, 200, passed_on(plain, content_type), whole)
                return
            # Who reads playlists need not watch: servers do, before they hand them to browsers.
            await self._gate.watch(self._scope, self._visitor)
            headers = passed_on(body.headers, content_type)
            if body.length is not None:
                headers.append((b"content-length", b"%d" % body.length))
            await stream(receive, send, body.status, headers, first, source, body.length)
        finally:
            source.close()

    async def _send_playlist(self, send: Send, body: Body, kind: Kind, content_type: str, whole: bytes) -> None:
        settings = self._proxy.settings
        linker = Linker(self._proxy.links, self._proxy.origins, self._link, settings.nesting)
        if kind == "hls":
            from reelkit_streamproxy.hls import rewrite
        elif kind == "dash":
            from reelkit_streamproxy.dash import rewrite
        else:
            from reelkit_streamproxy.json_lists import rewrite
        if len(whole) > IN_A_THREAD:
            text = await asyncio.to_thread(rewrite, whole, body.address.url, linker)
        else:
            text = rewrite(whole, body.address.url, linker)
        if linker.refused:
            first = linker.refused[0]
            log.info("left out of a playlist", origin=self._origin, uris=len(linker.refused), first=str(first.why))
        # It is for this viewer alone, and its links end.
        headers = [
            (b"content-type", PLAYLIST_TYPES.get(kind, content_type).encode()),
            (b"cache-control", b"private, no-store"),
            *GUARDS,
        ]
        await send_bytes(self._scope, send, 200, headers, text)

    # Asking

    async def _permit(self, address: Address) -> Mapping[str, str]:
        """Return the headers that go to an address with a request. Raises Problem when it may not be fetched."""
        match = self._proxy.origins.match(address)
        self._origin = match.name
        headers = {name.lower(): value for name, value in match.origin.headers.items()}
        if not self._guarded:
            return headers
        client = self._scope.get("client")
        request = ProxyRequest(
            caller=self._visitor.caller,
            by=self._by,
            method="HEAD" if self._scope["method"] == "HEAD" else "GET",
            url=address.url,
            host=address.host,
            origin=match.name,
            client=client[0] if client else "",
        )
        return headers | (await self._gate.ask("proxy_policy", "request", request, _with_headers)).headers

    async def _ask(
        self,
        method: str,
        address: Address,
        permitted: Mapping[str, str],
        conditions: Mapping[str, str],
        also: tuple[int, ...] = (),
    ) -> Body:
        """Return the answer of an origin that can be passed on. also: more statuses to return.

        Raises Problem, OutboundFailed, OutboundRefused.
        """
        started = time.perf_counter()
        try:
            body = await self._proxy.upstream.open(method, address, conditions, permitted, self._permit)
        except (OutboundFailed, OutboundRefused) as error:
            self._proxy.health.failed(self._origin, reason_of(error))
            raise
        self._proxy.health.answered(self._origin, body.status, time.perf_counter() - started)
        good = (200, 206, 304, 416) if conditions else (200,)
        if body.status not in (*good, *also):
            body.close()
            raise fault_of_status(body.address.host, body.status)
        if body.status == 206 and not body.is_part(conditions.get("range", "")):
            body.close()
            raise AnswerRefused(detail="It is another part than the one that was asked for.", upstream_status=206)
        return body

    def _key(self, address: Address, permitted: Mapping[str, str]) -> str:
        # What a plugin lets one caller have is not given to another without asking.
        who = self._visitor.caller.id if self._guarded else ""
        return msgspec.json.encode((address.url, sorted(permitted.items()), who)).decode()

    async def _whole(self, source: Body | Reader, first: bytes | bytearray) -> bytes:
        """Return a body that has to be read whole. Raises AnswerRefused, UpstreamSilent, OutboundFailed."""
        limit = self._proxy.settings.playlist_bytes
        pieces, size = [first], len(first)
        try:
            async with asyncio.timeout(PLAYLIST_SECONDS):
                while piece := await source.read():
                    size += len(piece)
                    if size > limit:
                        raise AnswerRefused(detail=f"It is larger than {limit} bytes, which is the most for a playlist.")
                    pieces.append(piece)
        except TimeoutError:
            raise UpstreamSilent(detail=f"The playlist was not there after {PLAYLIST_SECONDS:g} s.") from None
        return b"".join(pieces)

    def _keep(self, key: str, body: Body, pieces: Sequence[bytes | bytearray]) -> None:
        """Have a whole body written to the cache if it may be, and is no playlist."""
        cache = self._proxy.cache
        seconds = fresh_for(body.headers)
        size = sum(map(len, pieces))
        if cache is None or not seconds or not size or size > self._proxy.settings.cache_entry_bytes:
            return
        if self._guarded and body.address != self._link.address:
            return  # plugins would not be asked again about where it redirects to
        content_type = body.headers.get("content-type", "").partition(";")[0].strip().lower()
        packed = body.headers.get("content-encoding", "identity").lower() != "identity"
        start = b"".join(pieces) if len(pieces[0]) < ENOUGH else pieces[0]
        if packed or kind_of(content_type, bytes(start[:ENOUGH]), body.address.path) != "other":
            return
        headers: dict[str, Any] = {name: body.headers[name] for name in KEPT_HEADERS if name in body.headers}
        headers["content-type"] = self._proxy.types.check(body.headers)
        entry = Entry(key=key, size=size, expires=time.time() + seconds, headers=headers)
        self._proxy.in_the_background(asyncio.to_thread(cache.keep, entry, pieces))


async def _start_of(source: Body | Reader) -> bytes | bytearray:
    """Return the first bytes of a body, enough to tell what it is. Raises OutboundFailed."""
    first = await source.read()
    while first and len(first) < ENOUGH and (more := await source.read()):
        first = bytes(first) + more
    return first


def _with_headers(request: ProxyRequest, answer: Any) -> ProxyRequest:
    """Return a request with the headers that a plugin has answered. Raises what names its mistake."""
    added = msgspec.convert(answer, dict[str, str])
    for name, value in added.items():
        if not name.isascii() or not name.replace("-", "").replace("_", "").isalnum() or name.lower() in NOT_THEIRS:
            raise ValueError(f"proxy_policy must not add the header {name!r}")
        if not value.isprintable() or not value.isascii():
            raise ValueError(f"the value that proxy_policy gives to {name} cannot be sent")
    return msgspec.structs.replace(request, headers=request.headers | {name.lower(): value for name, value in added.items()})
