"""What cannot be packaged says why, in a sentence for people."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from reelkit.media.mp4.key_frames import is_idr
from reelkit.media.mp4.packager import Packager
from reelkit.testing.packaging import index_file


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("vp9.mp4", "The picture is encoded as VP9; H.264, HEVC and AV1 can be packaged."),
        ("prores.mov", "The picture is encoded as ProRes; H.264, HEVC and AV1 can be packaged."),
        ("pcm.mov", "The sound is encoded as pcm_s16le; AAC, MP3, Opus, AC-3 and FLAC can be packaged."),
        ("long_gop.mp4", "The key frames of the picture are up to 10.0 s apart; at most 6 s can be packaged."),
        ("open_gop.mp4", "The picture has open GOPs, in which Chromium cannot seek."),
        ("mixed_gops.mp4", "The picture has open GOPs, in which Chromium cannot seek."),
        ("high10.mp4", "Browsers cannot show this kind of H.264 (profile 110, yuv420p10le)."),
        ("fields.mp4", "The picture is interlaced, and browsers would show the lines of two moments at once."),
        ("fields_high.mp4", "The picture is interlaced, and browsers would show the lines of two moments at once."),
        ("dv.mov", "The picture is encoded as DV; H.264, HEVC and AV1 can be packaged."),
        ("ac3.mp4", "Not every browser plays the sound (ac3)."),
        ("mp3.mp4", "Not every browser plays the sound (mp3)."),
        ("sound_very_late.mp4", "The sound begins 4.5 s after the picture."),
    ],
)
def test_a_refusal_says_why(name: str, reason: str, source: Callable[[str], Path]) -> None:
    assert Packager(index_file(source(name))).can_package == reason


def test_a_picture_with_a_foreign_sound_can_be_packaged_alone(source: Callable[[str], Path]) -> None:
    packager = Packager(index_file(source("pcm.mov")))

    assert packager.video_track is not None
    assert packager.refusal(packager.video_track) is None
    assert packager.audio_tracks == ()
    assert packager.segments(packager.video_track) == [4.0, 4.0, 2.0]


def test_asking_for_segments_of_what_is_refused_is_an_error(source: Callable[[str], Path]) -> None:
    packager = Packager(index_file(source("vp9.mp4")))

    assert packager.video_track is not None
    with pytest.raises(ValueError, match="VP9"):
        packager.segments(packager.video_track)
    with pytest.raises(ValueError, match="VP9"):
        packager.segment(packager.video_track, 0)


def test_a_segment_beyond_the_last_is_an_error(source: Callable[[str], Path]) -> None:
    packager = Packager(index_file(source("plain.mp4")))

    assert packager.video_track is not None
    for number in (-1, 3):
        with pytest.raises(IndexError, match="3 segments"):
            packager.segment(packager.video_track, number)


def test_an_encrypted_file_is_refused(source: Callable[[str], Path], tmp_path: Path) -> None:
    # What encryption leaves to see: the sample entry is renamed.
    data = source("plain.mp4").read_bytes()
    locked = tmp_path / "locked.mp4"
    locked.write_bytes(data.replace(b"avc1\0\0\0\0\0\0\0\1", b"encv\0\0\0\0\0\0\0\1"))

    assert Packager(index_file(locked)).can_package == "The video is encrypted."


@pytest.mark.parametrize(
    ("units", "idr"),
    [
        ([b"\x65abc"], True),
        ([b"\x41abc"], False),
        ([b"\x09\xf0", b"\x06" + bytes(700), b"\x67aa", b"\x68a", b"\x65abc"], True),
        ([b"\x09\xf0", b"\x06\x06\x01\xc4\x80", b"\x41abc"], False),
        ([b"\x06" + bytes(5000), b"\x41abc"], True),
        ([], True),
    ],
)
def test_an_idr_frame_is_known_by_its_first_slice(units: list[bytes], idr: bool) -> None:
    sample = b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)
    assert is_idr(sample[:2048], 4) is idr
