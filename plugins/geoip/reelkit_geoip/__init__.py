"""Countries of viewers, by a file in the MaxMind DB format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from reelkit import HealthCheck, Site, hookimpl

if TYPE_CHECKING:
    from reelkit_geoip.countries import CountryFile

__all__ = ["Settings", "register_geolocator", "register_health_check"]


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[plugins.geoip]"""

    file: str
    """A `.mmdb` file of countries or cities, absolute or relative to the folder of the site."""


@hookimpl
def register_geolocator(settings: Settings, site: Site) -> CountryFile:
    """Offer what the file says. Raises RuntimeError when it cannot be read."""
    # A site without a file needs no reader.
    from reelkit_geoip.countries import CountryFile

    return CountryFile(_path(settings, site))


@hookimpl
def register_health_check(settings: Settings, site: Site) -> HealthCheck:
    """Look whether the file can be read."""

    async def check() -> None:
        import asyncio

        from reelkit_geoip.countries import opened

        reader = await asyncio.to_thread(opened, _path(settings, site))
        reader.close()

    return HealthCheck("countries", check)


def _path(settings: Settings, site: Site) -> Path:
    return site.folder / settings.file
