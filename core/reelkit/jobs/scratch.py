"""Scratch folders: one for each attempt at a job, gone with the attempt or with the process that made it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from uuid import uuid4

from reelkit.jobs.lock import FileLock

__all__ = ["Scratch"]


class Scratch:
    """The scratch of one process, a folder below root that it locks, so that others can tell when its owner is dead."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._claim()

    def _claim(self) -> None:
        self.folder = self.root / uuid4().hex
        self._lock = FileLock(self.folder / "lock")

    def open(self) -> None:
        """Make the folder and remove those of dead processes. Blocks on the disk; raises OSError."""
        self.root.mkdir(parents=True, exist_ok=True)
        self.sweep()
        self.folder.mkdir()
        while not self._locked():  # another process swept it between the two steps
            self._claim()
            self.folder.mkdir()

    def _locked(self) -> bool:
        try:
            return self._lock.acquire()
        except FileNotFoundError:
            return False

    def close(self) -> None:
        """Remove the folder and everything in it. Blocks on the disk."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.release()

    def make(self, name: str) -> Path:
        """Make a new, empty folder for one attempt. name: only for people who look. Blocks on the disk; raises OSError."""
        readable = re.sub(r"[^A-Za-z0-9._-]+", "-", name)[:64]
        folder = self.folder / f"{readable}-{uuid4().hex[:12]}"
        folder.mkdir(parents=True)
        return folder

    def sweep(self) -> int:
        """Remove the folders whose owners are dead and return how many. Blocks on the disk; safe anywhere, any time."""
        swept = 0
        for folder in self.root.iterdir():
            if folder == self.folder or not folder.is_dir():
                continue
            lock = FileLock(folder / "lock")
            try:
                dead = lock.acquire()
            except OSError:  # somebody else removed it meanwhile
                continue
            if dead:
                shutil.rmtree(folder, ignore_errors=True)
                lock.release()
                swept += 1
        return swept
