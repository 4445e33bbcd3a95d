"""Storage in a folder of this machine: the default of a site that runs on one machine."""

from __future__ import annotations

import msgspec
from reelkit import Provides, Site, hookimpl
from reelkit.interfaces.storage import Storage

from reelkit_local.storage import LocalStorage

__all__ = ["LocalStorage", "Settings", "register_storage"]


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[plugins.local]"""

    folder: str = "data/media"
    """Where the files are; relative to the site's folder."""
    durable: bool = True
    """Wait until bytes are on the disk (fsync) before an upload is acknowledged, so that a power cut loses none."""
    direct: bool = True
    """Write what is longer than 32 MiB past the page cache, if durable and the file system can; slower on some networks."""
    keep_free: int = 256 * 1024**2
    """Bytes of the disk that media never take, so that the database can still write."""
    forget_uploads_hours: float = 168.0
    """An unfinished multipart upload that nothing was added to for so long is removed when the site starts."""


@hookimpl
def register_storage(site: Site, settings: Settings) -> Provides[Storage]:
    """Offer the storage `local`."""
    return Provides(
        "local",
        lambda: LocalStorage(
            site.folder / settings.folder,
            durable=settings.durable,
            direct=settings.direct,
            keep_free=settings.keep_free,
            forget_uploads_hours=settings.forget_uploads_hours,
        ),
    )
