"""Child processes of a test run: started on free ports, waited for until ready, never outliving the run."""

from __future__ import annotations

import ctypes
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

__all__ = ["NotReady", "Process", "answers_http", "answers_tcp", "free_ports", "run_process"]

PR_SET_PDEATHSIG = 1


class NotReady(RuntimeError):
    """A server stopped or did not answer in time; the message ends with what it logged last."""


class Process(msgspec.Struct, frozen=True):
    """A running child. pid: of the process itself, which leads its own process group; log: stdout and stderr."""

    pid: int
    log: Path


def free_ports(count: int) -> list[int]:
    """Return distinct TCP ports of 127.0.0.1 that nobody listens on, below the range that outgoing connections take."""
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(12000, 32000)  # noqa: S311 - spreads concurrent test runs, no secret
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in found:
                found.append(port)
    return found


def answers_tcp(port: int) -> Callable[[], bool]:
    """Make a readiness check: does 127.0.0.1:port accept connections?"""

    def check() -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        return False

    return check


def answers_http(port: int, path: str = "/") -> Callable[[], bool]:
    """Make a readiness check: does 127.0.0.1:port answer HTTP with anything but a 5xx?"""

    def check() -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(f"GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n".encode())
            start = connection.recv(12)
            return start.startswith(b"HTTP/") and start[9:10] in b"1234" and len(start) > 9
        return False

    return check


@contextmanager
def run_process(
    command: Sequence[str],
    *,
    log: Path,
    ready: Callable[[], bool],
    timeout: float = 60.0,
    stop_signal: signal.Signals = signal.SIGTERM,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Iterator[Process]:
    """Run a server for the length of the block; it gets stop_signal at the end, and when this thread or process dies.

    timeout: seconds until it must be ready, and again until it must have stopped, after which its process group is
    killed. Raises NotReady.
    """
    libc = ctypes.CDLL(None, use_errno=True)

    def tie_to_parent() -> None:
        libc.prctl(PR_SET_PDEATHSIG, int(stop_signal), 0, 0, 0)

    with log.open("ab") as output:
        child = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env=None if env is None else dict(env),
            start_new_session=True,
            preexec_fn=tie_to_parent,
        )
    try:
        wait_ready(child, log, ready, timeout)
        yield Process(pid=child.pid, log=log)
    finally:
        stop(child, stop_signal, timeout)


def wait_ready(child: subprocess.Popen[bytes], log: Path, ready: Callable[[], bool], timeout: float) -> None:
    """Return once ready() is true. Raises NotReady."""
    deadline = time.monotonic() + timeout
    while not ready():
        if (code := child.poll()) is not None:
            raise NotReady(f"{child.args!r} stopped with {code}:\n{tail(log)}")
        if time.monotonic() > deadline:
            raise NotReady(f"{child.args!r} was not ready after {timeout} s:\n{tail(log)}")
        time.sleep(0.02)
    # Somebody else may answer on the port while ours failed to bind it.
    if (code := child.poll()) is not None:
        raise NotReady(f"{child.args!r} stopped with {code}:\n{tail(log)}")


def stop(child: subprocess.Popen[bytes], stop_signal: signal.Signals, timeout: float) -> None:
    """Stop a child and whatever is left of its process group."""
    if child.poll() is None:
        child.send_signal(stop_signal)
        with suppress(subprocess.TimeoutExpired):
            child.wait(timeout)
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def tail(log: Path) -> str:
    """Return the end of a log, for messages."""
    return log.read_text("utf-8", errors="replace")[-3000:]
