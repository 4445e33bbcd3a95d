"""Storage in a bucket of S3 or of anything that speaks its protocol."""

from __future__ import annotations

from reelkit import Provides, Site, hookimpl
from reelkit.interfaces.storage import Storage

from reelkit_s3.settings import Settings

__all__ = ["Settings", "register_storage"]


@hookimpl
def register_storage(settings: Settings, site: Site) -> Provides[Storage]:  # noqa: ARG001 - hooks share one shape
    """Offer the storage `s3`."""
    return Provides("s3", lambda: open_storage(settings))


def open_storage(settings: Settings) -> Storage:
    """Make the storage; the client library is needed only by sites that chose it. Raises RuntimeError, ValueError."""
    try:
        from reelkit_s3.storage import S3Storage
    except ModuleNotFoundError as error:
        if error.name != "obstore":
            raise
        raise RuntimeError('the storage "s3" needs obstore; install it with: pip install "reelkit[s3]"') from error
    return S3Storage(settings)
