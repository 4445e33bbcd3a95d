"""The country that an address is in, by the plugins that know; each answer is remembered for a while."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from reelkit.interfaces.geolocator import Geolocator
from reelkit.playback_rules import read_country
from reelkit.plugins import Plugins

__all__ = ["Countries"]

REMEMBERED = 8192
SECONDS = 600.0
SLOW = 0.05
"""Seconds of one answer; whoever takes longer holds up everybody and is blamed for it."""


class Countries:
    """Asks the geolocators of a process, one after the other until one knows. clock: seconds."""

    def __init__(self, plugins: Plugins, clock: Callable[[], float] = time.monotonic) -> None:
        self._plugins = plugins
        self._clock = clock
        self._locators: list[tuple[str, Geolocator]] | None = None
        self._known: OrderedDict[str, tuple[float, str]] = OrderedDict()

    @property
    def known(self) -> bool:
        """Whether anybody tells countries."""
        return bool(self._all())

    def of(self, address: str) -> str:
        """Return the two letters of a country; empty when nobody knows, or whoever knew has failed."""
        if not address or (self._locators is not None and not self._locators):
            return ""
        now = self._clock()
        since, country = self._known.get(address, (now - SECONDS, ""))
        if now - since < SECONDS:
            return country
        country, sure = self._ask(address)
        if sure:
            self._known[address] = (now, country)
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return country

    def _ask(self, address: str) -> tuple[str, bool]:
        """Return a country, and whether the answer may be remembered: a failure may be over at the next request."""
        sure = True
        quarantined = self._plugins.quarantined
        for name, locator in self._all():
            if name in quarantined:
                continue
            started = time.perf_counter()
            try:
                found = locator.country(address)
                country = "" if found is None else read_country(found)
            except Exception as error:
                sure = False
                self._plugins.blame(name, f"its geolocator failed: {type(error).__name__}: {error}")
                continue
            if (took := time.perf_counter() - started) > SLOW:
                self._plugins.blame(name, f"its geolocator took {took:.2f} s, {SLOW:g} s are allowed")
            if country:
                return country, sure
        return "", sure

    def _all(self) -> list[tuple[str, Geolocator]]:
        if self._locators is None:
            self._locators = []
            for name, locator in self._plugins.answers("register_geolocator"):
                if isinstance(locator, Geolocator):
                    self._locators.append((name, locator))
                else:
                    self._plugins.blame(name, f"register_geolocator returned {type(locator).__name__}, no Geolocator")
        return self._locators
