"""Connections for programs that speak HTTP themselves: checked as those of the client are."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from reelkit.outbound import OutboundFailed, OutboundRefused, dial


class Hears(asyncio.Protocol):
    """Keeps what comes."""

    def __init__(self) -> None:
        self.heard = b""
        self.ended = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        self.heard += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set_result(None)


def stands_for(*addresses: str) -> Any:
    async def resolve(host: str, port: int) -> list[str]:
        return list(addresses)

    return resolve


async def asked(host: Any, name: str, **options: Any) -> bytes:
    transport, heard = await dial(Hears, name, host.port, **{"secure": False, "timeout": 30, **options})
    transport.write(f"GET / HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
    await asyncio.wait_for(heard.ended, 30)
    return heard.heard


async def test_an_allowed_host_is_connected_to(host: Any) -> None:
    assert (await asked(host, "127.0.0.1", allow_private=["127.0.0.1"])).endswith(b"fine")
    resolve = stands_for("127.0.0.1")
    assert (await asked(host, "hook.test", allow_private=[f"hook.test:{host.port}"], resolve=resolve)).endswith(b"fine")


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["::1"], ["93.184.216.34", "10.0.0.1"], ["::ffff:127.0.0.1"], ["fe80::1"]]
)
async def test_what_is_inside_is_refused(host: Any, addresses: list[str]) -> None:
    with pytest.raises(OutboundRefused, match="allow_private"):
        await asked(host, "hook.test", resolve=stands_for(*addresses))
    assert host.connections == 0


async def test_the_next_address_is_tried_and_none_is_told(host: Any) -> None:
    resolve = stands_for("127.0.0.2", "127.0.0.1")
    assert (await asked(host, "hook.test", allow_private=["hook.test"], resolve=resolve)).endswith(b"fine")
    with pytest.raises(OutboundFailed, match="could not be reached"):
        await dial(Hears, "hook.test", 1, secure=False, allow_private=["hook.test"], resolve=resolve)


async def test_a_resolver_that_hangs_is_given_up(host: Any) -> None:
    async def hangs(name: str, port: int) -> list[str]:
        await asyncio.sleep(60)
        return []

    started = time.monotonic()
    with pytest.raises(OutboundFailed, match=r"within 0\.2 s"):
        await asked(host, "hook.test", resolve=hangs, timeout=0.2)
    assert time.monotonic() - started < 20


async def test_over_tls_the_certificate_must_be_the_hosts(host: Any, certificate: Callable[[str], Path]) -> None:
    certified = certificate("hook.test")
    server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_side.load_cert_chain(certified)
    trusting = ssl.create_default_context(cafile=certified)
    resolve = stands_for("127.0.0.1")
    async with await asyncio.start_server(host.serve, "127.0.0.1", 0, ssl=server_side) as server:
        host.port = server.sockets[0].getsockname()[1]
        options: dict[str, Any] = {"secure": True, "resolve": resolve, "allow_private": ["hook.test", "other.test"]}
        assert (await asked(host, "hook.test", tls=trusting, **options)).endswith(b"fine")
        with pytest.raises(OutboundFailed, match="certificate is not valid"):
            await asked(host, "other.test", tls=trusting, **options)
        with pytest.raises(OutboundFailed, match="certificate is not valid"):
            await asked(host, "hook.test", **options)
