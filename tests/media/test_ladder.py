"""Which renditions a source gets."""

from __future__ import annotations

from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reelkit.interfaces.media import AudioStream, Probe, VideoStream
from reelkit.media.ladder import compliant, draft_rung, plan, quality


def video(width: int = 1920, height: int = 1080, **changes: object) -> VideoStream:
    known: dict[str, object] = {
        "codec": "h264",
        "width": width,
        "height": height,
        "coded_width": width,
        "coded_height": height,
        "frame_rate": Fraction(30),
        "pixel_format": "yuv420p",
    }
    return VideoStream(**(known | changes))  # type: ignore[arg-type]  # fields by name


def probed(picture: VideoStream | None, *audio: AudioStream) -> Probe:
    return Probe(container="mov", duration=60.0, size=1000, video=picture, audio=audio)


STEREO = AudioStream(codec="aac", channels=2, sample_rate=48000)
SURROUND = AudioStream(codec="aac", channels=6, sample_rate=48000)
OPUS = AudioStream(codec="opus", channels=2, sample_rate=48000)


def numbered(stream: AudioStream, number: int) -> AudioStream:
    return msgspec.structs.replace(stream, number=number)


sizes = st.integers(min_value=1, max_value=8192)
rates = st.fractions(min_value=0, max_value=240, max_denominator=1001)


@given(width=sizes, height=sizes, rate=rates, copyable=st.booleans())
def test_no_rung_is_larger_than_its_source(width: int, height: int, rate: Fraction, copyable: bool) -> None:
    for rung in plan(probed(video(width, height, frame_rate=rate)), copyable=copyable).rungs:
        # Rounding to even sides may add one pixel.
        assert rung.width <= width + 1 or rung.width == 2
        assert rung.height <= height + 1 or rung.height == 2


@given(width=sizes, height=sizes)
def test_every_rung_has_even_sides_and_a_falling_bit_rate(width: int, height: int) -> None:
    rungs = plan(probed(video(width, height))).rungs
    assert rungs
    assert all(rung.width % 2 == rung.height % 2 == 0 and rung.width and rung.height for rung in rungs)
    rates = [rung.max_rate for rung in rungs]
    assert rates == sorted(rates, reverse=True)
    assert all(100_000 <= rate <= 60_000_000 for rate in rates)
    assert len({rung.name for rung in rungs}) == len(rungs)


@given(width=st.integers(240, 8192), height=st.integers(240, 8192))
def test_every_rung_keeps_the_aspect(width: int, height: int) -> None:
    for rung in plan(probed(video(width, height))).rungs:
        # Each side is at most one pixel off.
        assert abs(rung.width * height / width - rung.height) <= 1 + height / width + 1e-9


@given(width=sizes, height=sizes)
def test_portrait_is_landscape_turned(width: int, height: int) -> None:
    upright = plan(probed(video(width, height))).rungs
    turned = plan(probed(video(height, width))).rungs
    assert [(r.name, r.width, r.height, r.max_rate) for r in upright] == [
        (r.name, r.height, r.width, r.max_rate) for r in turned
    ]


@given(width=sizes, height=sizes)
def test_a_copied_top_is_never_encoded_again(width: int, height: int) -> None:
    ladder = plan(probed(video(width, height)), key_frames=[0.0, 4.0], copyable=True)
    assert ladder.copy_video
    assert ladder.key_frames == (0.0, 4.0)
    assert quality(width, height) not in [rung.name for rung in ladder.rungs]


def test_a_full_hd_source_gets_five_rungs() -> None:
    rungs = plan(probed(video())).rungs
    assert [(rung.name, rung.width, rung.height) for rung in rungs] == [
        ("1080p", 1920, 1080),
        ("720p", 1280, 720),
        ("480p", 854, 480),
        ("360p", 640, 360),
        ("240p", 426, 240),
    ]


def test_a_full_hd_copy_gets_the_four_below() -> None:
    ladder = plan(probed(video(), STEREO), copyable=True, copied_sounds=[0])
    assert [rung.name for rung in ladder.rungs] == ["720p", "480p", "360p", "240p"]
    assert ladder.sounds == ()


def test_a_telephone_held_upright_is_named_by_its_short_side() -> None:
    rungs = plan(probed(video(1080, 1920))).rungs
    assert [(rung.name, rung.width, rung.height) for rung in rungs][:2] == [("1080p", 1080, 1920), ("720p", 720, 1280)]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"codec": "hevc"}, "not every browser has HEVC"),
        ({"pixel_format": "yuv420p10le"}, "10 bits"),
        ({"pixel_format": "yuv444p"}, "4:4:4"),
        ({"frame_rate": Fraction(120)}, "120 frames a second"),
        ({"transfer": "smpte2084"}, "HDR"),
    ],
)
def test_what_a_browser_may_not_play_is_encoded_whole(changes: dict[str, object], reason: str) -> None:
    assert not compliant(video(**changes)), reason  # type: ignore[arg-type]  # fields by name
    ladder = plan(probed(video(**changes)), key_frames=[0.0], copyable=True)  # type: ignore[arg-type]  # fields by name
    assert not ladder.copy_video
    assert ladder.rungs[0].name == "1080p"
    assert ladder.key_frames == ()


@pytest.mark.parametrize(
    ("streams", "copyable", "expected"),
    [
        ((), True, ()),
        ((STEREO,), True, ()),
        ((STEREO,), False, (0,)),
        ((SURROUND,), True, (0,)),
        ((OPUS,), True, (0,)),
        ((numbered(OPUS, 1), STEREO, numbered(STEREO, 2)), True, (1,)),
        ((numbered(STEREO, 1), OPUS), False, (1, 0)),
    ],
)
def test_only_packageable_stereo_aac_is_copied(
    streams: tuple[AudioStream, ...], copyable: bool, expected: tuple[int, ...]
) -> None:
    assert plan(probed(video(), *streams), copyable=copyable, copied_sounds=range(9)).sounds == expected


def test_a_sound_that_the_packager_refuses_is_encoded() -> None:
    assert plan(probed(video(), STEREO, numbered(STEREO, 1)), copyable=True, copied_sounds=[1]).sounds == (0,)


def test_of_many_sounds_eight_are_encoded_and_none_that_nobody_decodes() -> None:
    unknown = AudioStream("unknown", 4, 48000, number=0)
    many = [numbered(OPUS, number) for number in range(1, 12)]
    assert plan(probed(video(), unknown, *many)).sounds == tuple(range(1, 9))
    # Alone it is tried: what ffmpeg says of it is told.
    assert plan(probed(video(), unknown)).sounds == (0,)


def test_sound_alone_has_no_rungs() -> None:
    ladder = plan(probed(None, OPUS))
    assert (ladder.rungs, ladder.copy_video, ladder.sounds) == ((), False, (0,))


@given(width=sizes, height=sizes)
def test_the_draft_is_at_most_360p(width: int, height: int) -> None:
    assert draft_rung(video(width, height)).name in ("360p", "240p")
