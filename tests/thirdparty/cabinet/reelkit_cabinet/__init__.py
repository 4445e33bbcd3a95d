"""Storage in one SQLite file."""

from __future__ import annotations

import msgspec
from reelkit import Provides, Site, hookimpl
from reelkit.interfaces.storage import Storage

from .storage import Cabinet

__all__ = ["Cabinet", "Settings", "register_storage"]


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[plugins.cabinet]"""

    file: str = "data/media.sqlite"
    """The SQLite file, relative to the site's folder."""


@hookimpl
def register_storage(site: Site, settings: Settings) -> Provides[Storage]:
    """Offer the storage `cabinet`."""
    return Provides("cabinet", lambda: Cabinet(site.folder / settings.file))
