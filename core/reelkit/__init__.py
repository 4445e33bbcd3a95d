"""reelkit: upload a video and it is playable at once. These names are public; plugins import nothing else."""

from typing import TYPE_CHECKING, Any

from reelkit.hookspecs import HealthCheck, Provides, hookimpl
from reelkit.media.sandbox import INPUT_OPTIONS, Confinement, confined, tail
from reelkit.problems import Problem
from reelkit.site import Site
from reelkit.site_secrets import signing_keys

if TYPE_CHECKING:
    from reelkit.api.gate import Gate, Visitor
    from reelkit.outbound import (
        Outbound,
        OutboundFailed,
        OutboundLimits,
        OutboundRefused,
        OutboundTooLarge,
        checked_url,
        dial,
        port_of,
    )

__all__ = [
    "INPUT_OPTIONS",
    "Confinement",
    "Gate",
    "HealthCheck",
    "Outbound",
    "OutboundFailed",
    "OutboundLimits",
    "OutboundRefused",
    "OutboundTooLarge",
    "Problem",
    "Provides",
    "Site",
    "Visitor",
    "checked_url",
    "confined",
    "dial",
    "hookimpl",
    "port_of",
    "signing_keys",
    "tail",
]


def __getattr__(name: str) -> Any:
    # An HTTP client takes a tenth of a second to import, and most processes that import reelkit never ask for it.
    if (name.startswith("Outbound") and name in __all__) or name in ("checked_url", "dial", "port_of"):
        from reelkit import outbound

        return getattr(outbound, name)
    # The framework and the database, which a program that only imports reelkit may not need.
    if name in ("Gate", "Visitor"):
        from reelkit.api import gate

        return getattr(gate, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
