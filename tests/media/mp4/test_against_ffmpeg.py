"""What is packaged is what was uploaded: ffmpeg decodes the same frames, at the same times, from source and segments."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from reelkit.testing.packaging import Frame, decode, decode_sound, package

PICTURES = [
    "plain.mp4", "faststart.mp4", "no_b_frames.mp4", "short_gops.mp4", "odd_gops.mp4", "intra_only.mp4",
    "vfr.mp4", "hevc10.mp4", "hev1.mp4", "av1_opus.mp4", "rotated.mp4", "wide_pixels.mp4", "quicktime.mov",
    "several_sounds.mp4", "silent.mp4", "sound_short.mp4", "sound_long.mp4", "fragmented.mp4", "delayed_moov.mp4",
    "hybrid.mp4", "negative_offsets.mp4", "no_edits.mp4", "trimmed_end.mp4", "sound_late.mp4", "picture_late.mp4",
    "both_late.mp4",
]  # fmt: skip
SOUNDS = [
    "plain.mp4", "faststart.mp4", "vfr.mp4", "av1_opus.mp4", "surround.mp4", "he_rate.mp4", "quicktime.mov",
    "several_sounds.mp4", "sound_only.m4a", "sound_short.mp4", "sound_long.mp4", "fragmented.mp4", "delayed_moov.mp4",
    "hybrid.mp4", "negative_offsets.mp4", "no_edits.mp4", "trimmed_end.mp4", "sound_late.mp4",
    "picture_late.mp4", "both_late.mp4", "ac3.mp4", "eac3.mp4", "flac.mp4", "mp3.mp4", "cover.m4a",
]  # fmt: skip

RESTARTED = {"picture_late.mp4", "vfr.mp4", "fragmented.mp4", "hybrid.mp4", "no_edits.mp4"}


def _moved(frames: list[Frame], by: Fraction = Fraction(0)) -> list[tuple[Fraction, str]]:
    return [(frame.time - by, frame.digest) for frame in frames]


@pytest.mark.parametrize("name", PICTURES)
def test_segments_decode_to_the_frames_and_times_of_the_source(
    name: str, source: Callable[[str], Path], tmp_path: Path
) -> None:
    packaged = package(source(name), tmp_path)

    assert packaged.packager.can_package is None
    expected = _moved(decode(source(name), "v:0"), packaged.packager.origin)
    assert _moved(decode(packaged.tracks["v0"], "0")) == expected
    assert expected[0][0] == 0


@pytest.mark.parametrize("name", SOUNDS)
def test_segments_decode_to_the_sound_of_the_source(name: str, source: Callable[[str], Path], tmp_path: Path) -> None:
    packaged = package(source(name), tmp_path)

    assert packaged.packager.audio_tracks
    for track in packaged.packager.audio_tracks:
        expected = decode_sound(source(name), f"a:{track.number}", track.sample_rate, track.channels)
        found = decode_sound(packaged.tracks[track.name], "0", track.sample_rate, track.channels)
        origin, unit = packaged.packager.origin, Fraction(1, track.sample_rate)
        start, end = max(expected.start - origin, Fraction(0)), expected.end - origin
        assert found.start <= start + unit
        # A source tells how much of its last frame is padding; segments cannot.
        assert end <= found.end <= end + 2048 * unit
        before, after = expected.between(start + origin, end + origin), found.between(start, end)
        if name in RESTARTED:
            # The decoder begins later than in the source: its first frame lacks a predecessor, its noise another seed.
            assert np.abs(before[2048:].astype(np.int32) - after[2048:]).max() <= 8
        else:
            np.testing.assert_array_equal(before, after)


def test_a_trimmed_file_plays_from_its_key_frame_with_the_frames_that_were_cut_off(
    source: Callable[[str], Path], tmp_path: Path
) -> None:
    # Copied from 3.3 s on: the file begins at the key frame of 2 s and an edit list hides 1.3 s of it. Chromium would
    # drop hidden frames together with all others up to the next key frame.
    packaged = package(source("trimmed.mp4"), tmp_path)
    whole, found = decode(source("plain.mp4"), "v:0"), decode(packaged.tracks["v0"], "0")

    assert packaged.packager.origin == Fraction(-13, 10)
    assert _moved(found) == _moved(whole[50:], Fraction(2))
    sound = decode_sound(packaged.tracks["a0"], "0", 48000, 1)
    expected = decode_sound(source("plain.mp4"), "a:0", 48000, 1)
    # What can be heard is in time with what can be seen: 3 s into the segments is 5 s into the original.
    a, b = sound.between(Fraction(3), Fraction(4)), expected.between(Fraction(5), Fraction(6))
    assert np.abs(a.astype(np.int32) - b).max() <= 8


def test_fragments_with_negative_offsets_keep_picture_and_sound_together(
    source: Callable[[str], Path], tmp_path: Path
) -> None:
    # ffmpeg itself shows the picture of such a file 2 frames late, so the file it was copied from is the measure.
    packaged = package(source("cmaf.mp4"), tmp_path)

    assert packaged.packager.index.fragmented
    assert _moved(decode(packaged.tracks["v0"], "0")) == _moved(decode(source("plain.mp4"), "v:0"))
    assert _moved(decode(packaged.tracks["a0"], "0")) == _moved(decode(source("cmaf.mp4"), "a:0"))


@pytest.mark.parametrize("name", ["plain.mp4", "av1_opus.mp4", "hevc10.mp4", "sound_only.m4a"])
def test_ffmpeg_plays_the_playlists(name: str, source: Callable[[str], Path], tmp_path: Path) -> None:
    packaged = package(source(name), tmp_path)
    picture = packaged.packager.video_track
    if picture is not None:
        assert _moved(decode(packaged.master, "v:0", beside="a:0")) == _moved(decode(source(name), "v:0"))
    (track,) = packaged.packager.audio_tracks
    beside = None if picture is None else "v:0"
    found = decode_sound(packaged.master, "a:0", track.sample_rate, track.channels, beside=beside)
    expected = decode_sound(source(name), "a:0", track.sample_rate, track.channels)
    np.testing.assert_array_equal(found.between(Fraction(0), Fraction(9)), expected.between(Fraction(0), Fraction(9)))


def test_a_playlist_read_from_the_middle_starts_at_a_key_frame(source: Callable[[str], Path], tmp_path: Path) -> None:
    packaged = package(source("plain.mp4"), tmp_path)
    playlist = (tmp_path / "v0.m3u8").read_text().splitlines()
    first = playlist.index("v0.0.m4s")
    (tmp_path / "rest.m3u8").write_text("\n".join([*playlist[: first - 1], *playlist[first + 1 :]]) + "\n")

    whole = _moved(decode(packaged.tracks["v0"], "0"))
    assert _moved(decode(tmp_path / "rest.m3u8", "v:0")) == whole[100:]
