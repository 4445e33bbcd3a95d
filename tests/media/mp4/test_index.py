"""The index: what it says of a file, that it survives being saved, and what is done about files that are cut or large."""

from __future__ import annotations

import asyncio
import re
import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from reelkit.media.mp4.boxes import box, children, full_box
from reelkit.media.mp4.errors import BadIndex, CorruptMp4, NotMp4, TruncatedMp4
from reelkit.media.mp4.index import MediaIndex, build_index
from reelkit.media.mp4.packager import Packager
from reelkit.testing.packaging import decode, index_file, package


def top_level(data: bytes) -> dict[bytes, tuple[int, int]]:
    """Where the first box of each kind begins and ends."""
    found: dict[bytes, tuple[int, int]] = {}
    for child in children(memoryview(data)):
        found.setdefault(child.kind, (child.start, child.stop))
    return found


@pytest.mark.parametrize(
    ("name", "codecs"),
    [
        ("plain.mp4", [r"avc1\.64000B", r"mp4a\.40\.2"]),
        ("hevc10.mp4", [r"hvc1\.2\.4\.L30\.90", r"mp4a\.40\.2"]),
        ("hev1.mp4", [r"hev1\.1\.6\.L30\.90"]),
        ("av1_opus.mp4", [r"av01\.0\.00M\.08", "opus"]),
        ("vp9.mp4", [r"vp09\.00\.[0-9]{2}\.08"]),
        ("ac3.mp4", [r"avc1\.64000B", "ac-3"]),
        ("eac3.mp4", [r"avc1\.64000B", "ec-3"]),
        ("flac.mp4", [r"avc1\.64000B", "flac"]),
        ("mp3.mp4", [r"avc1\.64000B", r"mp4a\.6B"]),
        ("quicktime.mov", [r"avc1\.64000B", r"mp4a\.40\.2"]),
    ],
)
def test_codecs_are_named_as_browsers_know_them(name: str, codecs: list[str], source: Callable[[str], Path]) -> None:
    found = [track.codecs for track in index_file(source(name)).tracks]
    assert len(found) == len(codecs)
    assert all(re.fullmatch(pattern, codec) for pattern, codec in zip(codecs, found, strict=True)), found


def test_an_index_tells_what_a_file_is(source: Callable[[str], Path]) -> None:
    index = index_file(source("several_sounds.mp4"))
    picture, english, french = index.tracks

    assert (picture.kind, picture.codec, picture.width, picture.height) == ("video", "h264", 192, 108)
    assert (picture.frame_rate, picture.rotation, picture.pixel_format) == (Fraction(25), 0, "yuv420p")
    assert (english.kind, english.codec, english.channels, english.sample_rate) == ("audio", "aac", 1, 48000)
    assert (english.language, french.language, french.sample_rate) == ("eng", "fra", 44100)
    assert [track.name for track in index.tracks] == ["v0", "a0", "a1"]
    assert index.duration == pytest.approx(10, abs=0.03)
    assert not index.fragmented and not index.truncated


def test_sizes_are_as_displayed(source: Callable[[str], Path]) -> None:
    (turned, _) = index_file(source("rotated.mp4")).tracks
    (wide,) = index_file(source("wide_pixels.mp4")).tracks

    assert (turned.width, turned.height, turned.coded_width, turned.coded_height) == (108, 192, 192, 108)
    assert turned.rotation in (90, 270)
    assert (wide.width, wide.height, wide.coded_width) == (256, 108, 192)


def test_surround_is_counted_by_the_codec(source: Callable[[str], Path]) -> None:
    assert index_file(source("surround.mp4")).tracks[1].channels == 6


def test_cover_art_and_timecode_are_no_tracks(source: Callable[[str], Path]) -> None:
    assert [track.kind for track in index_file(source("cover.m4a")).tracks] == ["audio"]
    assert [track.kind for track in index_file(source("quicktime.mov")).tracks] == ["video", "audio"]


@pytest.mark.parametrize("name", ["plain.mp4", "vfr.mp4", "fragmented.mp4", "prores.mov", "several_sounds.mp4"])
def test_a_saved_index_is_the_same_index(name: str, source: Callable[[str], Path]) -> None:
    index = index_file(source(name))
    saved = index.to_bytes()
    loaded = MediaIndex.from_bytes(saved)

    assert loaded.to_bytes() == saved
    assert (loaded.duration, loaded.size, loaded.fragmented) == (index.duration, index.size, index.fragmented)
    for before, after in zip(index.tracks, loaded.tracks, strict=True):
        assert (before.codecs, before.edit, before.entry, before.rate) == (after.codecs, after.edit, after.entry, after.rate)
        if before.samples is not None and after.samples is not None:
            np.testing.assert_array_equal(before.samples.sizes, after.samples.sizes)
            assert after.samples.sizes.base is not None, "arrays are views of the saved bytes"


def test_a_damaged_saved_index_is_refused(source: Callable[[str], Path]) -> None:
    saved = index_file(source("plain.mp4")).to_bytes()
    for damaged in (
        b"",
        b"garbage",
        saved[:-1],
        saved + b"x",
        saved[:40] + b"\xff" + saved[41:],
        b"reelidx\x02" + saved[8:],
    ):
        with pytest.raises(BadIndex):
            MediaIndex.from_bytes(damaged)


@pytest.mark.parametrize("name", ["plain.mp4", "fragmented.mp4", "quicktime.mov"])
def test_few_bytes_of_a_file_are_read(name: str, source: Callable[[str], Path]) -> None:
    data = source(name).read_bytes()
    boxes, key_frames = list[int](), list[int]()

    async def read_at(start: int, stop: int) -> bytes:
        (key_frames if stop - start <= 2048 else boxes).append(start)
        return data[start:stop]

    asyncio.run(build_index(read_at, len(data)))
    assert len(boxes) <= 5
    assert len(key_frames) <= 16


@pytest.mark.parametrize("name", ["large_fragments.mp4", "large_fragments_sidx.mp4"])
def test_headers_of_large_fragments_are_read_side_by_side(name: str, source: Callable[[str], Path]) -> None:
    # As from an object store, where a read takes 20 ms: 40 fragments one after the other would take 0.8 s.
    data = source(name).read_bytes()
    assert len(data) > 40 * (64 << 10)
    running, most, rounds, total = 0, 0, 0, 0

    async def read_at(start: int, stop: int) -> bytes:
        nonlocal running, most, rounds, total
        rounds, total = rounds + (running == 0), total + stop - start
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.002)
        running -= 1
        return data[start:stop]

    index = asyncio.run(build_index(read_at, len(data)))
    assert sum(Packager(index).segments(index.tracks[0])) == pytest.approx(40)
    assert most >= 20
    assert rounds <= 10
    assert total < len(data) / 2


def test_a_truncated_file_with_its_index_in_front_plays_as_far_as_it_goes(
    source: Callable[[str], Path], tmp_path: Path
) -> None:
    whole = source("faststart.mp4").read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole[: len(whole) * 6 // 10])

    packaged = package(cut, tmp_path / "packaged")
    assert packaged.packager.index.truncated
    assert packaged.packager.can_package is None
    found = [frame.digest for frame in decode(packaged.tracks["v0"], "0")]
    expected = [frame.digest for frame in decode(source("faststart.mp4"), "v:0")]
    assert 120 < len(found) < 180
    # The frames around the cut lack the ones that they are shown between.
    assert found[:-4] == expected[: len(found) - 4]


@pytest.mark.parametrize("part", [0.99, 0.5, 0.01])
def test_a_truncated_file_without_its_index_says_so(part: float, source: Callable[[str], Path], tmp_path: Path) -> None:
    whole = source("plain.mp4").read_bytes()
    moov = top_level(whole)[b"moov"][0]
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole[: int(moov * part)])

    with pytest.raises(TruncatedMp4, match="ends before its index") as caught:
        index_file(cut)
    assert caught.value.reason.endswith("it was probably cut off while uploading or recording.")


def test_a_file_cut_inside_its_index_says_so(source: Callable[[str], Path], tmp_path: Path) -> None:
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(source("plain.mp4").read_bytes()[:-100])
    with pytest.raises(TruncatedMp4, match="ends inside its index"):
        index_file(cut)


def test_a_truncated_fragmented_file_plays_as_far_as_it_goes(source: Callable[[str], Path], tmp_path: Path) -> None:
    whole = source("fragmented.mp4").read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole[: len(whole) // 2])

    packager = Packager(index_file(cut))
    assert packager.index.truncated
    assert packager.video_track is not None
    assert 3 < sum(packager.segments(packager.video_track)) < 7


@pytest.mark.parametrize("hole", [0, 5 << 30])
def test_sizes_of_64_bits_are_read(hole: int, source: Callable[[str], Path], tmp_path: Path) -> None:
    whole = source("plain.mp4").read_bytes()
    boxes = top_level(whole)
    (free, _), (mdat, end) = boxes[b"free"], boxes[b"mdat"]
    moov = whole[slice(*boxes[b"moov"])]
    # ffmpeg leaves 8 bytes before mdat for just this.
    assert mdat - free == 8
    stco = moov.index(b"stco") - 4
    while stco > 0:
        (size, count) = struct.unpack_from(">I8xI", moov, stco)
        offsets = struct.unpack_from(f">{count}I", moov, stco + 16)
        wide = full_box(b"co64", 0, 0, struct.pack(f">I{count}Q", count, *(each + hole for each in offsets)))
        grown = len(wide) - size
        for parent in _parents(moov, stco):
            moov = moov[:parent] + struct.pack(">I", struct.unpack_from(">I", moov, parent)[0] + grown) + moov[parent + 4 :]
        moov = moov[:stco] + wide + moov[stco + size :]
        stco = moov.find(b"stco", stco + 4) - 4
    large = tmp_path / "large.mp4"
    head = struct.pack(">I4sQ", 1, b"mdat", end - free)
    with large.open("wb") as file:
        file.write(whole[:free])
        if hole:  # which takes no room on the disk
            file.write(struct.pack(">I4sQ", 1, b"free", hole))
            file.seek(free + hole)
        file.write(head + whole[mdat + 8 : end] + moov)

    assert b"stco" not in moov
    found, expected = Packager(index_file(large)), Packager(index_file(source("plain.mp4")))
    for track, other in zip(found.index.tracks, expected.index.tracks, strict=True):
        for number in range(len(expected.segments(other))):
            segment, same = found.segment(track, number), expected.segment(other, number)
            assert (segment.head, segment.size) == (same.head, same.size)
            assert segment.ranges == [(start + hole, stop + hole) for start, stop in same.ranges]
            for (start, stop), (first, last) in zip(segment.ranges, same.ranges, strict=True):
                with large.open("rb") as file:
                    file.seek(start)
                    assert file.read(stop - start) == whole[first:last]


def _parents(data: bytes, place: int) -> list[int]:
    """Return where the boxes that hold a place begin, outermost first."""
    found, start, stop = list[int](), 0, len(data)
    while start < stop:
        for child in children(memoryview(data), start, stop):
            if child.start == place:
                return found
            if child.start < place < child.stop:
                found.append(child.start)
                start, stop = child.body, child.stop
                break
    return found


def test_a_last_box_of_size_zero_reaches_to_the_end(source: Callable[[str], Path], tmp_path: Path) -> None:
    whole = source("faststart.mp4").read_bytes()
    mdat = top_level(whole)[b"mdat"][0]
    open_end = tmp_path / "open_end.mp4"
    open_end.write_bytes(whole[:mdat] + bytes(4) + whole[mdat + 4 :])

    index = index_file(open_end)
    assert not index.truncated
    assert index.duration == pytest.approx(10, abs=0.03)


@pytest.mark.parametrize(
    "data", [b"", b"x", b"Hello, this is a text.\n" * 50, b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", bytes(5000)]
)
def test_something_else_is_no_mp4(data: bytes, tmp_path: Path) -> None:
    other = tmp_path / "other.mp4"
    other.write_bytes(data)
    with pytest.raises(NotMp4):
        index_file(other)


def test_a_file_without_picture_and_sound_says_so(tmp_path: Path) -> None:
    empty = tmp_path / "empty.mp4"
    mvhd = full_box(b"mvhd", 0, 0, struct.pack(">4I", 0, 0, 1000, 0), bytes(80))
    empty.write_bytes(box(b"ftyp", b"isom\0\0\0\0") + box(b"moov", mvhd))
    with pytest.raises(CorruptMp4, match="neither picture nor sound"):
        index_file(empty)


def test_compact_sizes_are_read_as_the_others(source: Callable[[str], Path], tmp_path: Path) -> None:
    plain = source("plain.mp4")
    data = bytearray(plain.read_bytes())
    changed = 0
    while (place := data.find(b"stsz")) > 0:
        size, _, constant, count = struct.unpack_from(">IxxxxIII", data, place - 4)
        entries = struct.unpack_from(f">{count}I", data, place + 16)
        assert not constant and max(entries) < 1 << 16
        compact = full_box(b"stz2", 0, 0, struct.pack(f">II{count}H", 16, count, *entries))
        data[place - 4 : place - 4 + size] = compact + box(b"free", bytes(size - len(compact) - 8))
        changed += 1
    assert changed == 2
    (tmp_path / "compact.mp4").write_bytes(data)
    packagers = [Packager(index_file(path)) for path in (plain, tmp_path / "compact.mp4")]
    for track, other in zip(*(packager.index.tracks for packager in packagers), strict=True):
        for number in range(len(packagers[0].segments(track))):
            assert packagers[0].segment(track, number) == packagers[1].segment(other, number)
