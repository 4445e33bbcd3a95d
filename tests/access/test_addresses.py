"""X-Forwarded-For is believed from servers of ours only, and only what they added."""

from __future__ import annotations

from typing import Any

import pytest
from reelkit.access.addresses import ClientAddresses, block_of

TRUSTED = ("127.0.0.0/8", "::1/128", "10.1.0.0/16")


async def seen_by(peer: str | None, *forwarded: str, trusted: tuple[str, ...] = TRUSTED) -> str | None:
    """Return the address that an application is told."""
    scope: dict[str, Any] = {
        "type": "http",
        "client": None if peer is None else (peer, 4711),
        "headers": [(b"host", b"x"), *((b"x-forwarded-for", value.encode("latin-1")) for value in forwarded)],
    }

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        told.append(None if scope["client"] is None else scope["client"][0])

    told: list[str | None] = []
    await ClientAddresses(app, trusted)(scope, None, None)
    return told[0]


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("127.0.0.1", (), "127.0.0.1"),
        ("127.0.0.1", ("198.51.100.7",), "198.51.100.7"),
        ("::1", ("2001:db8::7",), "2001:db8::7"),
        ("127.0.0.1", ("203.0.113.9, 198.51.100.7",), "198.51.100.7"),
        ("127.0.0.1", ("203.0.113.9", "198.51.100.7"), "198.51.100.7"),
        ("127.0.0.1", ("198.51.100.7, 10.1.2.3",), "198.51.100.7"),
        ("127.0.0.1", ("10.1.9.9, 10.1.2.3",), "10.1.9.9"),
        ("127.0.0.1", ("198.51.100.7:5123",), "198.51.100.7"),
        ("127.0.0.1", ('"[2001:db8::7]:5123"',), "2001:db8::7"),
        ("127.0.0.1", ("::ffff:198.51.100.7",), "198.51.100.7"),
        ("::ffff:127.0.0.1", ("198.51.100.7",), "198.51.100.7"),
        ("127.0.0.1", ("unknown",), "127.0.0.1"),
        ("127.0.0.1", ("203.0.113.9, <script>, 10.1.2.3",), "10.1.2.3"),
        ("127.0.0.1", ("",), "127.0.0.1"),
        ("127.0.0.1", ("203.0.113.9," * 100_000 + "198.51.100.7",), "198.51.100.7"),
        ("127.0.0.1", ("\xff\x00",), "127.0.0.1"),
        ("198.51.100.1", ("203.0.113.9",), "198.51.100.1"),
        ("10.2.0.1", ("203.0.113.9",), "10.2.0.1"),
        (None, ("203.0.113.9",), None),
    ],
)
async def test_the_client_is_whom_our_own_servers_saw(
    peer: str | None, forwarded: tuple[str, ...], client: str | None
) -> None:
    assert await seen_by(peer, *forwarded) == client


async def test_nobody_is_believed_where_nobody_is_trusted() -> None:
    assert await seen_by("127.0.0.1", "203.0.113.9", trusted=()) == "127.0.0.1"


def test_a_network_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="everybody"):
        ClientAddresses(lambda *_: None, ["everybody"])  # type: ignore[arg-type]  # never called


@pytest.mark.parametrize(
    ("address", "block"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:1.2.3.4", "1.2.3.4"),
        ("", ""),
    ],
)
def test_an_ipv6_network_counts_as_one(address: str, block: str) -> None:
    assert block_of(address) == block
