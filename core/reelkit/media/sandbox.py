"""Running programs on bytes of strangers: limited, without network, dead with their parent."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

__all__ = ["INPUT_OPTIONS", "Confinement", "confined", "tail"]

_LAUNCHER = Path(__file__).with_name("confine.py")

INPUT_OPTIONS: dict[str, str] = {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,mpeg,avi,flv,ogg,asf,mxf,wav,mp3,aac,flac,gif",
    "max_streams": "64",
    "max_pixels": "67108864",
}
"""What libav is told before it opens an upload: no playlist, concat list or subtitle may name another file or host."""


class Confinement(msgspec.Struct, frozen=True, kw_only=True):
    """What a confined program may use. read, write: the only files and folders it sees beside the system's programs."""

    cpu_seconds: int
    memory_bytes: int
    """Address space, so about twice what is resident."""
    file_bytes: int
    """Longest file that it may write."""
    open_files: int = 256
    niceness: int = 0
    read: tuple[Path, ...] = ()
    write: tuple[Path, ...] = ()


def _find(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        raise FileNotFoundError(f"{program}: no such program")
    return os.path.abspath(found)  # noqa: PTH100 - resolving links would lose the environment of a Python


@asynccontextmanager
async def confined(program: Sequence[str | Path], confinement: Confinement) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a program with stdout and stderr as pipes; leaving the block kills it and all that it started.

    It has its own process group, an empty environment but for PATH and the locale, no network where the kernel permits
    that, and dies when this process dies. Must be entered from the event loop's own thread, because the kernel watches
    that thread. Raises FileNotFoundError when there is no such program.
    """
    found = _find(str(program[0]))
    words = [
        f"parent={os.getpid()}",
        f"cpu={confinement.cpu_seconds}",
        f"memory={confinement.memory_bytes}",
        f"file={confinement.file_bytes}",
        f"open={confinement.open_files}",
        f"nice={confinement.niceness}",
        *(f"read={path}" for path in confinement.read),
        *(f"write={path}" for path in confinement.write),
    ]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        "-S",
        str(_LAUNCHER),
        *words,
        "--",
        found,
        *(str(word) for word in program[1:]),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
        env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            # Emptied too: a pipe full of unread bytes would keep wait() from returning.
            assert process.stdout is not None and process.stderr is not None
            ends = (process.wait(), tail(process.stdout), tail(process.stderr))
            await asyncio.shield(asyncio.gather(*ends, return_exceptions=True))


async def tail(stream: asyncio.StreamReader, size: int = 8192) -> str:
    """Read a stream to its end and return its last `size` bytes as text."""
    kept = b""
    while chunk := await stream.read(65536):
        kept = (kept + chunk)[-size:]
    return kept.decode("utf-8", "replace")
