"""Segments on the disk, for whoever asks next: of every worker of this machine, within a budget, the oldest leave first.

One file an entry, named by a digest of what was asked for, written beside and renamed when it is whole: `HEADER\\n` in
JSON, then the bytes. What is there at a start is used on. When a file was used last is its time of modification.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

__all__ = ["Cache", "Entry", "Kept"]

HEADER = 4096
"""Bytes that the first line has, padded with blanks, so that one read finds it whole."""
FIRST = 2560 << 10
"""Bytes of a body that are read at once: 4 s at 5 Mb/s."""
TOUCHED = 30.0
"""Seconds within which a use is not noted again."""
ABANDONED = 3600.0
"""Seconds after which a file that is still being written has been left by a process that died."""


class Entry(msgspec.Struct, frozen=True):
    """What is kept of an answer beside its bytes. expires: Unix time; headers: by lower-case name."""

    key: str
    size: int
    expires: float
    headers: dict[str, str]


class Kept:
    """An entry that was found, opened: it stays readable when it is removed. Close it."""

    def __init__(self, file: int, entry: Entry) -> None:
        self._file = file
        self.entry = entry

    def read(self, start: int, stop: int) -> bytes:
        """Return bytes start <= i < stop, from the disk: in a thread. Raises OSError when they are not all there."""
        data = os.pread(self._file, stop - start, HEADER + start)
        if len(data) != stop - start:
            raise OSError("an entry of the cache is shorter than it was")
        return data

    def close(self) -> None:
        """Let go of it."""
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)


class Cache:
    """All of it reads and writes files, so it is called in threads. budget: bytes of all entries together."""

    def __init__(self, folder: Path, budget: int) -> None:
        self._folder = folder
        self._budget = budget
        # Others write too, so what is there is counted now and then: after every sixteenth of the budget of our own.
        self._uncounted = budget

    def find(self, key: str) -> tuple[Kept, bytes] | None:
        """Return an entry that is fresh, with the first bytes of its body; None when there is none."""
        try:
            file = os.open(self._path(key), os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            whole = os.pread(file, HEADER + FIRST, 0)
            entry = msgspec.json.decode(whole[:HEADER], type=Entry)
            state = os.fstat(file)
            now = time.time()
            if entry.key == key and entry.expires > now and state.st_size == HEADER + entry.size:
                if now - state.st_mtime > TOUCHED:
                    os.utime(file)
                kept, file = Kept(file, entry), -1
                return kept, whole[HEADER:]
        except (OSError, msgspec.MsgspecError):
            return None
        finally:
            if file >= 0:
                os.close(file)
        return None

    def keep(self, entry: Entry, pieces: Sequence[bytes | bytearray]) -> bool:
        """Write an entry, all or nothing; return whether it was. A full or broken disk costs no viewer anything."""
        header = msgspec.json.encode(entry)
        if len(header) >= HEADER or HEADER + entry.size > self._budget:
            return False
        path = self._path(entry.key)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(draft, "xb", buffering=0, opener=_private) as out:
                out.write(header + b" " * (HEADER - len(header) - 1) + b"\n")
                for piece in pieces:
                    if out.write(piece) != len(piece):
                        raise OSError("the disk is full")
            draft.rename(path)
        except OSError:
            with contextlib.suppress(OSError):
                draft.unlink()
            return False
        self._uncounted += HEADER + entry.size
        if self._uncounted >= self._budget // 16:
            self._uncounted = 0
            self._trim()
        return True

    def _path(self, key: str) -> Path:
        name = hashlib.sha256(key.encode()).hexdigest()
        return self._folder / name[:2] / name[2:]

    def _trim(self) -> None:
        """Remove what was not used for longest until all fits, with room for what is written before the next look."""
        with contextlib.suppress(OSError), (self._folder / ".lock").open("wb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return  # another worker is at it
            found: list[tuple[float, int, str]] = []
            with os.scandir(self._folder) as folders:
                for folder in folders:
                    if folder.is_dir(follow_symlinks=False):
                        found += self._entries(folder.path)
            total = sum(size for _, size, _ in found)
            room = self._budget - self._budget // 16
            for _, size, path in sorted(found):
                if total <= room:
                    break
                with contextlib.suppress(FileNotFoundError):
                    Path(path).unlink()
                total -= size

    def _entries(self, folder: str) -> list[tuple[float, int, str]]:
        found = []
        with os.scandir(folder) as files:
            for file in files:
                with contextlib.suppress(FileNotFoundError):
                    state = file.stat(follow_symlinks=False)
                    draft = file.name.startswith(".")
                    if not draft or time.time() - state.st_mtime >= ABANDONED:
                        found.append((0.0 if draft else state.st_mtime, state.st_size, file.path))
        return found


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)
