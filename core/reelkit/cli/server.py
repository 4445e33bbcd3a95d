"""The process that `reelkit serve` becomes: it holds the port and the workers, and nothing else.

Run as a file, not as a module, so that it imports no part of reelkit: it stays up for ever beside the workers, and
everything it had loaded would be memory for nothing. `reelkit serve` has checked the site before.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gc
import os
import signal
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["application", "serve"]

PARENT = "REELKIT_SERVER_PID"
PR_SET_PDEATHSIG = 1
READ_AT_ONCE = 4 * 1024**2
"""Bytes that a connection's buffer grows to while an upload comes in fast: 2 GiB take two thirds of the CPU that they take
with 1 MiB. A hundred such uploads at once take 250 MiB, instead of 130."""
STARTED_WRONG = 3
"""Exit code of a worker whose site could not be started; the reason is on stderr."""
KILL_TIMEOUT = 5
"""Seconds a worker may take to end. Without a limit Granian hung on SIGTERM in 3 of 7 stops."""


def application() -> Any:
    """Build the site's application in a worker; Granian calls this."""
    _end_with_parent()
    try:
        _import_structlog_alone()
        from reelkit.app import serve_target

        return _slim(serve_target())
    except Exception as error:
        from reelkit.cli.failure import explain

        if os.environ.get("REELKIT_DEBUG"):
            import traceback

            traceback.print_exc()
        for line in explain(error):
            sys.stderr.write(f"reelkit: {line}\n")
        sys.stderr.flush()
        os._exit(STARTED_WRONG)


def _import_structlog_alone() -> None:
    """Keep rich and Pygments out of a server: structlog would take them, 5 MiB, to print tracebacks in colour."""
    if "rich" not in sys.modules:
        sys.modules["rich"] = None  # type: ignore[assignment]  # how Python is told that a module cannot be imported
        try:
            import structlog  # noqa: F401 - for what it finds missing while it is imported
        finally:
            del sys.modules["rich"]


def _slim(app: Any) -> Any:
    """Give back, once the site is open, what starting it has used: 10 of 133 MB."""

    def trimmed_when_started(scope: Any, receive: Any, send: Any) -> Any:
        if scope["type"] != "lifespan":
            return app(scope, receive, send)

        async def sent(message: Any) -> None:
            if message["type"] == "lifespan.startup.complete":
                gc.collect()
                gc.freeze()  # what is there now stays; looking through it again and again is time for nothing
                with contextlib.suppress(AttributeError):  # only glibc has it
                    ctypes.CDLL(None).malloc_trim(0)
            await send(message)

        return app(scope, receive, sent)

    return trimmed_when_started


def serve(host: str, port: int, workers: int, url: str) -> None:
    """Serve until SIGTERM or SIGINT; leaves the process with 1 when a worker could not start."""
    from granian.constants import HTTPModes, Interfaces, Loops, RuntimeModes
    from granian.http import HTTP1Settings
    from granian.log import LogLevels
    from granian.server.mp import MPServer

    class Server(MPServer):
        """Granian that says when it answers, and gives up when it never did."""

        def _spawn_workers(self, spawn_target: Any, target_loader: Any) -> None:
            super()._spawn_workers(spawn_target, target_loader)  # type: ignore[no-untyped-call]  # untyped in Granian
            # Only now: a thread beside a fork could leave its locks held in the child.
            threading.Thread(target=_announce, args=(host, port, url, self._is_ready), daemon=True).start()

        def _is_ready(self) -> None:
            # From here on a dead worker is replaced; before, it means that the site cannot start.
            self.respawn_failed_workers = True

    os.environ[PARENT] = str(os.getpid())
    Server(
        "reelkit.app:serve_target",
        address=host,
        port=port,
        workers=workers,
        interface=Interfaces.ASGI,
        loop=Loops.uvloop,
        runtime_mode=RuntimeModes.st,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(max_buffer_size=READ_AT_ONCE),
        workers_kill_timeout=KILL_TIMEOUT,
        log_level=LogLevels.warning,
        log_dictconfig=_log_to_stderr(),
    ).serve(target_loader=application, wrap_loader=False)


def _answers(host: str, port: int) -> bool:
    """Tell whether `/healthz` answers 200 now."""
    try:
        with socket.create_connection((host, port), timeout=1) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return connection.recv(12) == b"HTTP/1.1 200"
    except OSError:
        return False


def _announce(host: str, port: int, url: str, is_ready: Callable[[], None]) -> None:
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104 - compared, not bound
    while not _answers(reachable, port):
        time.sleep(0.02)
    is_ready()
    sys.stdout.write(f"reelkit is ready at {url}\n")
    sys.stdout.flush()


def _end_with_parent() -> None:
    """Have the kernel kill this worker when the server process dies, kill -9 included; it would hold the port and jobs."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.environ.get(PARENT) not in (None, str(os.getppid())):
        os._exit(STARTED_WRONG)  # it died before the kernel was asked


def _log_to_stderr() -> dict[str, Any]:
    from granian.log import LOGGING_CONFIG

    handlers: dict[str, dict[str, Any]] = LOGGING_CONFIG["handlers"]  # type: ignore[assignment]  # a dict literal over there
    return {"handlers": {name: {**handler, "stream": "ext://sys.stderr"} for name, handler in handlers.items()}}


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--host", required=True)
    options.add_argument("--port", type=int, required=True)
    options.add_argument("--workers", type=int, required=True)
    options.add_argument("--url", required=True)
    serve(**vars(options.parse_args()))
