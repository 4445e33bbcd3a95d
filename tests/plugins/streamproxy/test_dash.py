"""Whatever a manifest leads to, it leads to us: resolved as players do, from what comes out."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from urllib.parse import urljoin
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reelkit_streamproxy.dash import rewrite
from reelkit_streamproxy.linking import Linker
from reelkit_streamproxy.links import Links
from reelkit_streamproxy.refusals import PlaylistRefused, Refusal

LinkerFor = Callable[..., Linker]
Leads = Callable[[str], str]
PAGE = "https://cdn.example.org/live/show/manifest.mpd?a=1"
HERE = "https://site.example/api?url=x"
SEGMENTS = {
    "SegmentTemplate": ("media", "initialization", "index", "bitstreamSwitching"),
    "SegmentURL": ("media", "index"),
    "Initialization": ("sourceURL",),
    "RepresentationIndex": ("sourceURL",),
}


def addresses(manifest: bytes) -> list[str]:
    """Return where every segment address of a manifest leads, as a player that got it from HERE resolves it: below the
    first BaseURL of each level, `$…$` taken for 1 and an id for itself."""
    found: list[str] = []

    def walk(element: ElementTree.Element, base: str) -> None:
        for child in element:
            if local(child.tag) == "BaseURL":
                base = urljoin(base, (child.text or "").strip())
                break
        for name in SEGMENTS.get(local(element.tag), ()):
            if value := element.get(name):
                filled = re.sub(r"\$(Number|Time|Bandwidth)?(%0\d+d)?\$", "1", value).replace("$RepresentationID$", "r1")
                found.append(urljoin(base, filled.strip()))
        for child in element:
            walk(child, base)

    walk(ElementTree.fromstring(manifest), HERE)
    return found


def local(tag: str) -> str:
    return tag.rpartition("}")[2]


@pytest.fixture
def leads(links: Links) -> Leads:
    """Say where an address of a rewritten manifest leads: to a URL of an origin, or `refused`."""

    def where(address: str) -> str:
        assert address.startswith("https://site.example/api"), address
        path = address.removeprefix("https://site.example")
        if path.startswith("/api/refused"):
            return "refused"
        try:
            return links.open(path).address.url
        except Refusal:
            return "refused"

    return where


@pytest.fixture
def led(linker_for: LinkerFor, leads: Leads) -> Callable[[str], list[str]]:
    """Rewrite a manifest and return where its segments lead."""

    def made(manifest: str) -> list[str]:
        return [leads(address) for address in addresses(rewrite(manifest.encode(), PAGE, linker_for(PAGE)))]

    return made


def mpd(inside: str, top: str = "") -> str:
    return f'<MPD xmlns="urn:mpeg:dash:schema:mpd:2011">{top}<Period><AdaptationSet>{inside}</AdaptationSet></Period></MPD>'


SHOW = "https://cdn.example.org/live/show"


@pytest.mark.parametrize(
    ("top", "inside", "wanted"),
    [
        ("", '<SegmentTemplate media="v/$Number$.m4s" initialization="i.mp4"/>', [f"{SHOW}/v/1.m4s", f"{SHOW}/i.mp4"]),
        ("", '<SegmentTemplate media="$RepresentationID$/$Number%05d$.m4s?t=$Time$"/>', [f"{SHOW}/r1/1.m4s?t=1"]),
        ("", '<SegmentTemplate media="../v/$Number$.m4s"/>', ["https://cdn.example.org/live/v/1.m4s"]),
        ("", '<SegmentTemplate media="/live/v/$Number$.m4s"/>', ["https://cdn.example.org/live/v/1.m4s"]),
        ("", '<SegmentTemplate media="//a.example.net/live/$Number$.m4s"/>', ["https://a.example.net/live/1.m4s"]),
        ("", '<SegmentTemplate media="https://a.example.net/live/x-$Number$.m4s"/>', ["https://a.example.net/live/x-1.m4s"]),
        ("", '<SegmentTemplate media="https://a.example.net/live/$Number$/x.m4s"/>', ["https://a.example.net/live/1/x.m4s"]),
        ("", '<SegmentList><SegmentURL media="1.m4s" index="1.idx"/></SegmentList>', [f"{SHOW}/1.m4s", f"{SHOW}/1.idx"]),
        ("", '<SegmentBase><Initialization sourceURL="i.mp4"/></SegmentBase>', [f"{SHOW}/i.mp4"]),
        ("<BaseURL>v/</BaseURL>", '<SegmentTemplate media="1.m4s"/>', [f"{SHOW}/v/1.m4s"]),
        ("<BaseURL>../v/</BaseURL>", '<SegmentTemplate media="../1.m4s"/>', ["https://cdn.example.org/live/1.m4s"]),
        ("<BaseURL>/live/v/</BaseURL>", '<SegmentTemplate media="1.m4s"/>', ["https://cdn.example.org/live/v/1.m4s"]),
        (
            "<BaseURL>https://a.example.net/live/</BaseURL>",
            '<SegmentTemplate media="1.m4s"/>',
            ["https://a.example.net/live/1.m4s"],
        ),
        (
            "<BaseURL>https://a.example.net/live/v/</BaseURL>",
            '<SegmentTemplate media="/live/w/1.m4s"/>',
            ["https://a.example.net/live/w/1.m4s"],
        ),
        (
            "<BaseURL><![CDATA[https://a.example.net/live/]]></BaseURL>",
            '<SegmentTemplate media="1.m4s?a=1&amp;b=2"/>',
            ["https://a.example.net/live/1.m4s?a=1&b=2"],
        ),
        (
            "",
            '<SegmentTemplate media="../s/$Number$.m4s"/><Representation id="r1"><BaseURL>https://a.example.net/live/x/y/</BaseURL>'
            '<SegmentTemplate media="../s/$Number$.m4s"/></Representation>',
            [f"{SHOW[:-5]}/s/1.m4s", "https://a.example.net/live/x/s/1.m4s"],
        ),
        (
            "<BaseURL>a/b/</BaseURL>",
            '<Representation id="r1"><BaseURL>../c/</BaseURL><SegmentTemplate media="../d/$Number$.m4s"/></Representation>',
            [f"{SHOW}/a/d/1.m4s"],
        ),
        ("", '<SegmentTemplate media="https://evil.example/live/$Number$.m4s"/>', ["refused"]),
        ("", '<SegmentTemplate media="//evil.example/live/$Number$.m4s"/>', ["refused"]),
        ("", '<SegmentTemplate media="https://$Number$.example.net/live/a"/>', ["refused"]),
        ("", '<SegmentTemplate media="https://cdn.example.org/private/$Number$.m4s"/>', ["refused"]),
        ("", '<SegmentTemplate media="https://cdn.example.org/live/$Number$/../../private/a"/>', ["refused"]),
        ("", '<SegmentTemplate media="../../../private/$Number$.m4s"/>', ["refused"]),
        ("", '<SegmentTemplate media="/private/$Number$.m4s"/>', ["refused"]),
        ("", '<SegmentTemplate media="\\\\evil.example\\$Number$.m4s"/>', ["refused"]),
        ("", '<SegmentTemplate media="ht&#10;tps://evil.example/"/>', ["refused"]),
        ("", '<SegmentTemplate media="https:evil.example/"/>', ["refused"]),
        ("", '<SegmentTemplate media="file:///etc/passwd"/>', ["refused"]),
        ("<BaseURL>https://evil.example/live/</BaseURL>", '<SegmentTemplate media="1.m4s"/>', ["refused"]),
        ("<BaseURL>http://169.254.169.254/</BaseURL>", '<SegmentTemplate media="latest/meta-data"/>', ["refused"]),
        ("<BaseURL>&#x68;ttps://evil.example/live/</BaseURL>", '<SegmentTemplate media="1.m4s"/>', ["refused"]),
    ],
)
def test_a_segment_leads_where_it_led_or_nowhere(
    led: Callable[[str], list[str]], top: str, inside: str, wanted: list[str]
) -> None:
    assert led(mpd(inside, top)) == wanted


def test_every_alternative_base_is_rewritten(linker_for: LinkerFor, leads: Leads) -> None:
    bases = (
        '<BaseURL serviceLocation="a">https://a.example.net/live/</BaseURL>'
        '<BaseURL serviceLocation="b" dvb:weight="1" xmlns:dvb="urn:dvb:dash:dash-extensions:2014-1">https://b.example.net/live/</BaseURL>'
        "<BaseURL>https://evil.example/</BaseURL>"
    )
    made = ElementTree.fromstring(rewrite(mpd("", bases).encode(), PAGE, linker_for(PAGE)))
    found = [each for each in made if local(each.tag) == "BaseURL"]
    assert [leads(urljoin(HERE, f"{each.text}x")) for each in found] == [
        "https://a.example.net/live/x",
        "https://b.example.net/live/x",
        "refused",
    ]
    assert found[0].get("serviceLocation") == "a"


def test_a_manifest_without_a_base_gets_one_in_its_place(linker_for: LinkerFor) -> None:
    text = '<d:MPD xmlns:d="urn:mpeg:dash:schema:mpd:2011"><d:ProgramInformation/><d:Period/></d:MPD>'
    made = rewrite(text.encode(), PAGE, linker_for(PAGE)).decode()
    assert re.search(r"<d:ProgramInformation/><d:BaseURL>/api/folder/[\w-]+/</d:BaseURL><d:Period/>", made)


def test_a_manifest_is_loaded_again_through_us_and_no_step_deeper(linker_for: LinkerFor, links: Links) -> None:
    text = mpd("", "<Location>../b.mpd?x=1&amp;y=2</Location><PatchLocation ttl='60'>p.mpp</PatchLocation>")
    made = ElementTree.fromstring(rewrite(text.encode(), PAGE, linker_for(PAGE, depth=2)))
    (location,) = [each.text or "" for each in made if local(each.tag) == "Location"]
    link = links.open(location)
    assert (link.address.url, link.depth) == ("https://cdn.example.org/live/b.mpd?x=1&y=2", 2)
    assert not [each for each in made if local(each.tag) == "PatchLocation"]


def test_remote_parts_are_fetched_through_us(linker_for: LinkerFor, links: Links) -> None:
    text = (
        '<MPD xmlns:xlink="http://www.w3.org/1999/xlink"><Period xlink:href="p2.xml" xlink:actuate="onRequest"/>'
        '<Period xlink:href="urn:mpeg:dash:resolve-to-zero:2013"/><Period xlink:href="https://evil.example/p.xml"/></MPD>'
    )
    made = ElementTree.fromstring(rewrite(text.encode(), PAGE, linker_for(PAGE)))
    hrefs = [each.get("{http://www.w3.org/1999/xlink}href", "") for each in made if each.tag == "Period"]
    link = links.open(hrefs[0])
    assert (link.address.url, link.depth) == (f"{SHOW}/p2.xml", 1)
    assert hrefs[1:] == ["urn:mpeg:dash:resolve-to-zero:2013", "/api/refused/origin"]


def test_a_remote_part_keeps_its_relative_addresses(linker_for: LinkerFor) -> None:
    text = '<Period xmlns="urn:mpeg:dash:schema:mpd:2011"><SegmentTemplate media="a/$Number$.m4s"/></Period>'
    assert rewrite(text.encode(), f"{SHOW}/p2.xml", linker_for(PAGE)).decode().endswith(text)


def test_clocks_are_asked_through_us_or_left_out(linker_for: LinkerFor, links: Links) -> None:
    clock = '<UTCTiming schemeIdUri="urn:mpeg:dash:utc:{}" value="{}"/>'
    text = mpd(
        "",
        clock.format("http-iso:2014", "https://time.example/?iso https://cdn.example.org/live/time")
        + clock.format("http-xsdate:2014", "https://time.example/?xsd")
        + clock.format("direct:2014", "2026-11-22T08:00:00Z"),
    )
    made = ElementTree.fromstring(rewrite(text.encode(), PAGE, linker_for(PAGE)))
    values = [each.get("value", "") for each in made if local(each.tag) == "UTCTiming"]
    assert links.open(values[0]).address.url == "https://cdn.example.org/live/time"
    assert values[1:] == ["2026-11-22T08:00:00Z"]


def test_what_protects_content_stays_and_names_stay(linker_for: LinkerFor) -> None:
    inside = (
        '<ContentProtection schemeIdUri="urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed" value="https://a.example/">'
        '<dashif:Laurl xmlns:dashif="https://dashif.org/CPS">https://licence.example/</dashif:Laurl></ContentProtection>'
        '<EssentialProperty schemeIdUri="http://dashif.org/guidelines/thumbnail_tile" value="1x1"/>'
        '<Representation id="https://a.example/" bandwidth="1"/>'
    )
    text = mpd(inside, f"<BaseURL>{SHOW}/</BaseURL>")
    made = rewrite(text.encode(), PAGE, linker_for(PAGE)).decode()
    assert inside in made


def test_other_addresses_are_rewritten_wherever_they_stand(linker_for: LinkerFor) -> None:
    text = mpd(
        '<EventStream schemeIdUri="urn:mpeg:dash:event:callback:2015"><Event>https://evil.example/seen</Event></EventStream>'
        '<SupplementalProperty schemeIdUri="urn:x" dvb:url="https://evil.example/font" xmlns:dvb="urn:d"/>',
        '<ProgramInformation moreInformationURL="https://evil.example/"/>'
        "<!-- https://evil.example --><?a https://evil.example ?>",
    )
    made = rewrite(text.encode(), PAGE, linker_for(PAGE))
    ElementTree.fromstring(made)
    assert b"evil" not in made


def test_the_rest_of_a_manifest_stays_byte_by_byte(linker_for: LinkerFor) -> None:
    timeline = "<SegmentTimeline>\n <S t='0' d=\"4\"  r = '3' />\n</SegmentTimeline>"
    text = mpd(f"<SegmentTemplate media='$Time$.m4s' timescale='90000'>{timeline}</SegmentTemplate>\u00fc&amp;&#65;")
    made = rewrite(text.encode(), PAGE, linker_for(PAGE)).decode()
    assert re.sub("<BaseURL>.*?</BaseURL>", "", made) == f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_any_unicode_encoding_is_read(linker_for: LinkerFor, encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{encoding.removesuffix("-sig")}"?>' + mpd('<SegmentTemplate media="\u00fc.m4s"/>')
    made = rewrite(text.encode(encoding), PAGE, linker_for(PAGE))
    assert made.startswith(b'<?xml version="1.0" encoding="UTF-8"?>') and "\u00fc.m4s".encode() in made


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10 if n else "ha"}">' for n in range(10))

HOSTILE = {
    "nothing": b"",
    "no XML": b"#EXTM3U",
    "half": b"<MPD><Period>",
    "two roots": b"<MPD/><MPD/>",
    "a billion laughs": f"<!DOCTYPE MPD [{LAUGHS}]><MPD>&l9;</MPD>".encode(),
    "an external entity": b'<!DOCTYPE MPD [<!ENTITY x SYSTEM "file:///etc/passwd">]><MPD><BaseURL>&x;</BaseURL></MPD>',
    "an external parameter entity": b'<!DOCTYPE MPD [<!ENTITY % x SYSTEM "http://169.254.169.254/"> %x;]><MPD/>',
    "an external document type": b'<!DOCTYPE MPD SYSTEM "http://169.254.169.254/"><MPD/>',
    "a document type alone": b"<!DOCTYPE MPD><MPD/>",
    "an unknown entity": b"<MPD><BaseURL>&x;</BaseURL></MPD>",
    "deep nesting": b"<a>" * 100_000,
    "many elements": b"<MPD>" + b"<S/>" * 300_001 + b"</MPD>",
    "many comments": b"<MPD>" + b"<!---->" * 10_001 + b"</MPD>",
    "another encoding": '<?xml version="1.0" encoding="iso-8859-1"?><MPD>\u00fc</MPD>'.encode("latin-1"),
    "UTF-7": b'<?xml version="1.0" encoding="utf-7"?><MPD>\xff</MPD>',
    "half of UTF-16": b"\xff\xfe<\x00M",
    "a patch": b'<Patch><add sel="/MPD"><BaseURL>https://evil.example/</BaseURL></add></Patch>',
}


@pytest.mark.parametrize("manifest", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_xml_is_refused_soon(linker_for: LinkerFor, manifest: bytes) -> None:
    began = time.process_time()
    with pytest.raises(PlaylistRefused) as refused:
        rewrite(manifest, PAGE, linker_for(PAGE))
    assert refused.value.status == 502 and refused.value.detail
    assert time.process_time() - began < 5


ELSEWHERE = [
    "https://evil.example/",
    "//evil.example/a",
    " https://evil.example/ ",
    "\\\\evil.example",
    "HTTPS://EVIL.example",
]
HERE_ABOUT = ["a/", "../../../", "/live/", "/", "", "?x", "https://cdn.example.org/live/", "$RepresentationID$/", "a b"]
TEXTS = st.sampled_from([*ELSEWHERE, *HERE_ABOUT, "data:a", "\n//evil.example"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=100)
@given(TEXTS, TEXTS, TEXTS, TEXTS, st.sampled_from(["BaseURL", "Location", "Event", "ContentSteering"]))
def test_no_address_of_an_origin_survives_in_any_manifest(
    linker_for: LinkerFor, top: str, middle: str, media: str, other: str, element: str
) -> None:
    text = (
        f"<MPD><{element}>{escape(top)}</{element}><Period><BaseURL>{escape(middle)}</BaseURL>"
        f"<AdaptationSet other={quoteattr(other)}>"
        f"<SegmentTemplate media={quoteattr(media)}/><X>{escape(other)}</X></AdaptationSet></Period></MPD>"
    )
    made = rewrite(text.encode(), PAGE, linker_for(PAGE))
    assert b"evil" not in made.lower()
    for address in addresses(made):
        assert address.startswith(("https://site.example/", "data:")), address
