"""Why a request to another host came to nothing. The texts are for people, and name no address of the operator's network."""

from __future__ import annotations

__all__ = ["OutboundFailed", "OutboundRefused", "OutboundTooLarge"]


class OutboundRefused(Exception):
    """The request must not be made: its address is not one that this site calls. Trying again does not help."""


class OutboundFailed(Exception):
    """The request was made and failed: nobody answered, too late, or not in HTTP. Trying again may help."""


class OutboundTooLarge(OutboundFailed):
    """The answer has more bytes than were asked for."""
