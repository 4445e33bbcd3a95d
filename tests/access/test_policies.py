"""Limits of playback: as they are written, which of them hold, and who keeps to them."""

from __future__ import annotations

import pytest
from reelkit.access.policies import NO_LIMITS, Limits, address_within, checked, host_of, host_within, limits_of
from reelkit.interfaces.playback import PlaybackPolicy
from reelkit.playback_rules import read_country, read_domain, read_network
from reelkit.problems import InvalidAttribute
from reelkit.site import Playback

SITE = Playback(allowed_domains=("Shop.example",), allowed_countries=("de",), allow_no_referrer=True)


def test_a_video_says_each_limit_for_itself() -> None:
    assert limits_of(Playback(), None) == limits_of(Playback(), PlaybackPolicy()) == Limits()
    assert limits_of(SITE, None) == Limits(("shop.example",), True, ("DE",), ())
    assert limits_of(SITE, PlaybackPolicy(allowed_domains=(), allowed_countries=())) is NO_LIMITS
    own = PlaybackPolicy(allowed_domains=(), allowed_ips=("192.0.2.0/24",))
    assert limits_of(SITE, own) == Limits((), True, ("DE",), ("192.0.2.0/24",))
    assert limits_of(SITE, PlaybackPolicy(allow_no_referrer=False)).no_referrer is False


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (" Shop.Example ", "shop.example"),
        ("*.shop.example", "*.shop.example"),
        ("localhost:3000", "localhost:3000"),
        ("192.0.2.1", "192.0.2.1"),
        ("[2001:db8::1]:8080", "[2001:db8::1]:8080"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("*.bücher.example", "*.xn--bcher-kva.example"),
        *(
            (text, None)
            for text in ("", "*", "*.", "shop.*", "a.*.b", "https://a.example", "a.example/", "a b", "a;b", "'self'")
        ),
        *(
            (text, None)
            for text in ("-a.example", "a..b", "a.example:0", "a.example:123456", "a" * 64, "a." * 127 + "b", "é" * 300)
        ),
        *((text, None) for text in ("user@a.example", "a.example\0", "*:3000", "\ud800.example")),
    ],
)
def test_domains_are_read_or_refused(text: str, kept: str | None) -> None:
    if kept is not None:
        assert read_domain(text) == kept
    else:
        with pytest.raises(ValueError, match="is no domain"):
            read_domain(text)


@pytest.mark.parametrize("text", ["", "D", "DEU", "D1", "\uff24\uff25", "germany"])
def test_countries_have_two_letters(text: str) -> None:
    assert read_country(" de ") == "DE"
    with pytest.raises(ValueError, match="is no country"):
        read_country(text)


@pytest.mark.parametrize("text", ["", "localhost", "1.2.3", "1.2.3.4/33", "::1/129", "1.2.3.4-1.2.3.9", "0x7f000001"])
def test_networks_are_read_or_refused(text: str) -> None:
    assert [read_network(one) for one in ("192.0.2.7", "192.0.2.7/24", "2001:DB8::/32")] == [
        "192.0.2.7/32",
        "192.0.2.0/24",
        "2001:db8::/32",
    ]
    with pytest.raises(ValueError, match="is no IP address"):
        read_network(text)


def test_all_faults_of_a_policy_are_told() -> None:
    with pytest.raises(InvalidAttribute) as caught:
        checked(PlaybackPolicy(allowed_domains=("a b",), allowed_countries=("x",), allowed_ips=("y",)))
    assert [fault.name for fault in caught.value.problems] == ["allowedDomains", "allowedCountries", "allowedIps"]
    with pytest.raises(InvalidAttribute, match="at most 50"):
        checked(PlaybackPolicy(allowed_domains=tuple(f"a{number}.example" for number in range(51))))


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://Shop.example/a?b#c", "shop.example"),
        ("https://shop.example:443", "shop.example"),
        ("http://shop.example:443", "shop.example:443"),
        ("http://[2001:db8::1]:8080/", "[2001:db8::1]:8080"),
        ("https://shop.example@evil.example/", "evil.example"),
        ("https://shop.example\\@evil.example/", "evil.example"),
        *(
            (text, None)
            for text in ("null", "", "shop.example", "//shop.example", "data:text/html,shop.example", "file:///a")
        ),
        *((text, None) for text in ("https://", "https://[evil", "https://a:b", "https://a:99999", "javascript:x")),
        # Of any length, they would fill the memory of whoever compares hosts.
        (f"https://{'a.' * 200}example", None),
    ],
)
def test_the_host_of_an_address(origin: str, host: str | None) -> None:
    assert host_of(origin) == host


@pytest.mark.parametrize(
    ("host", "domain", "within"),
    [
        ("shop.example", "shop.example", True),
        ("a.shop.example", "shop.example", False),
        ("a.shop.example", "*.shop.example", True),
        ("shop.example", "*.shop.example", False),
        ("evilshop.example", "*.shop.example", False),
        ("shop.example:8080", "shop.example", False),
        ("a.shop.example:8080", "*.shop.example:8080", True),
        ("shop.example.", "shop.example", False),
    ],
)
def test_a_host_is_itself_or_below(host: str, domain: str, within: bool) -> None:
    assert host_within(host, ("other.example", domain)) is within


def test_an_address_is_within_networks_of_its_own_kind() -> None:
    networks = ("192.0.2.0/24", "2001:db8::/32")
    assert [address_within(address, networks) for address in ("192.0.2.9", "::ffff:192.0.2.9", "2001:db8::9")] == [True] * 3
    for address in ("192.0.3.9", "2001:db9::1", "", "192.0.2.9, 1.1.1.1", "localhost", "\0", "9" * 5000):
        assert not address_within(address, networks)
