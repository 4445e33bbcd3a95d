"""Where a live stream is sent on to: what clients may ask for, with the contract's own words for what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import msgspec

from reelkit.api.payloads import Null
from reelkit.catalog.live_streams import Restream
from reelkit.problems import InvalidAttribute, Problem, every

__all__ = ["RestreamPayload", "checked_restreams"]

MOST = 5
LENGTH = 2000
"""Characters of each field."""

Unset = msgspec.UnsetType


class RestreamPayload(msgspec.Struct, frozen=True, rename="camel"):
    """The contract's `restreams-request-object`. All three are required; what is missing is told by its own name."""

    name: str | Unset | None = msgspec.UNSET
    server_url: str | Unset | None = msgspec.UNSET
    stream_key: str | Unset | None = msgspec.UNSET


class Blank(InvalidAttribute):
    """Missing or empty."""

    title = "This value should not be blank."


class TooMany(InvalidAttribute):
    """More than five."""

    title = f"This collection should contain {MOST} elements or less."


class NoRtmpUrl(InvalidAttribute):
    """Another scheme, no host, or no URL at all."""

    title = "RTMP URL should have the following format: [rtmp|rtmps]://[host]/[app name]."


class NoAppName(InvalidAttribute):
    """A URL without a path."""

    title = "Missing app name: [rtmp|rtmps]://[host]/[app name]."


def checked_restreams(given: tuple[RestreamPayload, ...]) -> tuple[Restream, ...]:
    """Return the restreams of a payload. Raises InvalidAttribute with every fault, named like `restreams[0][serverUrl]`."""
    if len(given) > MOST:
        raise every([TooMany(name="restreams")])
    faults: list[Problem] = []
    for number, restream in enumerate(given):
        faults += _faults(f"restreams[{number}]", restream)
    if faults:
        raise every(faults)
    return tuple(Restream(str(one.name), str(one.server_url), str(one.stream_key)) for one in given)


def _faults(name: str, restream: RestreamPayload) -> Iterator[Problem]:
    for field in msgspec.structs.fields(restream):
        value = getattr(restream, field.name)
        where = f"{name}[{field.encode_name}]"
        if value is None:
            yield Null(name=where)
        elif value is msgspec.UNSET or not value.strip():
            yield Blank(name=where)
        elif len(value) > LENGTH:
            yield InvalidAttribute(name=where, detail=f"This may have at most {LENGTH} characters.", range=(0, LENGTH))
        elif field.name == "server_url" and (fault := _url_fault(value)) is not None:
            yield fault(name=where)


def _url_fault(url: str) -> type[InvalidAttribute] | None:
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("rtmp", "rtmps") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return NoRtmpUrl
    if not known or any(char.isspace() or not char.isprintable() for char in url):
        return NoRtmpUrl
    return None if parts.path.strip("/") else NoAppName
