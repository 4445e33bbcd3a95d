"""Somebody who asks for media, as far as a request tells, and what is said of each check on the way."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import msgspec

from reelkit.access.playback import TOKEN
from reelkit.access.policies import host_of
from reelkit.problems import Problem

__all__ = ["Case", "Check", "Told", "Viewer", "What"]

What = Literal["page", "session", "playlist", "file"]
CREDENTIALS = frozenset((b"authorization", b"x-api-key", b"x-session-token"))
_TOKEN = re.compile(rb"(?:^|&)token=([^&]+)")


class Check(msgspec.Struct, frozen=True):
    """One question that was asked of a request. said: a sentence for people."""

    name: str
    ok: bool
    said: str


class Case:
    """Says nothing of what is in order and refuses at once: how requests are judged."""

    __slots__ = ()
    explains = False

    def passed(self, name: str, said: str) -> None:
        """Note that a check is in order."""

    def refused(self, name: str, problem: Problem, said: str) -> None:  # noqa: ARG002 - others keep it
        """Refuse. Raises the problem."""
        raise problem

    def failed(self, name: str, said: str) -> None:
        """Note a credential that opens nothing; whether that refuses the request is seen when all are known."""

    def end(self) -> None:
        """Return when nothing was refused. Raises the first problem."""


class Told(Case):
    """Notes every check and refuses at the end: how a request is explained to the owner."""

    __slots__ = ("checks", "problem")
    explains = True

    def __init__(self) -> None:
        self.checks: list[Check] = []
        self.problem: Problem | None = None

    def passed(self, name: str, said: str) -> None:
        """Note that a check is in order."""
        self.checks.append(Check(name, True, said))

    def failed(self, name: str, said: str) -> None:
        """Note a credential that opens nothing."""
        self.checks.append(Check(name, False, said))

    def refused(self, name: str, problem: Problem, said: str) -> None:
        """Note a refusal, and go on."""
        self.checks.append(Check(name, False, said))
        self.problem = self.problem or problem

    def end(self) -> None:
        """Return when nothing was refused. Raises the first problem."""
        if self.problem is not None:
            raise self.problem


SILENT = Case()


class Viewer:
    """What a request tells. client: an IP address; session: what `?avh=` carries; token: a session token of the query.

    at: seconds since 1970, None for now; country: two letters, None for that of the client.
    """

    __slots__ = ("at", "case", "client", "country", "headers", "method", "path", "presents", "session", "token", "what")

    def __init__(
        self,
        headers: Sequence[tuple[bytes, bytes]],
        query: bytes,
        method: str,
        path: str,
        client: str,
        what: What | None,
        case: Case | None = None,
    ) -> None:
        self.headers = headers
        self.method = method
        self.path = path
        self.client = client
        self.what = what
        self.session = _session_in(query) if b"avh=" in query else None
        found = _token_in(query) if b"token=" in query else None
        self.token = None if found is None or TOKEN.fullmatch(found) else found
        self.presents = False
        for name, value in headers:
            if name in CREDENTIALS and value:
                self.presents = True
                break
        self.case = case or SILENT
        self.at: float | None = None
        self.country: str | None = None

    def header(self, name: bytes) -> str:
        """Return a header, the first of several; empty when there is none."""
        return next((value.decode("latin-1") for found, value in self.headers if found == name), "")

    @property
    def comes_from(self) -> str | None:
        """The host of the page that asks, with its port unless it is the usual one; None when the browser does not tell.

        A frame without an origin of its own says `null`, which tells nothing; a page that cannot be read is no host's.
        """
        origin = self.header(b"origin")
        said = origin if origin and origin != "null" else self.header(b"referer")
        return (host_of(said) or "?") if said else None

    @property
    def framed_by_browser(self) -> bool:
        """Whether a browser says that it shows the answer in a frame; then it keeps to the page's frame-ancestors."""
        return self.what == "page" and self.header(b"sec-fetch-dest") in ("iframe", "frame", "embed", "object")


def _session_in(query: bytes) -> str | None:
    """Return the session of a query string."""
    for part in query.split(b"&"):
        if part.startswith(b"avh=") and len(part) > 4:
            return part[4:].decode("latin-1")
    return None


def _token_in(query: bytes) -> str | None:
    """Return the token of a query string."""
    match = _TOKEN.search(query)
    return None if match is None else match[1].decode("latin-1")
