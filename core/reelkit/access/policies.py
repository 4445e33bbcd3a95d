"""Where, from which address and in which country a video may be watched: the limits that hold, and whether they are kept."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

import msgspec

from reelkit.access.playback import Grant
from reelkit.interfaces.playback import PlaybackPolicy
from reelkit.playback_rules import read_all, read_country, read_domain, read_network
from reelkit.problems import InvalidAttribute, Problem, every
from reelkit.site import Playback

__all__ = ["NO_LIMITS", "Limits", "address_within", "checked", "host_of", "host_within", "kept_by", "limits_of"]

PORTS = {"http": 80, "https": 443}
LONGEST = 253
"""Characters of a host."""
SHORT = 512
"""Characters of an address that is remembered."""


class Limits(msgspec.Struct, frozen=True):
    """What holds for one video. Empty: no limit."""

    domains: tuple[str, ...] = ()
    no_referrer: bool = False
    countries: tuple[str, ...] = ()
    ips: tuple[str, ...] = ()


NO_LIMITS = Limits()
"""What holds for most; it is this very object, so that nothing need be compared."""


def limits_of(site: Playback, policy: PlaybackPolicy | None) -> Limits:
    """Return what holds for a video: of each limit the video's own, else the site's."""
    if policy is None:
        if not (site.allowed_domains or site.allowed_countries or site.allowed_ips):
            return NO_LIMITS
        policy = PlaybackPolicy()
    return _limits(
        site.allowed_domains if policy.allowed_domains is None else policy.allowed_domains,
        site.allow_no_referrer if policy.allow_no_referrer is None else policy.allow_no_referrer,
        site.allowed_countries if policy.allowed_countries is None else policy.allowed_countries,
        site.allowed_ips if policy.allowed_ips is None else policy.allowed_ips,
    )


def checked(policy: PlaybackPolicy) -> PlaybackPolicy:
    """Return a policy as it is kept. Raises InvalidAttribute with all faults."""
    faults: list[Problem] = []

    def read(name: str, one: Callable[[str], str], texts: tuple[str, ...] | None) -> tuple[str, ...] | None:
        try:
            return None if texts is None else read_all(one, texts)
        except ValueError as error:
            faults.append(InvalidAttribute(name=name, detail=f"{str(error)[:1].upper()}{str(error)[1:]}."))
            return None

    found = PlaybackPolicy(
        allowed_domains=read("allowedDomains", read_domain, policy.allowed_domains),
        allow_no_referrer=policy.allow_no_referrer,
        allowed_countries=read("allowedCountries", read_country, policy.allowed_countries),
        allowed_ips=read("allowedIps", read_network, policy.allowed_ips),
    )
    if faults:
        raise every(faults)
    return found


@lru_cache(maxsize=512)
def _limits(domains: tuple[str, ...], no_referrer: bool, countries: tuple[str, ...], ips: tuple[str, ...]) -> Limits:
    if not (domains or countries or ips):
        return NO_LIMITS
    # What site.toml says was checked and is as people wrote it.
    return Limits(
        read_all(read_domain, domains), no_referrer, read_all(read_country, countries), read_all(read_network, ips)
    )


def host_of(address: str) -> str | None:
    """Return `host` or `host:port` of an address or origin, without the port that its scheme has anyway; None for none."""
    # Segments come with the same address over and over; what is long is left out, so that strangers fill no memory.
    return _host_of(address) if len(address) <= SHORT else _host_of.__wrapped__(address)


@lru_cache(maxsize=2048)
def _host_of(origin: str) -> str | None:
    try:
        parts = urlsplit(origin)
        port, host = parts.port, parts.hostname
    except ValueError:
        return None
    # A longer one is nobody's, and is not to be remembered by those that it is compared in.
    if parts.scheme not in PORTS or not host or len(host) > LONGEST:
        return None
    if ":" in host:
        host = f"[{host}]"
    return host if port is None or port == PORTS[parts.scheme] else f"{host}:{port}"


@lru_cache(maxsize=4096)
def host_within(host: str, domains: tuple[str, ...]) -> bool:
    """Tell whether a host is among domains: itself, or below one that begins with `*.`; the port is part of it."""
    return any(host.endswith(domain[1:]) if domain.startswith("*.") else host == domain for domain in domains)


@lru_cache(maxsize=4096)
def address_within(address: str, networks: tuple[str, ...]) -> bool:
    """Tell whether an IP address is within one of some networks; what is no address is within none."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return any(found in network for network in _networks(networks) if network.version == found.version)


@lru_cache(maxsize=512)
def _networks(networks: tuple[str, ...]) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(network) for network in networks)


def kept_by(grant: Grant) -> Limits:
    """Return the limits that a signed URL adds to those of the video."""
    if not (grant.domains or grant.countries or grant.ips):
        return NO_LIMITS
    return Limits(grant.domains, grant.no_referrer, grant.countries, grant.ips)
