"""The segments themselves: where they are cut, what their boxes say, how their durations add up."""

from __future__ import annotations

import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from reelkit.media.mp4.boxes import children, find, uint
from reelkit.media.mp4.packager import Packager
from reelkit.media.mp4.tracks import Track
from reelkit.testing.packaging import index_file

CUTTABLE = [
    "plain.mp4", "no_b_frames.mp4", "short_gops.mp4", "odd_gops.mp4", "intra_only.mp4", "vfr.mp4", "hevc10.mp4",
    "av1_opus.mp4", "quicktime.mov", "several_sounds.mp4", "silent.mp4", "sound_only.m4a", "sound_short.mp4",
    "sound_long.mp4", "fragmented.mp4", "cmaf.mp4", "trimmed.mp4", "sound_late.mp4",
]  # fmt: skip


class Moof:
    """The fragment header of one planned segment, read by hand."""

    def __init__(self, head: bytes) -> None:
        view = memoryview(head)
        self.boxes = [child.kind for child in children(view[: len(head) - 8])]
        traf = find(view, b"moof", b"traf")
        assert traf is not None
        tfhd, tfdt, trun = find(traf, b"tfhd"), find(traf, b"tfdt"), find(traf, b"trun")
        assert tfhd is not None and tfdt is not None and trun is not None
        self.time = uint(tfdt, 4, 8)
        flags, place = uint(tfhd, 1, 3), 8
        duration = uint(tfhd, place, 4) if flags & 8 else 0
        default = uint(tfhd, place + (4 if flags & 8 else 0), 4)
        bits, self.count, self.data_offset = uint(trun, 1, 3), uint(trun, 4, 4), uint(trun, 8, 4)
        place = 12
        first = default
        if bits & 4:
            first, place = uint(trun, 12, 4), 16
        names = [bit for bit in (0x100, 0x200, 0x400, 0x800) if bits & bit]
        rows = np.frombuffer(trun, ">u4", self.count * len(names), place).reshape(self.count, len(names))
        self.durations = rows[:, names.index(0x100)] if 0x100 in names else np.full(self.count, duration)
        self.sizes = rows[:, names.index(0x200)]
        self.first_flags = int(rows[0, names.index(0x400)]) if 0x400 in names else first
        self.sync = (rows[:, names.index(0x400)] & 0x10000 == 0).sum() if 0x400 in names else 1


def tracks(packager: Packager) -> list[Track]:
    """All tracks that are packaged."""
    return [*([packager.video_track] if packager.video_track else []), *packager.audio_tracks]


@pytest.mark.parametrize("name", CUTTABLE)
def test_segments_follow_each_other_without_hole_or_overlap(name: str, source: Callable[[str], Path]) -> None:
    packager = Packager(index_file(source(name)))
    assert packager.can_package is None
    for track in tracks(packager):
        clock = None
        for number in range(len(packager.segments(track))):
            plan = packager.segment(track, number)
            moof = Moof(plan.head)
            assert clock is None or moof.time == clock
            clock = moof.time + int(moof.durations.sum())
            assert moof.sizes.sum() == sum(stop - start for start, stop in plan.ranges) == plan.size - len(plan.head)
            # What trun points at is the first byte behind the head.
            styp = uint(memoryview(plan.head), 0, 4)
            assert styp + moof.data_offset == len(plan.head)
            assert plan.head[-8:] == struct.pack(">I4s", plan.size - len(plan.head) + 8, b"mdat")
            assert moof.boxes == [b"styp", b"moof"]


@pytest.mark.parametrize("name", CUTTABLE)
def test_every_segment_begins_with_a_sync_sample(name: str, source: Callable[[str], Path]) -> None:
    packager = Packager(index_file(source(name)))
    for track in tracks(packager):
        for number in range(len(packager.segments(track))):
            assert not Moof(packager.segment(track, number).head).first_flags & 0x10000


@pytest.mark.parametrize("name", CUTTABLE)
def test_durations_add_up_to_what_is_shown(name: str, source: Callable[[str], Path]) -> None:
    packager = Packager(index_file(source(name)))
    for track in tracks(packager):
        durations = packager.segments(track)
        assert all(0 < duration <= 8 for duration in durations)
        # What is shown before the origin is left out, and what a trim hides before its key frame is shown.
        assert sum(durations) == pytest.approx(track.duration - float(packager.origin), abs=0.07)


@pytest.mark.parametrize(
    ("name", "durations"),
    [
        ("plain.mp4", [4.0, 4.0, 2.0]),
        ("intra_only.mp4", [4.0, 4.0, 2.0]),
        ("short_gops.mp4", [3.92, 3.92, 2.16]),
        ("odd_gops.mp4", [3.9, 4.32, 1.8]),
        ("sound_only.m4a", [4.0, 4.0, 2.0]),
        ("sound_short.mp4", [4.0, 4.0, 2.0]),
    ],
)
def test_segments_are_cut_about_every_four_seconds(name: str, durations: list[float], source: Callable[[str], Path]) -> None:
    packager = Packager(index_file(source(name)))
    assert packager.segments(tracks(packager)[0]) == pytest.approx(durations, abs=0.05)


def test_sound_is_cut_where_the_picture_is(source: Callable[[str], Path]) -> None:
    packager = Packager(index_file(source("odd_gops.mp4")))
    picture, sound = tracks(packager)
    # At the first frame of sound at or behind each cut: less than one frame of 1024 samples later.
    seen = np.cumsum(packager.segments(picture))[:-1]
    heard = np.cumsum(packager.segments(sound))[:-1]
    assert ((heard >= seen - 1e-9) & (heard < seen + 1024 / 48000)).all()


def test_sound_that_ends_early_has_fewer_segments(source: Callable[[str], Path]) -> None:
    packager = Packager(index_file(source("sound_short.mp4")))
    picture, sound = tracks(packager)
    assert len(packager.segments(picture)) == 3
    assert packager.segments(sound) == pytest.approx([4.0, 1.3], abs=0.03)


def test_sound_that_goes_on_is_cut_every_four_seconds(source: Callable[[str], Path]) -> None:
    packager = Packager(index_file(source("sound_long.mp4")))
    picture, sound = tracks(packager)
    assert packager.segments(picture) == [pytest.approx(3.2)]
    assert packager.segments(sound) == pytest.approx([3.2, 4.0, 2.8], abs=0.03)


def test_a_file_of_sound_keeps_the_clock_and_the_cuts_of_a_picture(source: Callable[[str], Path]) -> None:
    picture = Packager(index_file(source("odd_gops.mp4")))
    index = index_file(source("sound_only.m4a"))
    alone, beside = Packager(index), Packager(index, origin=Fraction(1, 2), cuts=picture.cut_times)

    (track,) = alone.audio_tracks
    assert beside.segments(track) == pytest.approx([3.9, 4.32, 1.28], abs=0.06)
    assert beside.origin == Fraction(1, 2)
    assert sum(alone.segments(track)) - sum(beside.segments(track)) == pytest.approx(0.5)


def test_bandwidth_is_measured(source: Callable[[str], Path]) -> None:
    packager = Packager(index_file(source("plain.mp4")))
    (track, _) = tracks(packager)
    durations = packager.segments(track)
    sizes = [packager.segment(track, number).size for number in range(len(durations))]

    peak, average = packager.bandwidth(track)
    assert average == round(sum(sizes) * 8 / sum(durations))
    assert peak == round(max(size * 8 / duration for size, duration in zip(sizes, durations, strict=True)))


def test_ranges_that_touch_are_read_at_once(source: Callable[[str], Path]) -> None:
    packager = Packager(index_file(source("silent.mp4")))
    assert packager.video_track is not None
    for number in range(3):
        assert len(packager.segment(packager.video_track, number).ranges) == 1
