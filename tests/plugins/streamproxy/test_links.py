"""A link opens what it was made for, until it ends, and nothing else."""

from __future__ import annotations

import string
from collections.abc import Callable
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reelkit_streamproxy.addresses import parse_address
from reelkit_streamproxy.linking import Linker
from reelkit_streamproxy.links import Links
from reelkit_streamproxy.refusals import AddressRefused, LinkExpired, LinkInvalid, NestsTooDeep, Refusal

NOON = 1_800_000_000
KEY = b"k" * 32
LINKS = Links([KEY], seconds=3600, clock=lambda: NOON)
URL = "https://cdn.example.org/live/a.m3u8?x=%2F&y=\u00fc#z"
SPELLED = parse_address(URL).url
TICKET = '["ke1","production"]'

NAMES = st.text(string.ascii_letters + string.digits + "-_~!$&'()*+,;=:@", min_size=1, max_size=8)
QUERIES = st.text(string.ascii_letters + string.digits + "%/?&=+$\u00fc\"'<>", max_size=20)
ADDRESSES = st.builds(
    lambda path, query: parse_address(f"https://cdn.example.org/{'/'.join(path)}" + (f"?{query}" if query else "")),
    st.lists(NAMES, max_size=4),
    QUERIES,
)
TEXTS = st.text(max_size=30).filter(lambda text: text.isprintable() and not set(text) & set("\ufffd"))


@given(ADDRESSES, st.integers(0, 9), TEXTS, st.dictionaries(TEXTS, TEXTS, max_size=3))
def test_a_link_opens_the_very_url_that_it_was_made_for(address, depth, ticket, variables) -> None:  # type: ignore[no-untyped-def]  # hypothesis's
    link = LINKS.open(LINKS.to(address.url, depth, ticket, variables))
    assert (link.address, link.depth, link.ticket, link.variables) == (address, depth, ticket, variables)


@given(ADDRESSES, st.integers(0, 9), TEXTS)
def test_a_folder_opens_what_is_below_it(address, depth, ticket) -> None:  # type: ignore[no-untyped-def]  # hypothesis's
    below = LINKS.below(address.folder, depth, ticket)
    link = LINKS.open(below + address.url[len(address.folder) :])
    assert (link.address, link.depth, link.ticket) == (address, depth, ticket)


SEALED = LINKS.to(SPELLED, 1, TICKET, {"a": "b"})
FOLDER = LINKS.below("https://cdn.example.org/live/", 1, TICKET)
PRINTABLE = [chr(code) for code in range(33, 127)]


@pytest.mark.parametrize(("link", "name"), [(SEALED, ""), (FOLDER, "seg1.ts")], ids=["a URL", "a folder"])
def test_no_character_of_a_link_can_be_another(link: str, name: str) -> None:
    for at, was in enumerate(link):
        for character in PRINTABLE:
            if character != was:
                with pytest.raises(LinkInvalid):
                    LINKS.open(link[:at] + character + link[at + 1 :] + name)


@given(st.integers(0, len(SEALED) - 1))
def test_a_truncated_link_is_refused(length: int) -> None:
    with pytest.raises(LinkInvalid):
        LINKS.open(SEALED[:length])


@given(st.one_of(st.text(max_size=80), st.text("/api?url=&depth=1expires=9folder/AA.%", max_size=80)))
def test_anything_else_is_no_link(text: str) -> None:
    with pytest.raises(Refusal):
        LINKS.open(text)


PATHS = st.lists(st.sampled_from(["..", ".", "%2e%2e", "%2E.", "a", "", "..;x", "%2f..", "..%2f", "..%5c", "%252e%252e"]))


@given(PATHS, st.sampled_from(["", "?x", "?../..", "?/../../"]))
def test_nothing_leads_out_of_a_folder(segments: list[str], query: str) -> None:
    try:
        link = LINKS.open(FOLDER + "/".join(segments) + query)
    except Refusal:
        return
    assert link.address.url.startswith("https://cdn.example.org/live/")
    assert ".." not in link.address.path.split("/")


FORGED: dict[str, Callable[[], str]] = {
    "of another site": lambda: Links([b"o" * 32], 3600, lambda: NOON).to(SPELLED, 1, TICKET),
    "a folder of another site": lambda: Links([b"o" * 32], 3600, lambda: NOON).below("https://cdn.example.org/", 1, ""),
    "no signature": lambda: SEALED.rpartition("&signature")[0],
    "an empty signature": lambda: SEALED.rpartition("=")[0] + "=",
    "a signature with padding": lambda: SEALED + "==",
    "a signature in other letters": lambda: SEALED.rpartition("=")[0] + "=" + "\u0131" * 22,
    "two URLs": lambda: SEALED + "&url=" + quote("https://evil.example/", safe=""),
    "the URL of another link": lambda: SEALED.replace("a.m3u8", "b.m3u8"),
    "the URL in another spelling": lambda: SEALED.replace("%3A%2F%2F", "%3a%2f%2f"),
    "a later end": lambda: SEALED.replace("expires=18", "expires=19"),
    "an end with a sign": lambda: SEALED.replace("expires=", "expires=+"),
    "no depth": lambda: SEALED.replace("depth=1", "depth="),
    "less depth": lambda: SEALED.replace("depth=1", "depth=0"),
    "another ticket": lambda: SEALED.replace("ke1", "ke2"),
    "other variables": lambda: SEALED.replace("define=", "define=%20"),
    "a folder's token as signature": lambda: SEALED.rpartition("=")[0] + "=" + FOLDER.split("/")[3],
    "a folder without a token": lambda: "/api/folder//a.ts",
    "a folder with a short token": lambda: "/api/folder/AAAA/a.ts",
    "a folder without a name": lambda: FOLDER[:-1],
    "another place": lambda: SEALED.replace("/api", "/apis"),
    "very long": lambda: FOLDER + "a" * 40_000,
}


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED.keys())
def test_a_forged_link_is_refused(forged: Callable[[], str]) -> None:
    with pytest.raises(LinkInvalid) as refused:
        LINKS.open(forged())
    assert refused.value.status == 403 and refused.value.detail


def test_a_link_ends() -> None:
    now = float(NOON)
    links = Links([KEY], seconds=3600, clock=lambda: now)
    made = [links.to(SPELLED, 0, TICKET), links.below("https://cdn.example.org/", 0, TICKET)]
    now = NOON + 3600
    for link in made:
        links.open(link)
    now = NOON + 3600 + 901
    for link in made:
        with pytest.raises(LinkExpired):
            links.open(link)


def test_links_stay_the_same_for_a_while_so_that_they_are_cached() -> None:
    made = {Links([KEY], 3600, lambda at=at: NOON + at).to(SPELLED, 0, TICKET) for at in range(0, 900, 100)}  # type: ignore[misc]  # a default binds at
    assert len(made) <= 2


def test_a_link_from_when_links_lived_longer_is_refused() -> None:
    lasting = Links([KEY], seconds=86_400, clock=lambda: NOON).to(SPELLED, 0, TICKET)
    with pytest.raises(LinkInvalid):
        LINKS.open(lasting)


def test_links_outlive_the_secret_that_signed_them_while_it_is_listed() -> None:
    made = LINKS.to(SPELLED, 0, TICKET)
    rotated = Links([b"n" * 32, KEY], 3600, lambda: NOON)
    assert rotated.open(made).address.url == SPELLED
    assert rotated.to(SPELLED, 0, TICKET) != made
    with pytest.raises(LinkInvalid):
        Links([b"n" * 32], 3600, lambda: NOON).open(made)


def test_a_link_needs_no_key_and_shows_none() -> None:
    parts = urlsplit(SEALED)
    assert (parts.scheme, parts.netloc, parts.path) == ("", "", "/api")
    assert KEY.decode() not in SEALED


def test_what_a_player_adds_for_low_latency_goes_on_to_the_origin_and_nothing_else_does() -> None:
    made = LINKS.to("https://cdn.example.org/a.m3u8?x=1", 0, TICKET)
    link = LINKS.open(made + "&_HLS_msn=12&_HLS_part=3&CMCD=bl%3D1&avh=secret&_HLS_x=%0d")
    assert link.address.url == "https://cdn.example.org/a.m3u8?x=1&_HLS_msn=12&_HLS_part=3"
    assert LINKS.open(LINKS.to("https://cdn.example.org/a", 0, "") + "&_HLS_msn=1").address.url.endswith("/a?_HLS_msn=1")


def test_a_name_below_a_folder_is_read_as_strictly_as_any_address() -> None:
    with pytest.raises(AddressRefused):
        LINKS.open(FOLDER + "a%00b")


def test_playlists_that_nest_for_ever_come_to_an_end(linker_for: Callable[..., Linker], links: Links) -> None:
    linker = linker_for("https://cdn.example.org/live/0.m3u8")
    with pytest.raises(NestsTooDeep):
        for number in range(10):
            page = links.open(linker.to(f"https://cdn.example.org/live/{number}.m3u8"))
            linker = linker_for(page.address.url, page.depth)
    assert number == 2


def test_a_playlist_that_is_loaded_again_is_no_step_deeper(linker_for: Callable[..., Linker], links: Links) -> None:
    linker = linker_for("https://cdn.example.org/live/0.m3u8", depth=2)
    assert links.open(linker.to("https://cdn.example.org/live/1.m3u8", beside=True)).depth == 2


def test_a_folder_that_addresses_climb_out_of_is_sealed_higher_up(linker_for: Callable[..., Linker], links: Links) -> None:
    linker = linker_for("https://cdn.example.org/live/a.mpd")
    below = linker.below("https://cdn.example.org/live/a/b/", up=1)
    assert below.endswith("/b/")
    assert links.open(below + "c.m4s").address.url == "https://cdn.example.org/live/a/b/c.m4s"
    assert links.open(below.removesuffix("b/") + "c.m4s").address.url == "https://cdn.example.org/live/a/c.m4s"
    assert links.open(linker.below("https://cdn.example.org/live/a/", up=9)[: -len("live/a/")] + "x").address.path == "/x"
