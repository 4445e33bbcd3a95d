"""What tells where in the world an address is; a plugin offers one with `register_geolocator`."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

__all__ = ["Geolocator"]


@runtime_checkable
class Geolocator(Protocol):
    """Knows countries by heart: it is called in the event loop, so it neither waits nor asks anybody."""

    def country(self, address: str) -> str | None:
        """Return the country of an IP address, two letters of ISO 3166; None when it is not known. May raise."""
