"""Whatever a playlist leads to, it leads to us: read by another reader than the one that rewrote it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from urllib.parse import urljoin

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reelkit_streamproxy.addresses import parse_address
from reelkit_streamproxy.hls import MOST_LINES, rewrite
from reelkit_streamproxy.linking import Linker
from reelkit_streamproxy.links import Links
from reelkit_streamproxy.refusals import NestsTooDeep, PlaylistRefused, Refusal

LinkerFor = Callable[..., Linker]
PAGE = "https://cdn.example.org/live/show/v0/index.m3u8?a=1"
OURS = re.compile(r"/api/(?:folder/[A-Za-z0-9_-]+/|refused/[a-z]+)|/api\?url=")
ANY = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)


def addresses(playlist: str) -> list[str]:
    """Return every address in a playlist, as hls.js finds them (its regular expressions, src/loader/m3u8-parser.ts)."""
    found: list[str] = []
    for line in re.split(r"[\r\n\u2028\u2029]", playlist):
        if not line.strip():
            continue
        if not line.startswith("#"):
            found.append(line.strip())
        elif line.startswith("#EXT") and ":" in line:
            for name, value in re.findall(r'(.+?)=(".*?"|.*?)(?:,|$)', line.partition(":")[2]):
                whole = value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
                if re.fullmatch(r"(?i)[\w.-]*UR[IL]|X-ASSET-LIST", name.strip()) and whole:
                    found.append(whole)
    return found


@pytest.fixture
def opened(links: Links) -> Callable[[str], str]:
    """Say what an address in a playlist of ours leads to."""

    def where(address: str) -> str:
        assert OURS.match(address), address
        return "refused" if address.startswith("/api/refused/") else links.open(address).address.url

    return where


@pytest.fixture
def rewritten(linker_for: LinkerFor, opened: Callable[[str], str]) -> Callable[..., list[str]]:
    """Rewrite the lines of a playlist and return where its addresses lead, in order."""

    def lead(*lines: str, page: str = PAGE, variables: dict[str, str] | None = None) -> list[str]:
        text = "\n".join(["#EXTM3U", *lines, ""]).encode()
        found = addresses(rewrite(text, page, linker_for(page, variables=variables)).decode())
        return [opened(address) if address.startswith("/") else address for address in found]

    return lead


BASE = "https://cdn.example.org/live/show/v0"


@pytest.mark.parametrize(
    ("reference", "leads"),
    [
        ("seg1.ts", f"{BASE}/seg1.ts"),
        ("  seg1.ts ", f"{BASE}/seg1.ts"),
        ("a/b/seg1.ts?t=1&u=/x", f"{BASE}/a/b/seg1.ts?t=1&u=/x"),
        ("./seg1.ts", f"{BASE}/seg1.ts"),
        ("../v1/seg1.ts", "https://cdn.example.org/live/show/v1/seg1.ts"),
        ("a/../../v1/./seg1.ts", "https://cdn.example.org/live/show/v1/seg1.ts"),
        ("/live/other/seg1.ts", "https://cdn.example.org/live/other/seg1.ts"),
        ("//a.example.net/live/seg1.ts", "https://a.example.net/live/seg1.ts"),
        ("https://a.example.net/live/seg1.ts?x=%2f#f", "https://a.example.net/live/seg1.ts?x=%2f"),
        ("HTTPS://CDN.EXAMPLE.ORG:443/live/seg1.ts", "https://cdn.example.org/live/seg1.ts"),
        ("?b=2", f"{BASE}/index.m3u8?b=2"),
        ("#seg 1.ts", None),
        ("seg 1.ts", f"{BASE}/seg%201.ts"),
        ("se\u00fcg.ts", f"{BASE}/se%C3%BCg.ts"),
        ("seg%20\u00fc.ts", f"{BASE}/seg%20%C3%BC.ts"),
        ("2026-11-22T08:00:00.ts", f"{BASE}/2026-11-22T08:00:00.ts"),
        ("a:b.ts", "refused"),
        ("./a:b.ts", f"{BASE}/a:b.ts"),
        ('seg.ts?x=<>"{}|^`', f"{BASE}/seg.ts?x=%3C%3E%22{{}}|^`"),
        ("seg.ts?x=a\\b", "refused"),
        ("../../../private/a.ts", "refused"),
        ("/private/a.ts", "refused"),
        ("/live/%2e%2e/private/a.ts", "refused"),
        ("%2e%2e/a.ts", "refused"),
        ("..;/a.ts", "refused"),
        ("..%2f..%2fa.ts", "refused"),
        ("a%00.ts", "refused"),
        ("a\\..\\b.ts", "refused"),
        ("\\\\evil.example\\a.ts", "refused"),
        ("/\\evil.example/a.ts", "refused"),
        ("https:evil.example/a.ts", "refused"),
        ("https:/evil.example/a.ts", "refused"),
        ("https://evil.example/live/a.ts", "refused"),
        ("//evil.example/live/a.ts", "refused"),
        ("https://cdn.example.org@evil.example/live/a.ts", "refused"),
        ("https://cdn.example.org:8443/live/a.ts", "refused"),
        ("http://cdn.example.org/live/a.ts", "refused"),
        ("http://127.0.0.1/live/a.ts", "refused"),
        ("http://169.254.169.254/live/a.ts", "refused"),
        ("ftp://cdn.example.org/live/a.ts", "refused"),
        ("file:///etc/passwd", "refused"),
        ("javascript:alert(1)", "refused"),
        ("data:application/vnd.apple.mpegurl,#EXTM3U", "refused"),
        ("skd://key", "refused"),
        ("{$host}/a.ts", "refused"),
    ],
)
def test_a_line_leads_where_it_led_or_nowhere(
    rewritten: Callable[..., list[str]], reference: str, leads: str | None
) -> None:
    assert rewritten("#EXTINF:4,", reference) == ([leads] if leads else [])


@pytest.mark.parametrize(
    "tag",
    [
        '#EXT-X-KEY:METHOD=AES-128,URI="{}",IV=0x1',
        '#EXT-X-SESSION-KEY:METHOD=AES-128,URI="{}"',
        '#EXT-X-MAP:URI="{}",BYTERANGE="1@0"',
        '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="b, URI=c",URI="{}"',
        '#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI="{}"',
        '#EXT-X-IMAGE-STREAM-INF:BANDWIDTH=1,URI="{}"',
        '#EXT-X-PART:DURATION=0.3,URI="{}",INDEPENDENT=YES',
        '#EXT-X-PRELOAD-HINT:TYPE=PART,URI="{}"',
        '#EXT-X-RENDITION-REPORT:URI="{}",LAST-MSN=1',
        '#EXT-X-SESSION-DATA:DATA-ID="a",URI="{}"',
        '#EXT-X-CONTENT-STEERING:SERVER-URI="{}",PATHWAY-ID="a"',
        '#EXT-X-DATERANGE:ID="a",CLASS="com.apple.hls.interstitial",START-DATE="2026-11-22T08:00:00Z",X-ASSET-URI="{}"',
        '#EXT-X-DATERANGE:ID="a",X-ASSET-LIST="{}",X-RESUME-OFFSET=0',
        '#EXT-X-UNKNOWN:X-COM-EXAMPLE-URI="{}"',
        '#EXT-X-UNKNOWN:thumbnail-url="{}"',
        "#EXT-X-MAP:URI={},BYTERANGE=1",
        '#EXT-X-MAP: URI = "{}"',
    ],
)
@pytest.mark.parametrize(
    ("reference", "leads"),
    [
        ("../x?a=b", "https://cdn.example.org/live/show/x?a=b"),
        ("https://a.example.net/live/x", "https://a.example.net/live/x"),
        ("https://evil.example/live/x", "refused"),
        ("file:///etc/passwd", "refused"),
    ],
)
def test_an_address_in_a_tag_leads_where_it_led_or_nowhere(
    rewritten: Callable[..., list[str]], tag: str, reference: str, leads: str
) -> None:
    (found,) = rewritten(tag.format(reference))
    assert found == leads


def test_the_rest_of_a_playlist_stays(linker_for: LinkerFor) -> None:
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:9",
        '#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS="avc1.64001f,mp4a.40.2",AUDIO="a"',
        '#EXT-X-DATERANGE:ID="a",SCTE35-OUT=0xFC30,X-NOTE="a,URI=b"',
        "#EXT-OATCLS-SCTE35:/DAlAAAAAAAAAP//FkAFA//+AA==",
        "#EXTINF:4.004,A title, with a comma: caf\u00e9",
        "#EXT-X-BYTERANGE:100@200",
        "#EXT-X-ENDLIST",
    ]
    text = "\n".join(lines)
    assert rewrite(text.encode(), PAGE, linker_for(PAGE)).decode() == text


def test_the_keys_of_drm_systems_stay(rewritten: Callable[..., list[str]]) -> None:
    for uri in ("skd://abc", "data:text/plain;base64,AAAA", "urn:uuid:1", "custom-drm://key"):
        assert rewritten(f'#EXT-X-KEY:METHOD=SAMPLE-AES,URI="{uri}",KEYFORMAT="com.example"') == [uri]
    for uri in ("blob:https://a.example/1", "javascript:alert(1)", "ftp://a.example/k", "ws://a.example/"):
        assert rewritten(f'#EXT-X-KEY:METHOD=AES-128,URI="{uri}"') == ["refused"]
    assert rewritten('#EXT-X-MEDIA:TYPE=AUDIO,URI="data:application/vnd.apple.mpegurl,#EXTM3U"') == ["refused"]


def test_tags_that_are_an_address_are_rewritten(linker_for: LinkerFor, opened: Callable[[str], str]) -> None:
    text = b"#EXTM3U\n#EXT-X-PREFETCH:next.ts\n#EXT-X-OTHER:https://evil.example/a\n"
    made = rewrite(text, PAGE, linker_for(PAGE)).decode().splitlines()
    assert opened(made[1].partition(":")[2]) == f"{BASE}/next.ts"
    assert made[2] == "#EXT-X-OTHER:/api/refused/origin"


@pytest.mark.parametrize("between", ["4 {}", "{}", "4 ,{}", "4,a title {}", "a=b {}", '-1 tvg-logo="{}",A title'])
@pytest.mark.parametrize(
    "address", ["https://evil.example/a", "//evil.example/a", "HTTP://evil.example/?a=b", "\\\\evil.example"]
)
def test_no_address_hides_where_a_tag_has_none(linker_for: LinkerFor, between: str, address: str) -> None:
    made = rewrite(f"#EXTM3U\n#EXTINF:{between.format(address)}\na.ts\n".encode(), PAGE, linker_for(PAGE))
    assert b"evil" not in made and b"/api/refused/" in made


def test_what_is_told_of_a_list_beside_its_name_is_left_out(linker_for: LinkerFor) -> None:
    made = rewrite(b'#EXTM3U url-tvg="https://evil.example/"\r\n#EXTINF:4,\r\na.ts', PAGE, linker_for(PAGE))
    assert made.startswith(b"#EXTM3U\n#EXTINF:4,\n/api/folder/")


def test_what_is_refused_is_told_with_its_line(linker_for: LinkerFor) -> None:
    linker = linker_for(PAGE)
    rewrite(b"#EXTM3U\r\n#EXTINF:4,\r\na.ts\r\n# note\r\n\r\nhttps://evil.example/b.ts\r\nfile:///c\r\n", PAGE, linker)
    assert [(refused.line, refused.uri) for refused in linker.refused] == [
        (6, "https://evil.example/b.ts"),
        (7, "file:///c"),
    ]


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r", "\n\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_and_a_byte_order_mark_do_not_matter(
    linker_for: LinkerFor, opened: Callable[[str], str], line_end: str, mark: str
) -> None:
    text = mark + line_end.join(["#EXTM3U", "#EXTINF:4,", "a.ts", "#EXTINF:4,", "b.ts"])
    made = rewrite(text.encode(), PAGE, linker_for(PAGE)).decode()
    assert [opened(address) for address in addresses(made)] == [f"{BASE}/a.ts", f"{BASE}/b.ts"]
    assert "\r" not in made and "\ufeff" not in made


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x00", "\r"])
def test_no_character_begins_a_line_for_some_players_only(linker_for: LinkerFor, separator: str) -> None:
    made = rewrite(f"#EXTM3U\n#EXTINF:4,a{separator}https://evil.example/a.ts\nb.ts\n".encode(), PAGE, linker_for(PAGE))
    found = addresses(made.decode())
    assert found and all(OURS.match(address) for address in found)
    assert separator.encode() not in made


def test_comments_are_left_out(linker_for: LinkerFor) -> None:
    made = rewrite(b"#EXTM3U\n# made by https://internal.example\n#ext-x-key:URI=a\na.ts\n", PAGE, linker_for(PAGE))
    assert b"internal" not in made and b"ext-x-key" not in made


MARKS = [
    "\n",
    "\r\n",
    "\r",
    '"',
    "'",
    ",",
    "=",
    ":",
    " ",
    "\t",
    "#",
    "\u2028",
    "\x85",
    "\x00",
    "\\",
    "{$a}",
    "%2e",
    "..",
    "/",
]
REFERENCES = [
    "https://evil.example/e.ts",
    "//evil.example/",
    "http://cdn.example.org/live/x",
    "seg.ts",
    "a/b",
    "data:x",
    "e:x",
]
TAGS = [
    "#EXT-X-KEY:",
    "#EXTINF:4,",
    "#EXT-X-MEDIA:",
    "#EXT-X-STREAM-INF:",
    "#EXT-X-PREFETCH:",
    '#EXT-X-DEFINE:QUERYPARAM="a"',
]
DEFINES = [
    '#EXT-X-DEFINE:QUERYPARAM="a"',
    '#EXT-X-DEFINE:NAME="a",VALUE="https://evil.example/"',
    '#EXT-X-DEFINE:NAME="a",VALUE="#EXT-X-MAP:URI=b"',
]
NAMES = ["URI=", 'URI="', "uri=", "X-ASSET-LIST=", "METHOD=AES-128,"]
PIECES = st.sampled_from([*MARKS, *REFERENCES, *NAMES, *("\n" + tag for tag in (*TAGS, *DEFINES))])


@ANY
@given(st.lists(st.one_of(PIECES, st.text(max_size=3)), max_size=25))
def test_no_address_of_an_origin_survives_in_any_playlist(linker_for: LinkerFor, pieces: list[str]) -> None:
    text = "#EXTM3U\n" + "".join(pieces)
    try:
        made = rewrite(text.encode("utf-8", "replace"), PAGE, linker_for(PAGE)).decode()
    except PlaylistRefused:
        return
    for address in addresses(made):
        assert OURS.match(address) or re.match(r"(?!https?:)[a-z]+:", address), address
        assert "{$" not in address.split()[0]
    between = re.sub(r'"[^"\n]*"|/api[/?]\S*', "", made)
    assert not re.search(r"(?i)https?://|[\s,]//[^\s,]", between)


SEGMENTS = st.sampled_from(["..", ".", "a", "b.ts", "live", "show", "%20", "c%C3%BC", "d:e", "f;g", "$1", "~"])
QUERIES = st.sampled_from(["", "?x", "?x=/../y", "?x=%2e%2e/", "?a=b&c=d", "?..", "??"])
FRONTS = st.sampled_from(
    ["", "/", "/live/", "//a.example.net/live/", "https://cdn.example.org/live/", "https://cdn.example.org:443/"]
)


@ANY
@given(FRONTS, st.lists(SEGMENTS, max_size=6), QUERIES)
def test_a_reference_is_read_as_the_standard_says(
    linker_for: LinkerFor, opened: Callable[[str], str], front: str, segments: list[str], query: str
) -> None:
    reference = front + "/".join(segments) + query
    try:
        wanted = parse_address(urljoin(PAGE, reference))
        allowed = (wanted.path + "/").startswith("/live/") and wanted.host in ("cdn.example.org", "a.example.net")
    except Refusal:
        allowed = False
    found = addresses(rewrite(f"#EXTM3U\n{reference}\n".encode(), PAGE, linker_for(PAGE)).decode())
    if not reference:
        assert found == []
    elif re.match(r"d:", reference):
        assert opened(found[0]) == "refused"
    else:
        assert opened(found[0]) == (wanted.url if allowed else "refused")


# Variables


def test_variables_are_expanded_before_addresses_are_read(rewritten: Callable[..., list[str]]) -> None:
    assert rewritten(
        '#EXT-X-DEFINE:NAME="host",VALUE="https://a.example.net"',
        '#EXT-X-DEFINE:NAME="dir",VALUE="live"',
        "{$host}/{$dir}/a.ts",
        '#EXT-X-MAP:URI="{$host}/{$dir}/i.mp4"',
        "{$other}/a.ts",
    ) == ["https://a.example.net/live/a.ts", "https://a.example.net/live/i.mp4", "refused"]


def test_a_variable_works_from_its_definition_on(rewritten: Callable[..., list[str]]) -> None:
    assert rewritten("{$a}.ts", '#EXT-X-DEFINE:NAME="a",VALUE="b"', "{$a}.ts") == ["refused", f"{BASE}/b.ts"]


def test_a_variable_comes_from_the_query_of_the_playlist(rewritten: Callable[..., list[str]]) -> None:
    lines = ('#EXT-X-DEFINE:QUERYPARAM="t"', "a.ts?t={$t}")
    assert rewritten(*lines, page=f"{BASE}/i.m3u8?t=a%26b") == [f"{BASE}/a.ts?t=a&b"]
    assert rewritten(*lines, page=f"{BASE}/i.m3u8") == ["refused"]
    assert rewritten(*lines, page=f"{BASE}/i.m3u8?t=%0A%23EXT-X-KEY:URI=x") == ["refused"]


def test_a_media_playlist_imports_what_its_master_defined(
    linker_for: LinkerFor, links: Links, rewritten: Callable[..., list[str]]
) -> None:
    master = b'#EXTM3U\n#EXT-X-DEFINE:NAME="t",VALUE="1,2"\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv.m3u8\n'
    made = rewrite(master, PAGE, linker_for(PAGE))
    (address,) = addresses(made.decode())
    media = links.open(address)
    assert (media.address.url, media.variables) == (f"{BASE}/v.m3u8", {"t": "1,2"})
    lines = ('#EXT-X-DEFINE:IMPORT="t"', "a.ts?t={$t}")
    assert rewritten(*lines, page=media.address.url, variables=media.variables) == [f"{BASE}/a.ts?t=1,2"]
    assert rewritten(*lines, page=media.address.url) == ["refused"]


def test_no_definition_and_no_variable_is_left_in_what_comes_out(linker_for: LinkerFor) -> None:
    made = rewrite(b'#EXTM3U\n#EXT-X-DEFINE:NAME="a",VALUE="https://evil.example"\n{$a}/x\n', PAGE, linker_for(PAGE))
    assert b"DEFINE" not in made and b"evil" not in made and b"{$" not in made


@pytest.mark.parametrize(
    "text",
    [
        b'#EXT-X-DEFINE:NAME="a",VALUE="' + b"x" * 1500 + b'"\n' + b"{$a}" * 50_000,
        b'#EXT-X-DEFINE:NAME="a",VALUE="' + b"x" * 3000 + b'"\n',
    ],
    ids=["that expand without end", "that do not fit into links"],
)
def test_variables_are_refused(linker_for: LinkerFor, text: bytes) -> None:
    with pytest.raises(PlaylistRefused):
        rewrite(b"#EXTM3U\n" + text, PAGE, linker_for(PAGE))


# What is refused as a whole, and how long anything may take


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"#EXTM3",
        b"#EXTM3U8\na.ts",
        b"<html>",
        b"a.ts\n#EXTM3U",
        "#EXTM3U\na.ts".encode("utf-16"),
        b"#EXTM3U\n\xff\xfe.ts\n",
        b"#EXTM3U\n" + b"\n" * (MOST_LINES + 1),
    ],
    ids=["nothing", "half", "longer", "a page", "a line above", "UTF-16", "no UTF-8", "too many lines"],
)
def test_what_is_no_playlist_is_refused(linker_for: LinkerFor, text: bytes) -> None:
    with pytest.raises(PlaylistRefused) as refused:
        rewrite(text, PAGE, linker_for(PAGE))
    assert refused.value.status == 502 and refused.value.detail


def test_a_playlist_at_the_end_of_the_way_is_refused(linker_for: LinkerFor) -> None:
    with pytest.raises(NestsTooDeep):
        linker_for(PAGE, depth=3)


def test_the_renditions_of_a_report_are_no_step_deeper(linker_for: LinkerFor, links: Links) -> None:
    made = rewrite(b'#EXTM3U\n#EXT-X-RENDITION-REPORT:URI="../v1/i.m3u8"\na.ts\n', PAGE, linker_for(PAGE, depth=2))
    assert [links.open(address).depth for address in addresses(made.decode())] == [2, 3]


HARD = {
    "blanks in a line": b"a" + b" " * 500_000 + b"b",
    "blanks in a tag": b"#EXT-X-KEY:a" + b" " * 500_000 + b'URI="x"',
    "a long tag without attributes": b"#EXT-X-KEY://" + b"a" * 500_000,
    "a long name": b"a" * 500_000 + b"\\",
    "many dots": b"../" * 150_000 + b"\\",
    "many slashes": b"/" * 500_000 + b"\\",
    "many folders that fit nowhere": b"/" + b"a/" * 250_000 + b"\\",
    "many escapes": b"%41" * 150_000 + b"\\",
    "many quotes": b"#EXT-X-KEY:" + b'URI="' * 100_000,
    "many equals signs": b"#EXT-X-KEY:URI" + b"=" * 500_000,
}


@pytest.mark.parametrize("line", HARD.values(), ids=HARD.keys())
def test_no_playlist_takes_much_longer_than_others(linker_for: LinkerFor, line: bytes) -> None:
    began = time.process_time()
    with suppress(PlaylistRefused):
        rewrite(b"#EXTM3U\n" + line + b"\n", PAGE, linker_for(PAGE))
    # What is quadratic takes minutes.
    assert time.process_time() - began < 5


@pytest.mark.parametrize("line", ["a%%25%d", "https://h%d.example.net/live/a"], ids=["escapes", "hosts"])
def test_addresses_that_have_to_be_read_one_by_one_are_limited(
    linker_for: LinkerFor, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    monkeypatch.setattr("reelkit_streamproxy.linking.MOST_READ", 100)
    for lines in (99, 101):
        text = "#EXTM3U\n" + "".join(f"{line % number}\n" for number in range(lines))
        with pytest.raises(PlaylistRefused, match="unusual") if lines > 100 else nullcontext():
            rewrite(text.encode(), PAGE, linker_for(PAGE))
