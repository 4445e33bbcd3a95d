"""One line a request, written in batches: a line costs microseconds, also at thousands a second."""

from __future__ import annotations

import asyncio
import sys
import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import TextIO

import msgspec

__all__ = ["AccessLog"]

BATCH = 64
SECONDS = 0.1


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is said of a request. ms: until the last byte; bytes: of the body, if this process sent them."""

    timestamp: str
    level: str
    event: str
    request_id: str
    method: str
    path: str
    status: int
    ms: float
    bytes: int
    client: str
    query: str = ""
    agent: str = ""


class AccessLog:
    """Collects lines and writes them at least every 0.1 s."""

    def __init__(self, style: str, out: TextIO | None = None) -> None:
        self._json = style == "json"
        self._out = out or sys.stderr
        self._lines: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None
        self._encode = msgspec.json.Encoder().encode

    def write(
        self, id: str, method: str, path: str, query: str, status: int, seconds: float, size: int, client: str, agent: str
    ) -> None:
        """Note one answered request. query: without secrets."""
        now = time.time()
        ms = round(seconds * 1000, 2)
        level = "error" if status >= 500 else "info"
        if self._json:
            stamp = f"{_second(int(now))}.{int(now % 1 * 1000):03}+00:00"
            line = self._encode(Line(stamp, level, "request", id, method, path, status, ms, size, client, query, agent))
        else:
            asked = ascii(f"{path}?{query}" if query else path)[1:-1]
            line = f"{_second(int(now))[11:]} {status} {method:4} {asked} {ms:.1f} ms {id}".encode()
        self._lines.append(line)
        if len(self._lines) >= BATCH:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SECONDS, self.flush)

    def flush(self) -> None:
        """Write what was collected."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._lines:
            self._out.write((b"\n".join(self._lines) + b"\n").decode())
            self._out.flush()
            self._lines.clear()


@lru_cache(maxsize=2)
def _second(now: int) -> str:
    """Return a second since 1970 as ISO 8601 writes it, which costs more than all the rest of a line."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S")
