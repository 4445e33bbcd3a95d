"""Where what lies: objects, files being written, multipart uploads; and how a file becomes an object."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

import msgspec
from reelkit.interfaces.storage import (
    KEY,
    InvalidKey,
    KeyTaken,
    StorageError,
    StorageFull,
    StorageUnavailable,
)

__all__ = ["Folders", "Incoming", "lock_is_free", "os_errors", "sync_folder"]

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
MISSING = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR}


@contextmanager
def os_errors(key: str, *, missing: type[StorageError] = StorageUnavailable) -> Iterator[None]:
    """Turn OSError into the storage's errors: no space → StorageFull, no such file → missing, else StorageUnavailable."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno in FULL:
            raise StorageFull(key, f"the disk is full ({reason})") from error
        if error.errno in MISSING:
            raise missing(key, reason) from error
        raise StorageUnavailable(key, reason) from error


class Incoming(msgspec.Struct, frozen=True):
    """A file being written. Its writer holds it locked, so that one without a lock is known to be left over."""

    descriptor: int
    path: Path

    @classmethod
    def create(cls, folder: Path, name: str) -> Incoming:
        """Create `name` plus a random end in a folder, open for reading and writing. Raises OSError."""
        while True:
            path = folder / f"{name}{token_hex(8)}"
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # A sweeper may have locked and removed it in between.
                if os.fstat(descriptor).st_nlink == 1:
                    return cls(descriptor, path)
            except BlockingIOError:
                pass
            except OSError:
                cls(descriptor, path).discard()
                raise
            os.close(descriptor)

    def discard(self) -> None:
        """Close it and remove this name of it; a name that was published stays."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)
        os.close(self.descriptor)


def lock_is_free(path: Path) -> bool:
    """Tell whether nobody holds the lock of a file; a missing file has none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> list[Path]:
    """Make a folder and those above it; return the ones whose list of names changed.

    Others make and remove folders meanwhile, so each step asks the system, once. Raises FileNotFoundError when one was
    removed again, NotADirectoryError when there is a file, OSError.
    """
    try:
        folder.mkdir()
    except FileExistsError:
        if not stat.S_ISDIR(folder.stat().st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)) from None
        return []
    except FileNotFoundError:
        return [*make_folder(folder.parent), *make_folder(folder)]
    return [folder.parent]


class Folders:
    """The folders of one storage. objects/KEY: finished files; incoming/: files being written; uploads/ID/: multipart.

    All three lie on one filesystem, so that a finished file becomes an object by a link, which is atomic between processes.
    """

    def __init__(self, root: Path, *, durable: bool, direct: bool, keep_free: int) -> None:
        self.root = root
        self.durable = durable
        self.direct = direct
        self.keep_free = keep_free
        self.objects = root / "objects"
        self.incoming = root / "incoming"
        self.uploads = root / "uploads"

    def prepare(self) -> None:
        """Make the folders and remove what killed processes left in incoming/. Raises StorageUnavailable, StorageFull."""
        with os_errors(str(self.root)):
            for folder in (self.objects, self.incoming, self.uploads):
                folder.mkdir(parents=True, exist_ok=True)
            for left in self.incoming.iterdir():
                if lock_is_free(left):
                    left.unlink(missing_ok=True)

    def create(self, key: str) -> Incoming:
        """Create a file for the bytes of an object to be. Raises StorageFull, StorageUnavailable."""
        with os_errors(key):
            return Incoming.create(self.incoming, "put-")

    def path(self, key: str) -> Path:
        """Return the file of an object. Raises InvalidKey."""
        if not KEY.match(key):
            raise InvalidKey(key[:100], "not a key")
        return self.objects / key

    def check_room(self, key: str, size: int) -> None:
        """Raise StorageFull unless so many more bytes fit."""
        with os_errors(key):
            place = os.statvfs(self.root)
        free = place.f_bavail * place.f_frsize - self.keep_free
        if size > free:
            raise StorageFull(key, f"{size} bytes do not fit, {max(free, 0)} are left for media")

    def refuse_taken(self, key: str) -> None:
        """Raise KeyTaken when an object has this key, before any byte is taken for it."""
        if os.path.lexists(self.path(key)):
            raise KeyTaken(key)

    def publish(self, key: str, file: Path) -> None:
        """Give a finished, synced file its key; the file keeps its old name too. Raises KeyTaken, StorageError."""
        final = self.path(key)
        while True:
            try:
                made = make_folder(final.parent)
                # link() fails when the name exists, in one step, whichever process asks: rename() would replace.
                os.link(file, final)
            except FileExistsError as error:
                raise KeyTaken(key) from error
            except NotADirectoryError as error:
                raise KeyTaken(key, "a part of this key is an object") from error
            except FileNotFoundError as error:
                if not (file.exists() and self.objects.exists()):
                    raise StorageUnavailable(key, f"{self.root} was changed by somebody else") from error
                continue  # A delete removed the empty folder that the key belongs to: make it again.
            except OSError as error:
                kind = StorageFull if error.errno in FULL else StorageUnavailable
                raise kind(key, error.strerror or str(error)) from error
            break
        if self.durable:
            with os_errors(key):
                for folder in [final.parent, *made]:
                    # A delete may have taken the object and its folder away already.
                    with suppress(FileNotFoundError):
                        sync_folder(folder)

    def remove(self, key: str) -> None:
        """Remove an object and the folders that are empty without it; a missing one is no error."""
        final = self.path(key)
        with os_errors(key):
            try:
                final.unlink()
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                return
        for folder in final.parents:
            if folder == self.objects:
                return
            try:
                folder.rmdir()
            except OSError:
                return

    def fail_unless_writable(self) -> None:
        """Write, link, read back and remove a small file. Raises StorageFull, StorageUnavailable."""
        self.check_room("check", 4096)
        with os_errors("check"):
            incoming = Incoming.create(self.incoming, "check-")
            linked = incoming.path.with_suffix(".linked")
            try:
                os.write(incoming.descriptor, b"reelkit")
                os.link(incoming.path, linked)
                if linked.read_bytes() != b"reelkit":
                    raise StorageUnavailable("check", f"{self.root} does not give back what was written")
            finally:
                linked.unlink(missing_ok=True)
                incoming.discard()
