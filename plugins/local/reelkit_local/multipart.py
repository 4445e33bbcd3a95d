"""Multipart uploads on a disk: a part whose place is known is written there, so that completing copies nothing.

uploads/ID/ holds:
  key                     the key that the upload is for
  lock                    locked while the names below are read and changed together
  object                  the object to be, with holes where parts are missing
  NUMBER.TOKEN.claim.OFFSET.SIZE   a part being written into `object`; locked by its writer
  NUMBER.TOKEN.at.OFFSET.SIZE      a part that is whole in `object`
  NUMBER.TOKEN.partial    a part being written to a file of its own; locked by its writer
  NUMBER.TOKEN.own        a whole part in a file of its own
Places never overlap: a part that would overlap another one is written to a file of its own.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import time
from collections.abc import AsyncIterable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from secrets import token_hex

import msgspec
from reelkit.interfaces.storage import NotStored, Part, StorageError, Stored

from reelkit_local.folders import Folders, lock_is_free, os_errors, sync_folder
from reelkit_local.threads import held, in_thread
from reelkit_local.writing import FileWriter, give_back, write_stream

__all__ = ["Uploads"]

COPIED_AT_ONCE = 64 * 1024**2


class Record(msgspec.Struct, frozen=True):
    """One part, as its file name tells. kind: claim, at, partial or own; offset, size: bytes, of claim and at only."""

    number: int
    token: str
    kind: str
    offset: int = 0
    size: int = 0

    @property
    def name(self) -> str:
        """The file name."""
        place = f".{self.offset}.{self.size}" if self.kind in ("claim", "at") else ""
        return f"{self.number}.{self.token}.{self.kind}{place}"

    def overlaps(self, offset: int, size: int) -> bool:
        """Tell whether it lies in `object` where these bytes would."""
        in_object = self.kind in ("claim", "at")
        return in_object and self.offset < offset + size and offset < self.offset + self.size


class Writing(msgspec.Struct, frozen=True):
    """A part being written. record: what its file name says; lock, data: descriptors, the same one for an own file."""

    record: Record
    lock: int
    data: int


class Uploads:
    """The multipart uploads of one storage."""

    def __init__(self, folders: Folders, threads: Executor) -> None:
        self._folders = folders
        self._threads = threads

    async def begin(self, key: str) -> str:
        """Open an upload. Raises KeyTaken."""

        def make() -> str:
            self._folders.refuse_taken(key)
            self._folders.check_room(key, 0)
            upload = token_hex(16)
            folder = self._folders.uploads / upload
            with os_errors(key):
                folder.mkdir()
                # The key comes last: a folder without it is no upload.
                for name, text in (("lock", ""), ("object", ""), ("key", key)):
                    with (folder / name).open("x", encoding="ascii") as file:
                        file.write(text)
                        file.flush()
                        if self._folders.durable:
                            os.fsync(file.fileno())
                if self._folders.durable:
                    sync_folder(folder)
                    sync_folder(folder.parent)
            return upload

        return await in_thread(self._threads, make)

    async def put_part(
        self, key: str, upload: str, number: int, body: AsyncIterable[bytes], *, size: int | None, offset: int | None
    ) -> Part:
        """Store one part. Raises NotStored, StorageFull, StorageError."""
        if not 1 <= number <= 10000:
            raise StorageError(key, f"parts are numbered 1 to 10000, not {number}")
        folder = await in_thread(self._threads, self._folder, key, upload)
        opening = partial(self._open_part, folder, key, number, size, offset)
        async with held(self._threads, opening, partial(self._close_part, folder)) as writing:
            at = writing.record.offset
            writer = FileWriter(writing.data, key, self._folders, at=at)
            total = await write_stream(writer, body, self._threads, size=size)

            def settle() -> Part:
                writer.sync()
                return self._settle(folder, key, writing.record, total)

            return await in_thread(self._threads, settle)

    async def complete(self, key: str, upload: str, parts: Sequence[Part]) -> Stored:
        """Make the object of the parts in the order given. Raises NotStored, KeyTaken."""

        def join() -> Stored:
            folder = self._folder(key, upload)
            with self._locked(folder, key):
                if not self._completed(folder):
                    self._folders.publish(key, self._joined(folder, key, parts))
                size = self._folders.path(key).stat().st_size
                # Still locked, or a late part would be written into what is published now.
                shutil.rmtree(folder, ignore_errors=True)
            return Stored(key, size)

        return await in_thread(self._threads, join)

    async def abort(self, key: str, upload: str) -> None:
        """Forget an upload."""

        def remove() -> None:
            with suppress(NotStored):
                shutil.rmtree(self._folder(key, upload), ignore_errors=True)

        await in_thread(self._threads, remove)

    def forget(self, hours: float) -> None:
        """Remove the uploads that nothing was added to for so long."""
        limit = time.time() - hours * 3600
        for folder in self._folders.uploads.iterdir():
            with suppress(OSError):
                if max(entry.stat().st_mtime for entry in [folder, *folder.iterdir()]) < limit:
                    shutil.rmtree(folder, ignore_errors=True)

    def _folder(self, key: str, upload: str) -> Path:
        """Return the folder of an upload. Raises InvalidKey, NotStored."""
        self._folders.path(key)
        folder = self._folders.uploads / upload
        if not re.fullmatch(r"[0-9a-f]{32}", upload):
            raise NotStored(key, "no such upload")
        with os_errors(key, missing=NotStored):
            if (folder / "key").read_text("ascii") != key:
                raise NotStored(key, "no such upload")
        return folder

    @contextmanager
    def _locked(self, folder: Path, key: str) -> Iterator[None]:
        """Hold the lock of an upload; other threads and processes wait."""
        with os_errors(key, missing=NotStored), (folder / "lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _completed(self, folder: Path) -> bool:
        """Tell whether its object was published, by a process that was killed before it could remove the upload."""
        made = [folder / name for name in ("object", "joined")]
        return any(file.exists() and file.stat().st_nlink > 1 for file in made)

    def _open_part(self, folder: Path, key: str, number: int, size: int | None, offset: int | None) -> Writing:
        """Choose where a part is written and open that."""
        self._folders.check_room(key, size or 0)
        with self._locked(folder, key):
            if self._completed(folder):
                raise NotStored(key, "the upload is complete")
            token = token_hex(8)
            record = Record(number, token, "partial")
            if size and offset is not None and offset >= 0:
                for other in records(folder):
                    if other.kind == "claim" and other.overlaps(offset, size) and lock_is_free(folder / other.name):
                        (folder / other.name).unlink(missing_ok=True)
                if not any(other.overlaps(offset, size) for other in records(folder)):
                    record = Record(number, token, "claim", offset, size)
            lock = os.open(folder / record.name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if record.kind == "partial":
                return Writing(record, lock, lock)
            try:
                return Writing(record, lock, os.open(folder / "object", os.O_RDWR | os.O_CLOEXEC))
            except OSError:
                os.close(lock)
                raise

    def _close_part(self, folder: Path, writing: Writing) -> None:
        """Close what was open; a part that was not settled is gone."""
        broken = folder / writing.record.name
        with suppress(OSError):
            if writing.record.kind == "claim" and broken.exists():
                # While its claim still keeps others from the place: what ran out of room must not keep it full.
                give_back(writing.data, writing.record.offset, writing.record.size)
            broken.unlink(missing_ok=True)
        for descriptor in {writing.lock, writing.data}:
            os.close(descriptor)

    def _settle(self, folder: Path, key: str, record: Record, size: int) -> Part:
        """Turn a written part into a whole one, in place of any other part of its number."""
        whole = msgspec.structs.replace(record, kind="at" if record.kind == "claim" else "own")
        with self._locked(folder, key):
            (folder / record.name).rename(folder / whole.name)
            for other in records(folder):
                if other.number == whole.number and other.token != whole.token and other.kind in ("at", "own"):
                    (folder / other.name).unlink(missing_ok=True)
            if self._folders.durable:
                sync_folder(folder)
        return Part(record.number, size, record.token)

    def _joined(self, folder: Path, key: str, parts: Sequence[Part]) -> Path:
        """Return the file that has all parts in order."""
        found = records(folder)
        whole = {(record.number, record.token): record for record in found if record.kind in ("at", "own")}
        chosen: list[tuple[Record, int, int]] = []
        end = 0
        for part in parts:
            record = whole.get((part.number, part.tag))
            if record is None:
                raise NotStored(key, f"part {part.number} is not stored")
            size = record.size if record.kind == "at" else (folder / record.name).stat().st_size
            chosen.append((record, end, size))
            end += size
        # What somebody still writes into must not be published, nor parts that lie at another place than they belong.
        unfit = any(record.kind == "at" and record.offset != place for record, place, _ in chosen) or any(
            record.kind == "claim" and not lock_is_free(folder / record.name) for record in found
        )
        made = folder / ("joined" if unfit else "object")
        with made.open("w+b" if unfit else "r+b") as target:
            for record, place, size in chosen:
                if record.kind == "at" and not unfit:
                    continue
                self._folders.check_room(key, size)
                with (folder / ("object" if record.kind == "at" else record.name)).open("rb") as source:
                    copy(source.fileno(), record.offset, target.fileno(), place, size)
            os.ftruncate(target.fileno(), end)
            if self._folders.durable:
                os.fsync(target.fileno())
        return made


def records(folder: Path) -> list[Record]:
    """Read the parts of an upload from its file names."""
    found = []
    for name in os.listdir(folder):  # noqa: PTH208 - names are all that is wanted, and there may be 10,000
        number, _, rest = name.partition(".")
        if not rest:
            continue
        token, kind, *place = rest.split(".")
        found.append(Record(int(number), token, kind, *(int(text) for text in place)))
    return found


def copy(source: int, start: int, target: int, place: int, size: int) -> None:
    """Copy bytes between files inside the kernel, sharing blocks where the filesystem can. Raises OSError."""
    while size:
        done = os.copy_file_range(source, target, min(size, COPIED_AT_ONCE), start, place)
        if not done:
            raise OSError(5, "a part is shorter than it was")
        start, place, size = start + done, place + done, size - done
