"""A playlist is known by its bytes, and by what it is called; steering manifests are rewritten too."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from reelkit_streamproxy.json_lists import rewrite
from reelkit_streamproxy.linking import Linker
from reelkit_streamproxy.links import Links
from reelkit_streamproxy.refusals import PlaylistRefused
from reelkit_streamproxy.sniffing import kind_of

MPD = b'<?xml version="1.0"?>\n<!-- a -- b --><MPD xmlns="urn:mpeg:dash:schema:mpd:2011">'


@pytest.mark.parametrize(
    ("content_type", "start", "path", "kind"),
    [
        ("application/vnd.apple.mpegurl", b"#EXTM3U\n", "/a.m3u8", "hls"),
        ("Application/X-mpegURL; charset=utf-8", b"", "/a", "hls"),
        ("video/mp2t", b"#EXTM3U\n", "/a.ts", "hls"),
        ("text/plain", b"\xef\xbb\xbf#EXTM3U\r\n", "/a", "hls"),
        ("text/plain", b"\n #EXTM3U", "/a", "hls"),
        ("", "\ufeff#EXTM3U\n".encode("utf-16-le"), "/a", "hls"),
        ("", "\ufeff#EXTM3U\n".encode("utf-16-be") + b"\x00", "/a", "hls"),
        ("application/octet-stream", b"#EXTM3U", "/a", "hls"),
        ("application/octet-stream", b"#EXTM3U8", "/a", "other"),
        ("text/plain", b"<html>", "/a.m3u8", "hls"),
        ("video/mp4", b"\0\0\0\x18ftyp", "/a.m3u8", "other"),
        ("video/mp2t", b"\x47", "/a.ts", "other"),
        ("application/dash+xml", b"", "/a", "dash"),
        ("text/xml", MPD, "/a", "dash"),
        ("application/octet-stream", b"<d:Period xmlns:d='x'>", "/a", "dash"),
        ("text/xml", b"<!DOCTYPE MPD [<!ENTITY a 'b'>]><MPD>", "/a", "other"),
        ("text/xml", b"<!DOCTYPE MPD><MPD>", "/a", "dash"),
        ("text/xml", b"<tt xmlns='http://www.w3.org/ns/ttml'>", "/a.ttml", "other"),
        ("text/xml", b"<MPDX>", "/a", "other"),
        ("", b"", "/a.MPD", "dash"),
        ("application/json", b'{"VERSION": 1, "RELOAD-URI": "a"}', "/s", "json"),
        ("application/vnd.apple.steering-list", b"", "/s", "json"),
        ("application/json", b'{"ASSETS" : []}', "/s", "json"),
        ("application/json", b'{"a": 1}', "/s", "other"),
        ("text/vtt", b"WEBVTT\n", "/a.vtt", "other"),
        ("text/xml", b"<?" + b"?" * 1000, "/a", "other"),
        ("text/xml", b"<!--" + b"-" * 1000, "/a", "other"),
    ],
)
def test_what_players_take_for_a_playlist_is_rewritten(content_type: str, start: bytes, path: str, kind: str) -> None:
    assert kind_of(content_type, start, path) == kind


PAGE = "https://cdn.example.org/live/steer?x=1"


def test_a_steering_manifest_leads_to_us(linker_for: Callable[..., Linker], links: Links) -> None:
    manifest = {
        "VERSION": 1,
        "TTL": 10,
        "RELOAD-URI": "/live/again",
        "PATHWAY-PRIORITY": ["a"],
        "PATHWAY-CLONES": [{"ID": "b"}],
    }
    made = msgspec.json.decode(rewrite(msgspec.json.encode(manifest), PAGE, linker_for(PAGE, depth=1)))
    link = links.open(made.pop("RELOAD-URI"))
    assert (link.address.url, link.depth) == ("https://cdn.example.org/live/again", 1)
    assert made == {"VERSION": 1, "TTL": 10, "PATHWAY-PRIORITY": ["a"]}


def test_a_list_of_assets_leads_to_us(linker_for: Callable[..., Linker], links: Links) -> None:
    manifest = (
        b'{"ASSETS":[{"URI":"ad.m3u8","DURATION":5},{"URI":"https://evil.example/a"},{"URI":"file:///a"},{},{"URI":1},2]}'
    )
    made = msgspec.json.decode(rewrite(manifest, PAGE, linker_for(PAGE)))["ASSETS"]
    assert links.open(made[0]["URI"]).address.url == "https://cdn.example.org/live/ad.m3u8"
    assert [each["URI"] for each in made[1:3]] == ["/api/refused/origin", "/api/refused/uri"]
    assert made[3:] == [{}, {"URI": 1}, 2]


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b'{"a":' * 100_000, b"\xff", b'{"ASSETS":[' + b"{}," * 1000 + b"{}]}"])
def test_what_is_no_such_list_is_refused(linker_for: Callable[..., Linker], text: bytes) -> None:
    with pytest.raises(PlaylistRefused):
        rewrite(text, PAGE, linker_for(PAGE))
