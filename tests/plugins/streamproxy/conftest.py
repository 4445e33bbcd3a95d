"""Origins that do as each path is told, a site that proxies them, and what writes links without either."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from reelkit.testing.processes import free_ports
from reelkit.testing.served import ServedSite, served_site
from reelkit_streamproxy import settings
from reelkit_streamproxy.addresses import parse_address
from reelkit_streamproxy.linking import Linker
from reelkit_streamproxy.links import Link, Links
from reelkit_streamproxy.origins import Origins


@dataclass(frozen=True)
class Asked:
    """A request that an origin got. headers: by lower-case name."""

    method: str
    target: str
    headers: dict[str, str]


Does = Callable[[Asked, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Origin:
    """An HTTP server in a thread. does: target without its query → what it does with the connection."""

    port: int = 0
    asked: list[Asked] = field(default_factory=list)
    does: dict[str, Does] = field(default_factory=dict)
    connections: int = 0
    open: int = 0

    def url(self, target: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{target}"

    def serves(self, target: str, body: bytes = b"", *headers: str, status: int = 200) -> str:
        """Answer a target with a body, ranges and conditions too; return its URL."""

        async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
            lines = [f"HTTP/1.1 {status} Told", f"Content-Length: {len(body)}", *headers, "", ""]
            writer.write("\r\n".join(lines).encode() + (b"" if asked.method == "HEAD" else body))

        self.does[target] = answer
        return self.url(target)

    def acts(self, target: str, does: Does) -> str:
        """Have a target do something of its own; return its URL."""
        self.does[target] = does
        return self.url(target)

    def count(self, target: str) -> int:
        return sum(each.target.partition("?")[0] == target for each in self.asked)

    def last(self, target: str) -> Asked:
        return next(each for each in reversed(self.asked) if each.target.partition("?")[0] == target)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        try:
            while True:
                first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                method, target, _ = first.split(" ")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
                asked = Asked(method, target, headers)
                self.asked.append(asked)
                does = self.does.get(target.partition("?")[0])
                if does is None:
                    writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                else:
                    await does(asked, writer)
                if writer.is_closing():
                    return
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self.open -= 1
            writer.close()


@contextmanager
def running_origin(port: int = 0) -> Iterator[Origin]:
    origin = Origin()
    loop = asyncio.new_event_loop()
    ready = threading.Event()

    async def main() -> None:
        server = await asyncio.start_server(origin.handle, "127.0.0.1", port)
        origin.port = server.sockets[0].getsockname()[1]
        ready.set()
        async with server:
            with suppress(asyncio.CancelledError):
                await server.serve_forever()

    task = loop.create_task(main())

    def run() -> None:
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(task)
        while left := asyncio.all_tasks(loop):
            for each in left:
                each.cancel()
            loop.run_until_complete(asyncio.wait(left))
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    ready.wait()
    yield origin
    loop.call_soon_threadsafe(task.cancel)
    thread.join(5)


POLICY = '''
"""Refuses some of what is proxied and adds a header to the rest."""

import socket
import reelkit
from reelkit.interfaces.proxy import ProxyRequest

class NotToday(reelkit.Problem):
    slug, status, title = "not-today", 451, "Not today."

@reelkit.hookimpl
def proxy_policy(request: ProxyRequest):
    if "refused" in request.url:
        raise NotToday(detail=f"{request.by} {request.origin} {request.caller.tier}")
    if "crash" in request.url:
        raise RuntimeError("boom")
    if "smuggle" in request.url:
        return {"Transfer-Encoding": "chunked"}
    if "split" in request.url:
        return {"X-A": "b\\r\\nX-C: d"}
    return {"X-Policy": request.by}

@reelkit.hookimpl
def register_routes():
    """No routes: this is where names are made to stand for other addresses, each time for the next one."""
    real = socket.getaddrinfo
    here = "127.0.0.1"
    answers = {"changing.names.test": ["93.184.216.34", here], "inside.names.test": [here], "good.names.test": [here]}
    asked = {}

    def getaddrinfo(host, port, *rest, **options):
        if host in answers:
            asked[host] = asked.get(host, -1) + 1
            address = answers[host][asked[host] % len(answers[host])]
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]
        return real(host, port, *rest, **options)

    socket.getaddrinfo = getaddrinfo
    return []
'''


@dataclass
class Proxied:
    """A site with the proxy before two origins that it may ask and one, `inside`, that only the list allows."""

    site: ServedSite
    origin: Origin
    other: Origin
    inside: Origin
    public_key: str

    def path(self, url: str) -> str:
        return f"/api?url={quote(url, safe='')}"

    def get(self, url: str, method: str = "GET", **options: Any) -> httpx.Response:
        """Ask the proxy for a URL, with the key of the site."""
        return self.site.client.request(method, self.path(url), **options)

    def links(self, playlist: str) -> list[str]:
        return [line for line in playlist.splitlines() if line and not line.startswith("#")]


@pytest.fixture(scope="session")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    folder: Path = tmp_path_factory.mktemp("proxied") / "site"
    (folder / "plugins").mkdir(parents=True)
    (folder / "plugins" / "policy.py").write_text(POLICY)
    with running_origin() as origin, running_origin() as other, running_origin() as inside:
        (nobody,) = free_ports(1)
        places = {
            "origin": ("127.0.0.1", origin.port, "/", 'headers = {"X-Origin-Secret" = "first"}'),
            "other": ("127.0.0.1", other.port, "/allowed", 'headers = {"X-Other-Secret" = "second"}'),
            "inside": ("127.0.0.1", inside.port, "/", ""),
            "nobody": ("127.0.0.1", nobody, "/", ""),
            "names": ("*.names.test", origin.port, "/", ""),
            "inside-names": ("*.names.test", inside.port, "/", ""),
        }
        allowed = [f"127.0.0.1:{port}" for port in (origin.port, other.port, nobody)] + [f"good.names.test:{origin.port}"]
        settings = f"[network]\nallow_private = {allowed}\n[tiers.single]\nconcurrent_streams = 1\n"
        settings += (
            "[plugins.streamproxy]\nconnect_seconds = 1.5\nfirst_byte_seconds = 1.5\nidle_seconds = 1.0\n"
            "playlist_bytes = 1000000\ncache_bytes = 6000000\nredirects = 2\nresponse_bytes = 200000000\n"
        )
        for name, (host, port, path, more) in places.items():
            settings += (
                f'[plugins.streamproxy.origins.{name}]\nhost = "{host}"\nport = {port}\nschemes = ["http"]\n'
                f'path = "{path}"\n{more}\n'
            )
        with served_site(folder, settings) as site:
            yield Proxied(site, origin, other, inside, site.new_key(tier="public"))


@pytest.fixture
def links() -> Links:
    """What seals and opens links, at noon."""
    return Links([b"k" * 32], seconds=3600, clock=lambda: 1_800_000_000.0)


@pytest.fixture
def linker_for(links: Links) -> Callable[..., Linker]:
    """Make the linker of a playlist at a URL; cdn.example.org and *.example.net may be asked, below /live."""
    allowed = {name: settings.Origin(host=name, path="/live") for name in ("cdn.example.org", "*.example.net")}
    origins = Origins(settings.Settings(origins=allowed))

    def made(url: str, depth: int = 0, variables: dict[str, str] | None = None) -> Linker:
        page = Link(parse_address(url), depth=depth, expires=0, ticket='["ke1","production"]', variables=variables or {})
        return Linker(links, origins, page, nesting=3)

    return made
