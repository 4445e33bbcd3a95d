"""HTTP requests to addresses that somebody else chose: webhooks, source URLs, what the proxy fetches.

    async with Outbound(site.network.allow_private) as outbound:
        answer = await outbound.fetch("GET", url)                   # small: the whole body
        async with outbound.open("GET", url, limits=…) as opened:   # large: chunk by chunk
            async for chunk in opened.chunks(): …

A request never reaches what is inside the operator's network unless `allow_private` names it, and never takes or sends
more, or for longer, than its limits say.
"""

from typing import TYPE_CHECKING, Any

from reelkit.outbound.errors import OutboundFailed, OutboundRefused, OutboundTooLarge
from reelkit.outbound.limits import OutboundLimits

if TYPE_CHECKING:
    from reelkit.outbound.client import Answer, Opened, Outbound
    from reelkit.outbound.dialing import dial
    from reelkit.outbound.urls import checked_url, port_of

__all__ = [
    "Answer",
    "Opened",
    "Outbound",
    "OutboundFailed",
    "OutboundLimits",
    "OutboundRefused",
    "OutboundTooLarge",
    "checked_url",
    "dial",
    "port_of",
]


def __getattr__(name: str) -> Any:
    # The HTTP libraries take 13 MiB and a tenth of a second, and many sites never call anybody.
    if name in ("checked_url", "port_of"):
        from reelkit.outbound import urls

        return getattr(urls, name)
    if name == "dial":
        from reelkit.outbound.dialing import dial

        return dial
    if name in __all__:
        from reelkit.outbound import client

        return getattr(client, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
