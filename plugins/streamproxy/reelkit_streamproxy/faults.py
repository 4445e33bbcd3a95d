"""What clients are told when an origin fails, as Problems; those about the origin's answer carry its status."""

from __future__ import annotations

import msgspec
from reelkit import OutboundFailed, OutboundRefused, OutboundTooLarge, Problem

from reelkit_streamproxy.http1 import Silent

__all__ = [
    "AddressNotCalled",
    "AnswerRefused",
    "RedirectRefused",
    "UpstreamBusy",
    "UpstreamFailed",
    "UpstreamMissing",
    "UpstreamSilent",
    "fault_of",
    "fault_of_status",
]


class UpstreamFailed(Problem):
    """The origin cannot be reached, or answers with a failure. upstream_status: of its answer, if there is one."""

    slug, status, title = "proxy-upstream-failed", 502, "The origin failed."

    def __init__(self, *, detail: str, upstream_status: int | None = None) -> None:
        super().__init__(detail=detail)
        self.upstream_status = upstream_status

    def body(self) -> msgspec.Struct:  # type: ignore[override]  # a body with one field more, whose class is not public
        """Return what is sent."""
        plain = super().body()
        if self.upstream_status is None:
            return plain
        fields = [(name, object) for name in plain.__struct_fields__ if getattr(plain, name)]
        told = msgspec.defstruct("UpstreamBody", [*fields, ("upstream_status", int)])
        return told(**{name: getattr(plain, name) for name, _ in fields}, upstream_status=self.upstream_status)


class UpstreamMissing(UpstreamFailed):
    """The origin has no such thing."""

    slug, status, title = "proxy-upstream-not-found", 404, "The origin has no such thing."


class UpstreamSilent(UpstreamFailed):
    """The origin takes too long."""

    slug, status, title = "proxy-upstream-timeout", 504, "The origin does not answer in time."


class AnswerRefused(UpstreamFailed):
    """The origin answers with something that is not passed on: too large, of another type, packed."""

    slug, title = "proxy-answer-refused", "The answer of the origin is not passed on."


class RedirectRefused(UpstreamFailed):
    """The origin redirects to where the proxy does not go."""

    slug, title = "proxy-redirect-refused", "The origin redirects to an address that is not fetched."


class UpstreamBusy(Problem):
    """As many requests to the origin are under way as its operator wants of this site."""

    slug, status, title = "proxy-upstream-busy", 503, "Too many requests to the origin are under way."
    headers = {"retry-after": "5"}


class AddressNotCalled(Problem):
    """The address is on the list of origins and leads into the operator's network, which this site does not call."""

    slug, status, title = "proxy-address-refused", 403, "This address is not called."


def fault_of(error: OutboundFailed | OutboundRefused) -> Problem:
    """Return what a client is told of a request that came to nothing."""
    if isinstance(error, OutboundRefused):
        return AddressNotCalled(name="url", detail=str(error))
    if isinstance(error, Silent):
        return UpstreamSilent(detail=str(error))
    if isinstance(error, OutboundTooLarge):
        return AnswerRefused(detail=str(error))
    return UpstreamFailed(detail=str(error))


def fault_of_status(host: str, status: int) -> Problem:
    """Return what a client is told of an answer that is no success."""
    kind = UpstreamMissing if status in (404, 410) else UpstreamFailed
    return kind(detail=f"{host} answered {status}.", upstream_status=status)
