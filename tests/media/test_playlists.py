"""Playlists are what RFC 8216 says, and nothing that people name can break out of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reelkit.media.playlists import (
    AudioRendition,
    Segment,
    Subtitles,
    Variant,
    master_playlist,
    media_playlist,
    text_playlist,
)

TOP = Variant(
    uri="top/v0/playlist.m3u8", bandwidth=5_000_000, average_bandwidth=4_000_000, codecs="avc1.640028",
    width=1920, height=1080, frame_rate=30000 / 1001, audio="audio",
)  # fmt: skip
LOW = Variant(
    uri="low/v0/playlist.m3u8", bandwidth=700_000, average_bandwidth=500_000, codecs="avc1.64001E", width=640, height=360,
    frame_rate=29.97, audio="audio",
)  # fmt: skip
HUGE = Variant(uri="huge.m3u8", bandwidth=20_000_000, codecs="avc1.640033", width=3840, height=2160)
ENGLISH = AudioRendition(
    uri="top/a0/playlist.m3u8", name="English", bandwidth=130_000, average_bandwidth=128_000, codecs="mp4a.40.2",
    language="eng", channels=2,
)  # fmt: skip
FRENCH = AudioRendition(uri="top/a1/playlist.m3u8", name="français", bandwidth=200_000, average_bandwidth=190_000,
                        codecs="mp4a.40.5", language="fra", default=True, channels=6)  # fmt: skip


def test_a_master_playlist_lists_sounds_then_variants() -> None:
    assert master_playlist([LOW, TOP], [ENGLISH, FRENCH]).splitlines() == [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="English",LANGUAGE="eng",DEFAULT=NO,AUTOSELECT=YES,CHANNELS="2",'
        'URI="top/a0/playlist.m3u8"',
        '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="français",LANGUAGE="fra",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="6",'
        'URI="top/a1/playlist.m3u8"',
        "#EXT-X-STREAM-INF:BANDWIDTH=5200000,AVERAGE-BANDWIDTH=4190000,"
        'CODECS="avc1.640028,mp4a.40.2,mp4a.40.5",RESOLUTION=1920x1080,FRAME-RATE=29.970,AUDIO="audio"',
        "top/v0/playlist.m3u8",
        "#EXT-X-STREAM-INF:BANDWIDTH=900000,AVERAGE-BANDWIDTH=690000,"
        'CODECS="avc1.64001E,mp4a.40.2,mp4a.40.5",RESOLUTION=640x360,FRAME-RATE=29.970,AUDIO="audio"',
        "low/v0/playlist.m3u8",
    ]


def test_players_start_with_the_best_variant_that_most_lines_carry() -> None:
    uris = [line for line in master_playlist([LOW, HUGE, TOP], [ENGLISH]).splitlines() if not line.startswith("#")]
    assert uris == ["top/v0/playlist.m3u8", "huge.m3u8", "low/v0/playlist.m3u8"]


def test_one_sound_of_a_group_is_the_default() -> None:
    text = master_playlist([TOP], [ENGLISH])
    assert text.count("DEFAULT=YES") == 1


def test_sounds_of_one_name_are_told_apart() -> None:
    text = master_playlist([TOP], [ENGLISH, ENGLISH, ENGLISH])
    assert [f'NAME="English{suffix}"' in text for suffix in ("", " 2", " 3")] == [True, True, True]


def test_codecs_are_left_out_when_one_is_unknown() -> None:
    unknown = AudioRendition(uri="a.m3u8", name="x", bandwidth=1)
    assert "CODECS" not in master_playlist([TOP], [unknown])


def test_segments_that_depend_on_each_other_are_not_called_independent() -> None:
    assert "INDEPENDENT" not in master_playlist([HUGE], independent_segments=False)


@pytest.mark.parametrize(
    "variants",
    [
        [],
        [Variant(uri="a.m3u8", bandwidth=1, audio="missing")],
        [Variant(uri="a.m3u8", bandwidth=0)],
        [Variant(uri="", bandwidth=1)],
        [Variant(uri="a\n#EXT-X-ENDLIST", bandwidth=1)],
        [Variant(uri="#a", bandwidth=1)],
        [Variant(uri="a.m3u8", bandwidth=1, codecs='avc1",URI="x')],
    ],
)
def test_what_would_break_a_master_playlist_is_an_error(variants: list[Variant]) -> None:
    with pytest.raises(ValueError, match=r"playlist|variant|bandwidth"):
        master_playlist(variants)


@given(st.text())
def test_no_name_breaks_out_of_its_attribute(name: str) -> None:
    sound = AudioRendition(uri="a.m3u8", name=name, bandwidth=1)
    lines = master_playlist([TOP], [sound]).split("\n")
    (media,) = [line for line in lines if line.startswith("#EXT-X-MEDIA:")]
    assert len(lines) == 7
    assert media.count('"') == 6


def test_a_vod_playlist_is_complete() -> None:
    segments = [Segment("0.m4s", 4.004), Segment("1.m4s", 4.4), Segment("2.m4s", 1.0)]
    assert media_playlist(segments, init="init.mp4").splitlines() == [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        "#EXT-X-TARGETDURATION:4",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        '#EXT-X-MAP:URI="init.mp4"',
        "#EXTINF:4.004000,",
        "0.m4s",
        "#EXTINF:4.400000,",
        "1.m4s",
        "#EXTINF:1.000000,",
        "2.m4s",
        "#EXT-X-ENDLIST",
    ]


@pytest.mark.parametrize(("longest", "target"), [(4.49, 4), (4.5, 5), (5.5, 6), (0.2, 1), (6.5, 7)])
def test_the_target_duration_is_the_longest_rounded_half_up(longest: float, target: int) -> None:
    text = media_playlist([Segment("0.m4s", longest), Segment("1.m4s", 0.1)], init="i.mp4")
    assert f"#EXT-X-TARGETDURATION:{target}\n" in text


def test_an_event_playlist_grows_and_then_ends() -> None:
    growing = media_playlist([Segment("1.m4s", 2)], init="init.mp4", kind="EVENT", ended=False, target_duration=4)
    grown = media_playlist(
        [Segment("1.m4s", 2), Segment("2.m4s", 3.1)], init="init.mp4", kind="EVENT", ended=False, target_duration=4
    )
    ended = media_playlist([Segment("1.m4s", 2), Segment("2.m4s", 3.1)], init="init.mp4", kind="EVENT", target_duration=4)

    assert grown.startswith(growing)
    assert ended == grown + "#EXT-X-ENDLIST\n"
    assert "#EXT-X-PLAYLIST-TYPE:EVENT\n#EXT-X-MAP" in growing


def test_an_event_playlist_may_be_empty_at_first() -> None:
    assert "#EXTINF" not in media_playlist([], init="init.mp4", kind="EVENT", ended=False, target_duration=4)


@pytest.mark.parametrize(
    ("segments", "options"),
    [
        ([Segment("0.m4s", 4)], {"ended": False}),
        ([Segment("0.m4s", 4)], {"kind": "EVENT", "ended": False}),
        ([Segment("0.m4s", 4.6)], {"target_duration": 4}),
        ([Segment("0.m4s", -1)], {}),
        ([Segment("0.m4s", float("nan"))], {}),
        ([Segment("0.m4s", float("inf"))], {}),
        ([Segment("0.m4s\nhttp://elsewhere/", 4)], {}),
        ([Segment("0.m4s", 4)], {"init": 'a"b'}),
    ],
)
def test_what_would_break_a_media_playlist_is_an_error(segments: list[Segment], options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"playlist|segment|target"):
        media_playlist(segments, **{"init": "init.mp4", **options})  # type: ignore[arg-type]  # wrong on purpose


def test_captions_are_a_group_that_every_variant_names() -> None:
    captions = [
        Subtitles(uri="captions/en.m3u8", name="English", language="en"),
        Subtitles(uri="captions/en-US-POSIX.m3u8", name="English", language="en-US-POSIX", default=True),
        Subtitles(uri="captions/x.m3u8", name='"\r\n#EXT', language="x"),
    ]
    lines = master_playlist([LOW, TOP], [ENGLISH], captions).splitlines()
    assert [line for line in lines if "TYPE=SUBTITLES" in line] == [
        '#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="text",NAME="English",LANGUAGE="en",DEFAULT=NO,AUTOSELECT=YES,FORCED=NO,'
        'URI="captions/en.m3u8"',
        '#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="text",NAME="English [en-US-POSIX]",LANGUAGE="en-US-POSIX",DEFAULT=YES,'
        'AUTOSELECT=YES,FORCED=NO,URI="captions/en-US-POSIX.m3u8"',
        '#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="text",NAME="\'  #EXT",LANGUAGE="x",DEFAULT=NO,AUTOSELECT=YES,FORCED=NO,'
        'URI="captions/x.m3u8"',
    ]
    variants = [line for line in lines if line.startswith("#EXT-X-STREAM-INF")]
    assert len(variants) == 2 and all('AUDIO="audio",SUBTITLES="text"' in line for line in variants)


@pytest.mark.parametrize(("duration", "target"), [(0.2, 1), (59.5, 60), (86400.0, 86400)])
def test_a_file_of_captions_is_one_segment(duration: float, target: int) -> None:
    assert text_playlist("../../captions/en.vtt", duration).splitlines() == [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        f"#EXT-X-TARGETDURATION:{target}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        f"#EXTINF:{duration:.6f},",
        "../../captions/en.vtt",
        "#EXT-X-ENDLIST",
    ]
