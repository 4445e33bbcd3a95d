"""What an origin answers: redirects followed within the list, broken bodies gone on with, nothing larger than allowed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urljoin

import msgspec
from reelkit import OutboundFailed, OutboundRefused, OutboundTooLarge

from reelkit_streamproxy.addresses import Address, parse_address
from reelkit_streamproxy.connections import Connections
from reelkit_streamproxy.faults import RedirectRefused, UpstreamBusy
from reelkit_streamproxy.http1 import Broken, Connection, Head, Silent
from reelkit_streamproxy.refusals import Refusal

__all__ = ["Body", "Limits", "Permit", "Upstream"]

Permit = Callable[[Address], Awaitable[Mapping[str, str]]]
"""Raises a Problem for what may not be fetched, returns the headers that go with the rest; asked anew for redirects."""

RESUMES = 4
"""How often one body is gone on with after its connection broke."""
SLOWEST = 1024
"""Bytes a second; a body that brings less, for as long as a host may be silent, is given up."""

_WANTED = re.compile(r"\s*bytes\s*=\s*(\d{1,18})\s*-.*", re.ASCII | re.IGNORECASE)
_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(?:(\d{1,18})|\*)", re.ASCII)


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one answer may take: seconds of silence, seconds of all of it, redirects, bytes of the body."""

    idle: float
    total: float
    redirects: int
    size: int


class Upstream:
    """Asks origins."""

    def __init__(self, connections: Connections, limits: Limits) -> None:
        self._connections = connections
        self._limits = limits

    async def open(
        self, method: str, address: Address, headers: Mapping[str, str], permitted: Mapping[str, str], permit: Permit
    ) -> Body:
        """Ask, and return the answer once its head is there, whatever its status.

        headers: those of the request itself; permitted: what permit returned for the address; it is asked for redirects
        only. Raises what permit raises, UpstreamBusy, OutboundRefused, OutboundFailed.
        """
        deadline = asyncio.get_running_loop().time() + self._limits.total
        for _ in range(self._limits.redirects + 1):
            connection, head = await self._connections.ask(method, address, {**permitted, **headers})
            location = head.headers.get("location")
            if head.status not in (301, 302, 303, 307, 308) or location is None:
                asked = _Asked(self, method, address, dict(headers), permitted)
                return Body(asked, connection, head, self._limits, deadline)
            self.give_back(address, connection)
            address = _joined(address, location)
            try:
                permitted = await permit(address)
            except Refusal as refused:
                raise RedirectRefused(detail=f"The origin redirects. {refused}") from None
        raise OutboundFailed(f"{address.host} redirects more than {self._limits.redirects} times.")

    async def again(
        self, address: Address, permitted: Mapping[str, str], headers: Mapping[str, str]
    ) -> tuple[Connection, Head]:
        """Ask once more for what is permitted already. Raises UpstreamBusy, OutboundRefused, OutboundFailed."""
        return await self._connections.ask("GET", address, {**permitted, **headers})

    def give_back(self, address: Address, connection: Connection) -> None:
        """Keep a connection or close it."""
        self._connections.give_back(address, connection)


class _Asked(msgspec.Struct, frozen=True):
    """What was asked for, so that it can be asked for again."""

    upstream: Upstream
    method: str
    address: Address
    headers: dict[str, str]
    permitted: Mapping[str, str]


class Body:
    """An answer whose body is read piece by piece. status, headers: of its head; address: after redirects."""

    def __init__(self, asked: _Asked, connection: Connection, head: Head, limits: Limits, deadline: float) -> None:
        self.status = head.status
        self.headers = head.headers
        self.length = head.length
        self.address = asked.address
        self.resumed = 0
        """How often its connection broke and it was gone on with."""
        self._asked = asked
        self._connection: Connection | None = connection
        self._limits = limits
        self._deadline = deadline
        self._ended = False
        self._broken: OutboundFailed | None = None
        """Why the connection went; whoever reads next has it mended, also when the one before was cancelled meanwhile."""
        self._read = 0
        self._waited = 0.0
        self._clock = asyncio.get_running_loop().time
        if head.length is not None and head.length > limits.size and asked.method == "GET":
            self.close()
            raise self._too_large()

    async def read(self) -> bytes | bytearray:
        """Return the next bytes, nothing at the end. Raises OutboundFailed, OutboundTooLarge."""
        while not self._ended:
            started = self._clock()
            if started >= self._deadline:
                self.close()
                raise Silent(f"{self.address.host} did not finish its answer within {self._limits.total:g} s.")
            try:
                connection = self._connection or await self._resume()
                piece = await connection.read(self._limits.idle)
            except (Broken, Silent) as error:
                self._disconnect()
                if self._broken is error or self._rest() is None or self.resumed >= RESUMES:
                    raise
                self._broken = error
                continue
            self._read += len(piece)
            if connection.finished:
                # At once, so that the next request has the connection even if nobody asks for what comes behind.
                self.close()
                if self._read <= self._limits.size:
                    return piece
            self._waited += self._clock() - started
            if self._read > self._limits.size:
                self.close()
                raise self._too_large()
            if self._waited > self._limits.idle and self._read < SLOWEST * self._waited:
                self.close()
                raise Silent(f"{self.address.host} sends less than {SLOWEST} bytes a second.")
            return piece
        return b""

    def is_part(self, wanted: str) -> bool:
        """Tell whether an answer of status 206 is of a range that begins where it was asked for, and as long as it says."""
        asked, place = _WANTED.fullmatch(wanted), _RANGE.fullmatch(self.headers.get("content-range", ""))
        if place is None or int(place[2]) < int(place[1]):
            return False
        if self.length not in (None, int(place[2]) - int(place[1]) + 1):
            return False
        return asked is None or int(asked[1]) == int(place[1])

    @property
    def ended(self) -> bool:
        """Whether nothing more comes."""
        return self._ended

    def close(self) -> None:
        """Stop; the origin need not send what nobody reads. One that was read to its end keeps its connection."""
        self._ended = True
        self._disconnect()

    # Inside

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._asked.upstream.give_back(self.address, connection)

    async def _resume(self) -> Connection:
        """Ask for the rest of a body that broke off. Raises what broke it when there is no way to."""
        error, rest = self._broken, self._rest()
        assert error is not None and rest is not None
        self.resumed += 1
        (first, last, total), validator = rest
        wanted = f"bytes={first}-" if last is None else f"bytes={first}-{last}"
        headers = {name: value for name, value in self._asked.headers.items() if not name.startswith("if-")}
        headers |= {"range": wanted, "if-range": validator}
        try:
            connection, head = await self._asked.upstream.again(self.address, self._asked.permitted, headers)
        except (OutboundFailed, OutboundRefused, UpstreamBusy) as failed:
            raise error from failed
        place = _RANGE.fullmatch(head.headers.get("content-range", ""))
        if (
            head.status != 206
            or place is None
            or int(place[1]) != first
            or (last is not None and int(place[2]) != last)
            or (total is not None and place[3] is not None and int(place[3]) != total)
            or self._validator(head) not in (None, validator)
        ):
            # It has become another body meanwhile, or the origin cannot do ranges.
            self._asked.upstream.give_back(self.address, connection)
            raise error
        self._connection = connection
        return connection

    def _rest(self) -> tuple[tuple[int, int | None, int | None], str] | None:
        """Return which bytes of the whole are missing (first, last, size of the whole) and by what it is recognised."""
        validator = self._validator_of(self.headers)
        if self._asked.method != "GET" or validator is None or self.status not in (200, 206):
            return None
        if self.status == 206:
            place = _RANGE.fullmatch(self.headers.get("content-range", ""))
            if place is None:
                return None
            total = None if place[3] is None else int(place[3])
            return (int(place[1]) + self._read, int(place[2]), total), validator
        if "content-encoding" in self.headers:
            return None
        return (self._read, None if self.length is None else self.length - 1, self.length), validator

    def _validator(self, head: Head) -> str | None:
        return self._validator_of(head.headers)

    @staticmethod
    def _validator_of(headers: Mapping[str, str]) -> str | None:
        """Return what If-Range takes: a strong tag, or else when it was changed (RFC 9110, 13.1.5)."""
        tag = headers.get("etag", "")
        if tag.startswith('"'):
            return tag
        return headers.get("last-modified") or None

    def _too_large(self) -> OutboundTooLarge:
        return OutboundTooLarge(f"The answer of {self.address.host} is larger than {self._limits.size} bytes.")


def _joined(address: Address, location: str) -> Address:
    """Return where a redirect leads, checked. Raises RedirectRefused."""
    try:
        return parse_address(urljoin(address.url, location))
    except (Refusal, ValueError) as refused:
        raise RedirectRefused(detail=f"{address.host} redirects to an address that is not one to fetch: {refused}") from None
