"""Taking in 2 GiB, against nginx's PUT of the same file: rate, memory, and what other requests feel meanwhile."""

from __future__ import annotations

import http.client
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from tests.bench.results import Row

__all__ = ["run"]

GIB = 1024**3


def send_file(
    port: int, method: str, path: str, file: Path, headers: dict[str, str], wrap: tuple[bytes, bytes] = (b"", b"")
) -> float:
    """Send a file as a request body by sendfile, between the two wrappings; return seconds until the answer came."""
    size = file.stat().st_size + len(wrap[0]) + len(wrap[1])
    lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", f"Content-Length: {size}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    with socket.create_connection(("127.0.0.1", port)) as connection, file.open("rb") as body:
        started = time.perf_counter()
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode() + wrap[0])
        connection.sendfile(body)
        connection.sendall(wrap[1])
        response = http.client.HTTPResponse(connection)
        response.begin()
        answer = response.read()
        took = time.perf_counter() - started
    if response.status not in (200, 201, 204):
        raise RuntimeError(f"{method} {path}: {response.status} {answer[:300]!r}")
    return took
