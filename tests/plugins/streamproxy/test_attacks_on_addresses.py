"""An address that a client writes is read as the connecting code reads it, or refused: one row a trick."""

from __future__ import annotations

import urllib.parse

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reelkit import checked_url, port_of
from reelkit_streamproxy.addresses import LONGEST, parse_address
from reelkit_streamproxy.origins import Origins
from reelkit_streamproxy.refusals import AddressRefused, OriginNotAllowed
from reelkit_streamproxy.settings import Origin, Settings

REFUSED: dict[str, tuple[str | None, str]] = {
    "missing": (None, "missing"),
    "empty": ("", "missing"),
    "relative": ("live/a.m3u8", "must start with"),
    "relative to the root": ("/live/a.m3u8", "must start with"),
    "relative to the scheme": ("//cdn.example.org/a", "must start with"),
    "a file": ("file:///etc/passwd", "must start with"),
    "ftp": ("ftp://cdn.example.org/a", "must start with"),
    "gopher": ("gopher://cdn.example.org:70/_GET", "must start with"),
    "data": ("data:text/plain,a", "must start with"),
    "a script": ("javascript:alert(1)", "must start with"),
    "a scheme with a blank": (" https://cdn.example.org/", "blanks"),
    "one slash": ("https:/cdn.example.org/a", "no host"),
    "no slash": ("https:cdn.example.org", "no host"),
    "three slashes": ("https:///cdn.example.org/a", "no host"),
    "a port alone": ("https://:443/", "no host"),
    "a user": ("https://user@cdn.example.org/", "user name"),
    "a user and a password": ("https://user:secret@cdn.example.org/", "user name"),
    "the listed host as user": ("https://cdn.example.org@127.0.0.1/", "user name"),
    "the listed host as user and port": ("https://cdn.example.org:443@127.0.0.1/", "user name"),
    "an escaped at sign": ("https://cdn.example.org%40127.0.0.1/", "not a name"),
    "a backslash before an at sign": ("https://cdn.example.org\\@127.0.0.1/", "backslashes"),
    "backslashes for slashes": ("https:\\\\cdn.example.org\\a", "backslashes"),
    "a backslash in the path": ("https://cdn.example.org/a\\..\\b", "backslashes"),
    "a tab in the host": ("https://cdn.exa\tmple.org/", "control"),
    "a line end": ("https://cdn.example.org/\r\nHost: a", "control"),
    "a null": ("https://cdn.example.org/\x00", "control"),
    "a blank in the path": ("https://cdn.example.org/a b", "blanks"),
    "decimal": ("https://2130706433/", "four decimal"),
    "decimal, too large": ("https://4294967296/", "four decimal"),
    "octal": ("https://0177.0.0.1/", "cannot be read"),
    "hexadecimal": ("https://0x7f000001/", "four decimal"),
    "hexadecimal parts": ("https://0x7f.0.0.1/", "four decimal"),
    "short": ("https://127.1/", "four decimal"),
    "zero": ("https://0/", "four decimal"),
    "leading zeros": ("https://127.000.000.001/", "cannot be read"),
    "256": ("https://127.0.0.256/", "cannot be read"),
    "circled digits": ("https://\u2460\u2461\u2466.0.0.1/", ""),
    "a short address with a dot at its end": ("https://127.1./", "four decimal"),
    "full-width digits": ("https://\uff11\uff12\uff17.0.0.1/", "cannot be read"),
    "a user after a fragment": ("https://cdn.example.org#@127.0.0.1/", "user name"),
    "a user after a query": ("https://cdn.example.org?@127.0.0.1/", "user name"),
    "an IPv6 zone": ("https://[fe80::1%25eth0]/", "zone"),
    "an IPv6 zone, raw": ("https://[fe80::1%eth0]/", ""),
    "half a bracket": ("https://[::1/", ""),
    "brackets around a name": ("https://[cdn.example.org]/", ""),
    "an escaped dot in the host": ("https://cdn%2eexample.org/", "not a name"),
    "an escaped slash in the host": ("https://127.0.0.1%2fcdn.example.org/", "not a name"),
    "an escaped line end in the host": ("https://cdn.example.org%0d%0a/", "not a name"),
    "an empty label": ("https://cdn..example.org/", "not a name"),
    "two dots at the end": ("https://cdn.example.org../", "not a name"),
    "punycode of nothing": ("https://xn--a/", ""),
    "a host of 300": (f"https://{'a.' * 150}org/", "not a name"),
    "port 0": ("https://cdn.example.org:0/", "port"),
    "port 99999": ("https://cdn.example.org:99999/", "port"),
    "a negative port": ("https://cdn.example.org:-1/", ""),
    "a port of words": ("https://cdn.example.org:https/", ""),
    "two ports": ("https://cdn.example.org:80:443/", ""),
    "escaped dot segments": ("https://cdn.example.org/live/%2e%2e/private", "dot segments"),
    "half escaped dot segments": ("https://cdn.example.org/live/.%2E/private", "dot segments"),
    "an escaped slash after dots": ("https://cdn.example.org/live/..%2fprivate", "dot segments"),
    "an escaped slash before dots": ("https://cdn.example.org/live/a%2f../private%2f..", "dot segments"),
    "an escaped backslash after dots": ("https://cdn.example.org/live/..%5cprivate", "dot segments"),
    "dots escaped twice": ("https://cdn.example.org/live/%252e%252e/private", "dot segments"),
    "dots escaped three times": ("https://cdn.example.org/live/%25252e%25252e/private", "dot segments"),
    "escaped for ever": (f"https://cdn.example.org/live/%{'25' * 40}2e", "again and again"),
    "dots with a parameter": ("https://cdn.example.org/live/..;a=b/private", "dot segments"),
    "dots and a blank": ("https://cdn.example.org/live/..%20/private", "dot segments"),
    "overlong dots": ("https://cdn.example.org/live/%c0%ae%c0%ae/private", "longer than they are"),
    "an overlong slash": ("https://cdn.example.org/live/..%e0%80%af", "longer than they are"),
    "an escaped null": ("https://cdn.example.org/live/a%00.m3u8", "control"),
    "an escaped line end": ("https://cdn.example.org/live/a%0d%0aHost:b", "control"),
    "a line end escaped twice": ("https://cdn.example.org/live/a%250d%250aHost:b", "control"),
    "a % alone": ("https://cdn.example.org/live/100%", "%25"),
    "a % and one digit": ("https://cdn.example.org/live/%2", "%25"),
    "too long": (f"https://cdn.example.org/{'a' * LONGEST}", "longer than"),
    "too long once escaped": ("https://cdn.example.org/" + "\u00fc" * 3000, "longer than"),
}


@pytest.mark.parametrize(("text", "why"), REFUSED.values(), ids=REFUSED.keys())
def test_a_trick_is_refused_by_name(text: str | None, why: str) -> None:
    with pytest.raises(AddressRefused) as refused:
        parse_address(text)
    problem = refused.value.body()
    assert (problem.status, problem.name) == (400, "url")
    assert problem.detail and why in problem.detail and problem.detail.endswith(".")


READ = {
    "as it is": ("https://cdn.example.org/live/a.m3u8", "https://cdn.example.org/live/a.m3u8"),
    "capitals": ("HTTPS://CDN.Example.ORG/Live", "https://cdn.example.org/Live"),
    "the usual port": ("https://cdn.example.org:443/a", "https://cdn.example.org/a"),
    "another port": ("https://cdn.example.org:8443/a", "https://cdn.example.org:8443/a"),
    "a dot at the end": ("https://cdn.example.org./a", "https://cdn.example.org/a"),
    "no path": ("https://cdn.example.org", "https://cdn.example.org/"),
    "a query and no path": ("https://cdn.example.org?a=b", "https://cdn.example.org/?a=b"),
    "a fragment": ("https://cdn.example.org/a#b", "https://cdn.example.org/a"),
    "dot segments": ("https://cdn.example.org/live/../private/./a", "https://cdn.example.org/private/a"),
    "dots at the end": ("https://cdn.example.org/live/a/..?x", "https://cdn.example.org/live/?x"),
    "dot segments above the top": ("https://cdn.example.org/../../a", "https://cdn.example.org/a"),
    "an international name": ("https://b\u00fccher.example/\u00fc", "https://xn--bcher-kva.example/%C3%BC"),
    "ideographic dots": ("https://cdn\u3002example\u3002org/", "https://cdn.example.org/"),
    "IPv6": ("https://[2001:DB8:0:0::1]/a", "https://[2001:db8::1]/a"),
    "IPv6 with a port": ("https://[2001:db8::1]:8443/a", "https://[2001:db8::1]:8443/a"),
    "IPv4 in IPv6": ("https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]/"),
    "an escaped slash": ("https://cdn.example.org/o/a%2Fb.mp4?alt=media", "https://cdn.example.org/o/a%2Fb.mp4?alt=media"),
    "an escaped dot in a name": ("https://cdn.example.org/a%2Em3u8", "https://cdn.example.org/a%2Em3u8"),
    "dots in names": ("https://cdn.example.org/..a/b../...", "https://cdn.example.org/..a/b../..."),
}


@pytest.mark.parametrize(("text", "url"), READ.values(), ids=READ.keys())
def test_an_address_has_one_spelling(text: str, url: str) -> None:
    address = parse_address(text)
    assert address.url == url
    assert parse_address(address.url) == address
    assert address.origin + address.path + ("" if address.query is None else f"?{address.query}") == url
    assert address.url.startswith(address.folder) and address.folder.endswith("/")


HOSTS = st.sampled_from(
    [
        "cdn.example.org",
        "CDN.example.org.",
        "127.0.0.1",
        "[::1]",
        "[::ffff:1.2.3.4]",
        "b\u00fccher.de",
        "0x7f.1",
        "a_b",
        "a@b",
    ]
)
PORTS = st.sampled_from(["", ":", ":0", ":80", ":443", ":8080", ":65536", ":08080", ":+1"])
PATHS = st.text("ab/.%25eE\\;?#@: \u00fc&=[]\u2028", max_size=20)
URLS = st.builds("{}://{}{}{}".format, st.sampled_from(["http", "https", "HTTPS"]), HOSTS, PORTS, PATHS)


@given(st.one_of(URLS, st.text(max_size=40), st.builds("https://{}".format, st.text("a.:/@[]%1\u3002#?\\", max_size=20))))
def test_nobody_sees_another_host_or_port_in_an_address(text: str) -> None:
    try:
        address = parse_address(text)
    except AddressRefused:
        return
    connected = checked_url(address.url)
    assert str(connected) in (address.url, address.url.replace(f"{address.origin}/", address.origin, 1))
    split = urllib.parse.urlsplit(address.url)
    for host, port in (
        (connected.raw_host.decode(), port_of(connected)),
        (httpx.URL(address.url).raw_host.decode(), port_of(httpx.URL(address.url))),
        (split.hostname, split.port or {"http": 80, "https": 443}[split.scheme]),
    ):
        assert (host, port) == (address.host, address.port)
    assert connected.raw_path.decode() == address.path + ("" if address.query is None else f"?{address.query}")
    assert address.url.isascii() and not set(address.url) & set("\\#@ \r\n\t") - set("@")
    assert not {".", ".."} & set(urllib.parse.unquote(address.path).replace("\\", "/").split("/"))


ORIGINS = Origins(
    Settings(
        origins={
            "main": Origin(host="cdn.example.org", path="/live"),
            "deeper": Origin(host="cdn.example.org", path="/live/secret/", headers={"authorization": "Bearer 1"}),
            "below": Origin(host="*.example.net", schemes=("http", "https"), port=8443),
            "named": Origin(host="one.example.net", port=8443),
            "address": Origin(host="[2001:db8::1]", schemes=("http",)),
            "words": Origin(host="B\u00fccher.example"),
            "spaced": Origin(host="files.example.org", path="/my%20videos"),
        }
    )
)

MATCHED = {
    "the folder itself": ("https://cdn.example.org/live", "main"),
    "below the folder": ("https://cdn.example.org/live/a/b.m3u8", "main"),
    "after dot segments": ("https://cdn.example.org/x/../live/a", "main"),
    "the longest path": ("https://cdn.example.org/live/secret/a", "deeper"),
    "capitals in the host": ("https://CDN.example.org/live/a", "main"),
    "one label below": ("http://a.example.net:8443/", "below"),
    "two labels below": ("https://a.b.example.net:8443/x", "below"),
    "the name before the pattern": ("https://one.example.net:8443/", "named"),
    "the pattern where the name does not serve": ("http://one.example.net:8443/", "below"),
    "IPv6 in another spelling": ("http://[2001:0db8:0::1]/", "address"),
    "an international name": ("https://xn--bcher-kva.example/", "words"),
    "an escaped path": ("https://files.example.org/my%20videos/a", "spaced"),
}


@pytest.mark.parametrize(("url", "name"), MATCHED.values(), ids=MATCHED.keys())
def test_an_address_on_the_list_is_matched(url: str, name: str) -> None:
    assert ORIGINS.match(parse_address(url)).name == name


NOT_MATCHED = {
    "another host": "https://example.org/live/a",
    "a host that ends alike": "https://evilcdn.example.org/live/a",
    "a host that begins alike": "https://cdn.example.org.evil.example/live/a",
    "another scheme": "http://cdn.example.org/live/a",
    "another port": "https://cdn.example.org:8443/live/a",
    "another path": "https://cdn.example.org/other",
    "a path that begins alike": "https://cdn.example.org/livery",
    "out of the path by dot segments": "https://cdn.example.org/live/../private",
    "a path in other letters": "https://cdn.example.org/LIVE/a",
    "an escaped slash for the end of the folder": "https://cdn.example.org/live%2Fa",
    "an empty segment before": "https://cdn.example.org//live/a",
    "the name above the pattern": "http://example.net:8443/",
    "part of a label of the pattern": "http://evilexample.net:8443/",
    "the pattern as a label": "http://example.net.evil.example:8443/",
    "the pattern's usual port": "http://a.example.net/",
    "IPv6 in https": "https://[2001:db8::1]/",
    "IPv4 in IPv6": "http://[::ffff:127.0.0.1]/",
}


@pytest.mark.parametrize("url", NOT_MATCHED.values(), ids=NOT_MATCHED.keys())
def test_an_address_off_the_list_is_refused(url: str) -> None:
    with pytest.raises(OriginNotAllowed) as refused:
        ORIGINS.match(parse_address(url))
    assert (refused.value.status, refused.value.name) == (403, "url")


def test_an_empty_list_allows_nothing() -> None:
    with pytest.raises(OriginNotAllowed):
        Origins(Settings()).match(parse_address("https://cdn.example.org/"))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"host": ""}, "must be a name"),
        ({"host": "*"}, "whole labels"),
        ({"host": "*.org"}, "two labels"),
        ({"host": "cdn.*.org"}, "whole labels"),
        ({"host": "*cdn.example.org"}, "whole labels"),
        ({"host": "https://cdn.example.org"}, "no scheme"),
        ({"host": "cdn.example.org:8443"}, "no scheme"),
        ({"host": "cdn.example.org/live"}, "no scheme"),
        ({"host": "127.1"}, "must be a name"),
        ({"host": "*.127.0.0.1"}, "no names below"),
        ({"host": "fe80::1%eth0"}, "must be a name"),
        ({"host": "a.example", "path": "live"}, "begin with a slash"),
        ({"host": "a.example", "path": "/a/../b"}, "no dot segments"),
        ({"host": "a.example", "path": "/a/%2E%2e/b"}, "no dot segments"),
        ({"host": "a.example", "path": "/a?b"}, "no query"),
        ({"host": "a.example", "schemes": ()}, "schemes"),
        ({"host": "a.example", "headers": {"Host": "b"}}, "the proxy's own"),
        ({"host": "a.example", "headers": {"range": "bytes=0-"}}, "the proxy's own"),
        ({"host": "a.example", "headers": {"a b": "c"}}, "no name of a header"),
        ({"host": "a.example", "headers": {"a": "b\r\nc: d"}}, "cannot be sent"),
        ({"host": "a.example", "headers": {"a": ""}}, "empty"),
        ({"host": "a.example", "headers": {"a": "b", "A": "c"}}, "twice"),
    ],
)
def test_an_origin_that_can_match_nothing_is_an_error_at_the_start(wrong: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Origin(**wrong)  # type: ignore[arg-type]  # what site.toml says is not typed either


def test_the_headers_of_an_origin_are_not_shown() -> None:
    settings = Settings(origins={"a": Origin(host="a.example", headers={"authorization": "Bearer secret"})})
    assert "authorization" in repr(settings) and "secret" not in repr(settings)
    assert "secret" not in repr(Origins(settings).match(parse_address("https://a.example/")))
