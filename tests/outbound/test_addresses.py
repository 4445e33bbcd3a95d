"""What is inside stays inside, however it is written; what may be called is called."""

from __future__ import annotations

import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reelkit.outbound.addresses import PrivateHosts, outside
from reelkit.outbound.errors import OutboundRefused
from reelkit.outbound.urls import checked_url


@pytest.mark.parametrize(
    "address",
    ["93.184.216.34", "8.8.8.8", "1.1.1.1", "172.15.0.1", "172.32.0.1", "100.63.0.1", "2606:4700::1111", "2a00:1450::1"],
)
def test_a_host_in_the_internet_is_outside(address: str) -> None:
    assert outside(address)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "2606:4700::1111%eth0",
        "fec0::1",
        "ff02::1",
        "no address",
        "",
    ],
)
def test_an_inside_or_special_address_is_not_outside(address: str) -> None:
    assert not outside(address)


@given(st.integers(0, 2**32 - 1))
def test_nothing_that_python_calls_private_is_outside(number: int) -> None:
    address = ipaddress.IPv4Address(number)
    special = address.is_private or address.is_loopback or address.is_link_local or address.is_multicast
    assert not (special and outside(str(address)))


@given(st.integers(0, 2**128 - 1))
def test_an_ipv6_address_that_carries_another_one_is_never_outside(number: int) -> None:
    address = ipaddress.IPv6Address(number)
    carries = address.ipv4_mapped or address.sixtofour or address.teredo
    assert not (carries and outside(str(address)))


REFUSED = {
    "another scheme": "ftp://example.org/",
    "a file": "file:///etc/passwd",
    "gopher": "gopher://example.org:70/_x",
    "a script": "javascript:alert(1)",
    "no scheme": "example.org/a",
    "no host": "http:///a",
    "nothing": "",
    "a user": "http://user@example.org/",
    "a user and password": "http://user:secret@example.org/",
    "an empty user": "http://@example.org/",
    "a user that looks like the host": "http://example.org@127.0.0.1/",
    "a backslash before the at sign": "http://example.org\\@127.0.0.1/",
    "a blank": "http://example.org /",
    "a line end": "http://example.org/\r\nHost: other",
    "a null": "http://example.org/\x00",
    "a tab": "http://exa\tmple.org/",
    "decimal": "http://2130706433/",
    "hexadecimal": "http://0x7f000001/",
    "hexadecimal parts": "http://0x7f.0x0.0x0.0x1/",
    "octal": "http://017700000001/",
    "octal parts": "http://0177.0.0.1/",
    "short": "http://127.1/",
    "leading zeros": "http://127.000.000.001/",
    "too large": "http://256.0.0.1/",
    "five numbers": "http://1.2.3.4.5/",
    "full-width digits in a number": "http://\uff11\uff12\uff17.1/",
    "circled digits": "http://\u2460\u2461\u2466.0.0.1/",
    "an IPv6 zone": "http://[fe80::1%25eth0]/",
    "an IPv6 zone, raw": "http://[fe80::1%eth0]/",
    "half a bracket": "http://[::1/",
    "two dots at the end": "http://example.org../",
    "an empty label": "http://example..org/",
    "a dot alone": "http://./",
    "an escape in the host": "http://example%2eorg/",
    "an escaped slash": "http://127.0.0.1%2f.example.org/",
    "port 0": "http://example.org:0/",
    "port 65536": "http://example.org:65536/",
    "a negative port": "http://example.org:-1/",
    "a port of words": "http://example.org:http/",
    "punycode of nothing": "http://xn--a/",
    "a long name": f"http://{'a.' * 130}org/",
    "a long URL": "http://example.org/" + "a" * 9000,
}


@pytest.mark.parametrize("url", REFUSED.values(), ids=REFUSED.keys())
def test_an_odd_url_is_refused_with_a_sentence(url: str) -> None:
    with pytest.raises(OutboundRefused, match=r"^[A-Z].*\.$"):
        checked_url(url)


@pytest.mark.parametrize(
    ("url", "read"),
    [
        ("http://Example.ORG./a?b=c#d", "http://example.org/a?b=c"),
        ("HTTPS://example.org:443/", "https://example.org/"),
        ("http://b\u00fccher.example/", "http://xn--bcher-kva.example/"),
        ("http://127\u30020\u30020\u30021/", "http://127.0.0.1/"),
        ("http://my_service:8080/hook", "http://my_service:8080/hook"),
        ("http://[::FFFF:7F00:1]/", "http://[::ffff:7f00:1]/"),
    ],
)
def test_a_url_is_read_the_way_it_is_called(url: str, read: str) -> None:
    assert str(checked_url(url).copy_with(fragment=None)) == read


URLISH = st.text("nxhtps:/@[]%.\\?#&=-_x0127fe\u3002\uff11\u00fc\u212a\ufeff\u200d \t\n", max_size=40)


@given(st.one_of(st.text(max_size=60), st.builds("http://{}".format, URLISH), URLISH))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        url = checked_url(text)
    except OutboundRefused:
        return
    assert url.scheme in ("http", "https") and url.host and not url.userinfo
    assert checked_url(str(url)) == url


def test_every_spelling_that_the_system_takes_for_loopback_is_refused_or_inside() -> None:
    for text in ("127.1", "0", "0x7f.1", "2130706433", "0177.1", "127.0.0.1", "localhost", "::1", "::ffff:127.0.0.1"):
        found = {str(sockaddr[0]) for *_, sockaddr in socket.getaddrinfo(text, 80)}
        assert not any(outside(address) for address in found), text


@pytest.mark.parametrize(
    ("listed", "host", "port", "allowed"),
    [
        ("hook.lan", "hook.lan", 80, True),
        ("Hook.LAN", "hook.lan", 8443, True),
        ("hook.lan:8080", "hook.lan", 8080, True),
        ("hook.lan:8080", "hook.lan", 80, False),
        ("hook.lan", "other.hook.lan", 80, False),
        ("hook.lan", "hook.lan.example.org", 80, False),
        ("127.0.0.1", "127.0.0.1", 80, True),
        ("127.0.0.1", "127.0.0.2", 80, False),
        ("127.0.0.1", "localhost", 80, False),
        ("::1", "::1", 80, True),
        ("[::1]", "::1", 80, True),
        ("[::1]:8080", "::1", 8080, True),
        ("[::1]:8080", "::1", 80, False),
    ],
)
def test_only_the_listed_host_may_be_inside(listed: str, host: str, port: int, allowed: bool) -> None:
    assert ((host, port) in PrivateHosts([listed])) is allowed
