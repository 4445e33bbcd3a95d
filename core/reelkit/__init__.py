"""reelkit: upload a video and it is playable at once. These names are public; plugins import nothing else."""

from typing import TYPE_CHECKING, Any

from reelkit.hookspecs import HealthCheck, Provides, hookimpl
from reelkit.media.sandbox import INPUT_OPTIONS, Confinement, confined, tail
from reelkit.problems import Problem
from reelkit.site import Site

if TYPE_CHECKING:
    from reelkit.outbound import Outbound, OutboundFailed, OutboundLimits, OutboundRefused, OutboundTooLarge

__all__ = [
    "INPUT_OPTIONS",
    "Confinement",
    "HealthCheck",
    "Outbound",
    "OutboundFailed",
    "OutboundLimits",
    "OutboundRefused",
    "OutboundTooLarge",
    "Problem",
    "Provides",
    "Site",
    "confined",
    "hookimpl",
    "tail",
]


def __getattr__(name: str) -> Any:
    # An HTTP client takes a tenth of a second to import, and most processes that import reelkit never ask for it.
    if name.startswith("Outbound") and name in __all__:
        from reelkit import outbound

        return getattr(outbound, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
