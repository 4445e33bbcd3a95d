"""Reading countries from a MaxMind DB file, which may be replaced at any time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

import maxminddb

__all__ = ["CountryFile", "opened"]

LOOK_EVERY = 60.0
"""Seconds between two looks whether the file was replaced."""

log = logging.getLogger("reelkit.geoip")


def opened(path: Path) -> maxminddb.Reader:
    """Open a file. Raises RuntimeError with a sentence for people."""
    try:
        return maxminddb.open_database(path)
    except OSError as error:
        raise RuntimeError(f"{path} cannot be read: {error.strerror or error}") from None
    except maxminddb.InvalidDatabaseError as error:
        raise RuntimeError(f"{path} is no file in the MaxMind DB format: {error}") from None


class CountryFile:
    """A Geolocator. clock: seconds. Raises RuntimeError when the file cannot be read."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._reader = opened(path)
        self._seen = _mark(path)
        self._looked = clock()

    def country(self, address: str) -> str | None:
        """Return the country of an address: where it is, else where its owner is registered. None when neither is known."""
        if self._clock() - self._looked >= LOOK_EVERY:
            self._look()
        try:
            found = self._reader.get(address)
        except ValueError:  # no address, or IPv6 in a file of IPv4
            return None
        if not isinstance(found, dict):
            return None
        for name in ("country", "registered_country"):
            told = found.get(name)
            code = told.get("iso_code") if isinstance(told, dict) else told
            if isinstance(code, str) and len(code) == 2:
                return code
        code = found.get("country_code")
        return code if isinstance(code, str) and len(code) == 2 else None

    def _look(self) -> None:
        """Take over another file that is in its place; a broken one is no reason to forget what is known."""
        self._looked = self._clock()
        mark = _mark(self._path)
        if mark == self._seen or mark is None:
            return
        try:
            reader = opened(self._path)
        except RuntimeError as error:
            log.warning("the old countries are used on: %s", error)
            return
        # The old one is not closed: nothing else holds it, and its memory goes with it.
        self._reader, self._seen = reader, mark


def _mark(path: Path) -> tuple[int, int, int] | None:
    """Return what changes when a file is replaced; None when there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
