"""A load of keep-alive GETs from one process, cheap enough that the server is what is measured."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import psutil

__all__ = ["Load", "ServerCost", "run_load"]


@dataclass
class Load:
    """What a run of requests saw. seconds: wall time; latencies: seconds, one a response."""

    requests: int = 0
    body_bytes: int = 0
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    failures: int = 0

    @property
    def p99(self) -> float:
        """Seconds within which 99 of 100 responses were complete."""
        ranked = sorted(self.latencies)
        return ranked[min(len(ranked) - 1, int(len(ranked) * 0.99))]

    @property
    def bytes_per_second(self) -> float:
        """Body bytes a second."""
        return self.body_bytes / self.seconds

    @property
    def requests_per_second(self) -> float:
        """Responses a second."""
        return self.requests / self.seconds


class ServerCost:
    """Adds up the CPU seconds of a process and its children between construction and `seconds()`."""

    def __init__(self, pid: int) -> None:
        parent = psutil.Process(pid)
        self._processes = [parent, *parent.children(recursive=True)]
        self._start = self._total()

    def _total(self) -> float:
        return sum(sum(process.cpu_times()[:2]) for process in self._processes)

    def seconds(self) -> float:
        """CPU seconds used since the start."""
        return self._total() - self._start


class _Connection:
    """One keep-alive connection that asks for the same thing again and again."""

    def __init__(self, address: tuple[str, int], request: bytes) -> None:
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.request = request
        self.remaining = -1
        self.head = b""
        self.sent_at = 0.0

    def ask(self) -> None:
        self.socket.sendall(self.request)
        self.sent_at = time.perf_counter()
        self.remaining, self.head = -1, b""

    def receive(self, scratch: bytearray, load: Load) -> bool:
        """Take what has come; True when a response is complete."""
        if self.remaining < 0:
            piece = self.socket.recv(4096)
            if not piece:
                raise ConnectionError("the server closed the connection")
            self.head += piece
            end = self.head.find(b"\r\n\r\n")
            if end < 0:
                return False
            head, body = self.head[:end].lower(), self.head[end + 4 :]
            length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
            if not head.startswith((b"http/1.1 200", b"http/1.1 206")):
                load.failures += 1
            load.body_bytes += len(body)
            self.remaining = length - len(body)
        else:
            # MSG_TRUNC drops the bytes inside the kernel, so that the client costs little beside the server.
            count = self.socket.recv_into(scratch, min(self.remaining, len(scratch)), socket.MSG_TRUNC)
            if not count:
                raise ConnectionError("the server closed the connection")
            load.body_bytes += count
            self.remaining -= count
        return self.remaining == 0


def run_load(
    port: int,
    path: str | Sequence[str],
    *,
    connections: int,
    seconds: float,
    headers: dict[str, str] | None = None,
    host: str = "127.0.0.1",
) -> Load:
    """Ask for one path over keep-alive connections to loopback for a time and return what came back.

    path: several are dealt out to the connections, so that each asks for another thing.
    """
    paths = [path] if isinstance(path, str) else path
    more = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
    requests = [f"GET {each} HTTP/1.1\r\nHost: {host}:{port}\r\n{more}\r\n".encode() for each in paths]
    load = Load()
    scratch = bytearray(1 << 20)
    selector = selectors.DefaultSelector()
    opened = [_Connection((host, port), requests[number % len(requests)]) for number in range(connections)]
    for connection in opened:
        selector.register(connection.socket, selectors.EVENT_READ, connection)
        connection.ask()
    start = time.perf_counter()
    while (now := time.perf_counter()) - start < seconds:
        for key, _ in selector.select(timeout=1.0):
            connection = key.data
            if connection.receive(scratch, load):
                load.requests += 1
                load.latencies.append(time.perf_counter() - connection.sent_at)
                connection.ask()
    load.seconds = now - start
    for connection in opened:
        selector.unregister(connection.socket)
        connection.socket.close()
    return load
