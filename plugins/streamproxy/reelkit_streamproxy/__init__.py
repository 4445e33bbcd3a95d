"""The stream proxy: HLS, DASH and files of other hosts, for whoever may stream here, without their players knowing a key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reelkit import Site, hookimpl

from reelkit_streamproxy.settings import Origin, Settings

if TYPE_CHECKING:
    from litestar.types import ControllerRouterHandler

__all__ = ["Origin", "Settings", "register_routes"]


@hookimpl
def register_routes(site: Site, settings: Settings) -> list[ControllerRouterHandler]:
    """Add /api and what belongs to it."""
    from reelkit_streamproxy.routes import handlers

    return handlers(site, settings)
