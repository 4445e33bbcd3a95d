"""The operator's list: whether an address may be asked for, and with which headers."""

from __future__ import annotations

import msgspec

from reelkit_streamproxy.addresses import Address
from reelkit_streamproxy.patterns import host_of_pattern, segments_of
from reelkit_streamproxy.refusals import OriginNotAllowed
from reelkit_streamproxy.settings import Origin, Settings

__all__ = ["Match", "Origins"]

_PORTS = {"http": 80, "https": 443}


class Match(msgspec.Struct, frozen=True):
    """The entry of the list that covers an address. name: its key in the settings."""

    name: str
    origin: Origin


class _Rule(msgspec.Struct, frozen=True):
    segments: tuple[bytes, ...]
    match: Match


class Origins:
    """The list, ready to be asked. Nothing in it matches part of a label, of a segment, or another port than its own."""

    def __init__(self, settings: Settings) -> None:
        self._rules: dict[tuple[str, str, int, bool], list[_Rule]] = {}
        for name, origin in settings.origins.items():
            host, below = host_of_pattern(origin.host)
            rule = _Rule(segments_of(origin.path), Match(name, origin))
            for scheme in dict.fromkeys(origin.schemes):
                self._rules.setdefault((scheme, host, origin.port or _PORTS[scheme], below), []).append(rule)
        for rules in self._rules.values():
            rules.sort(key=lambda rule: -len(rule.segments))

    def match(self, address: Address, name: str = "url") -> Match:
        """Return the entry that covers an address: the host itself before a pattern, then the longest path.

        name: the field that the address stands in. Raises OriginNotAllowed.
        """
        segments: tuple[bytes, ...] | None = None
        for host, below in _places(address.host):
            rules = self._rules.get((address.scheme, host, address.port, below))
            if rules is None:
                continue
            if segments is None:
                segments = segments_of(address.path)
            for rule in rules:
                if segments[: len(rule.segments)] == rule.segments:
                    return rule.match
        what = f"{address.scheme}://{address.host}:{address.port}"
        where = f"this path of {what}" if segments is not None else what
        raise OriginNotAllowed(name=name, detail=f"The operator of this proxy does not allow {where}.")


def _places(host: str) -> list[tuple[str, bool]]:
    """Return where a host may stand in the list: itself, then the names that it is below, the longest first."""
    places = [(host, False)]
    if ":" not in host and not host.rpartition(".")[2].isdecimal():
        rest = host.partition(".")[2]
        while rest:
            places.append((rest, True))
            rest = rest.partition(".")[2]
    return places
