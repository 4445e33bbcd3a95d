"""Files that lie: always an error of our own or a sane answer, in bounded time and memory, without a byte too many read."""

from __future__ import annotations

import asyncio
import random
import struct
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reelkit.media.mp4 import landmarks
from reelkit.media.mp4.boxes import box, full_box
from reelkit.media.mp4.errors import BadIndex, CorruptMp4, Mp4Error, NotMp4, OversizedMp4
from reelkit.media.mp4.fragments import Fragments
from reelkit.media.mp4.index import MediaIndex, build_index
from reelkit.media.mp4.packager import Packager

FTYP = box(b"ftyp", b"isom\0\0\0\0isom")
MVHD = full_box(b"mvhd", 0, 0, struct.pack(">4I", 0, 0, 1000, 0), bytes(80))
HUGE = 0xFFFFFFFF

AVCC = box(b"avcC", bytes.fromhex("0142000bffe100046742000b01000268c0"))
AVC1 = box(b"avc1", bytes(6), b"\0\1", bytes(16), struct.pack(">HH", 192, 108), bytes(50), AVCC)


def read(data: bytes, size: int | None = None) -> MediaIndex:
    """Index bytes; beyond them the file is sparse."""

    async def read_at(start: int, stop: int) -> bytes:
        return data[start:stop]

    return asyncio.run(build_index(read_at, len(data) if size is None else size))


def table(kind: bytes, *rows: tuple[int, ...], count: int | None = None) -> bytes:
    """A counted table of 32-bit numbers; count: a lie about how many rows."""
    packed = b"".join(struct.pack(f">{len(row)}I", *row) for row in rows)
    return full_box(kind, 0, 0, struct.pack(">I", len(rows) if count is None else count), packed)


def stsz(*sizes: int, constant: int = 0, count: int | None = None) -> bytes:
    """A size table; count: a lie."""
    claimed = len(sizes) if count is None else count
    return full_box(b"stsz", 0, 0, struct.pack(">II", constant, claimed), struct.pack(f">{len(sizes)}I", *sizes))


HONEST = {
    b"stsz": stsz(100, 100, 100, 100),
    b"stts": table(b"stts", (4, 1000)),
    b"stsc": table(b"stsc", (1, 4, 1)),
    b"stco": table(b"stco", (32,)),
    b"stss": table(b"stss", (1,)),
}


def movie(
    changes: dict[bytes, bytes] | None = None, *, edts: bytes = b"", timescale: int = 1000, more: bytes = b""
) -> bytes:
    """A file of 4 frames in 4 s. changes: other sample tables."""
    tables = {**HONEST, **(changes or {})}
    stsd = full_box(b"stsd", 0, 0, struct.pack(">I", 1), AVC1)
    stbl = box(b"stbl", stsd, *tables.values())
    mdhd = full_box(b"mdhd", 0, 0, struct.pack(">4IHH", 0, 0, timescale, 4000, 0x55C4, 0))
    hdlr = full_box(b"hdlr", 0, 0, bytes(4), b"vide", bytes(13))
    tkhd = full_box(b"tkhd", 0, 3, struct.pack(">3I", 0, 0, 1), bytes(68))
    trak = box(b"trak", tkhd, edts, box(b"mdia", mdhd, hdlr, box(b"minf", stbl)))
    return FTYP + box(b"mdat", bytes(1000)) + box(b"moov", MVHD, trak, more)


def use(data: bytes, size: int | None = None) -> MediaIndex | None:
    """Do all that is done with an upload: index, save, load, package. None when it was refused with an error of ours."""
    try:
        index = read(data, size)
    except Mp4Error as error:
        assert error.reason.endswith(".")
        return None
    packager = Packager(MediaIndex.from_bytes(index.to_bytes()))
    assert packager.can_package is None or packager.can_package.endswith(".")
    for track in index.tracks:
        if packager.refusal(track) is None:
            packager.init_segment(track)
            packager.bandwidth(track)
            for number in range(min(len(packager.segments(track)), 3)):
                plan = packager.segment(track, number)
                assert all(0 <= start < stop <= index.size for start, stop in plan.ranges)
    return index


@contextmanager
def at_most(size: int) -> Iterator[None]:
    """Fail when more than size bytes are taken at once."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < size
    finally:
        tracemalloc.stop()


def test_the_honest_file_is_honest() -> None:
    index = use(movie())
    assert index is not None
    packager = Packager(index)
    assert packager.can_package is None
    assert packager.segments(index.tracks[0]) == [4.0]


@pytest.mark.parametrize(
    "tables",
    [
        {b"stsz": stsz(100, count=HUGE)},
        {b"stsz": stsz(constant=1, count=HUGE)},
        {b"stsz": stsz(constant=HUGE, count=HUGE)},
        {b"stsz": stsz(0, 0, 0, 0)},
        {b"stsz": stsz(HUGE, HUGE, HUGE, HUGE)},
        {b"stsz": full_box(b"stz2", 0, 0, struct.pack(">II", 4, HUGE))},
        {b"stsz": full_box(b"stz2", 0, 0, struct.pack(">II", 3, 4), bytes(8))},
        {b"stsz": b""},
        {b"stts": table(b"stts", (HUGE, 1000))},
        {b"stts": table(b"stts", (HUGE, HUGE), (HUGE, HUGE))},
        {b"stts": table(b"stts", (4, 0))},
        {b"stts": table(b"stts", count=HUGE)},
        {b"stts": b""},
        {b"ctts": table(b"ctts", (HUGE, HUGE), (HUGE, 0x80000000))},
        {b"ctts": table(b"ctts", (1, 0x7FFFFFFF), (1, 0x80000000), (HUGE, 0))},
        {b"stsc": table(b"stsc", (1, HUGE, 1))},
        {b"stsc": table(b"stsc", (0, 4, 1))},
        {b"stsc": table(b"stsc", (HUGE, 4, 1))},
        {b"stsc": table(b"stsc", (2, 4, 1), (1, 4, 1))},
        {b"stsc": table(b"stsc", (1, 4, 7))},
        {b"stsc": b""},
        {b"stco": table(b"stco", (HUGE,))},
        {b"stco": table(b"stco", (1020,))},
        {b"stco": full_box(b"co64", 0, 0, struct.pack(">IQ", 1, (1 << 64) - 1))},
        {b"stco": full_box(b"co64", 0, 0, struct.pack(">IQ", 1, (1 << 63) - 50))},
        {b"stco": table(b"stco", count=HUGE)},
        {b"stss": table(b"stss", (HUGE,))},
        {b"stss": table(b"stss")},
        {b"stss": table(b"stss", (4,), (1,), (1,))},
        {b"stss": table(b"stss", count=HUGE)},
    ],
)
def test_lying_sample_tables_cost_nothing(tables: dict[bytes, bytes]) -> None:
    data = movie(tables)
    begun = time.process_time()
    with at_most(4 << 20):
        use(data)
    assert time.process_time() - begun < 2


@pytest.mark.parametrize(
    ("tables", "reason"),
    [
        ({b"stsz": stsz(0, 0, 0, 0)}, "All frames of the picture are empty: they have 0 bytes."),
        ({b"stts": table(b"stts", (4, 0))}, "All frames of the picture last 0 s."),
    ],
)
def test_frames_of_no_length_are_refused(tables: dict[bytes, bytes], reason: str) -> None:
    with pytest.raises(CorruptMp4, match=reason):
        read(movie(tables))


@pytest.mark.parametrize(
    ("entries", "version"),
    [
        ([(4000, 1 << 30, 0x10000)], 0),
        ([(HUGE, 0x7FFFFFFF, 0x10000)], 0),
        ([((1 << 64) - 1, (1 << 63) - 1, 0x10000)], 1),
        ([((1 << 64) - 1, -1, 0x10000), (1, 0, 0x10000)], 1),
        ([(0, 0, 0)], 0),
        ([(4000, -1, 0x10000)], 0),
        ([(1, 3999, 0x10000)], 0),
        ([], 0),
    ],
)
def test_an_edit_list_to_nowhere_hides_nothing(entries: list[tuple[int, int, int]], version: int) -> None:
    rows = b"".join(struct.pack(">Qqi" if version else ">Iii", *entry) for entry in entries)
    elst = full_box(b"elst", version, 0, struct.pack(">I", len(entries)), rows)
    index = use(movie(edts=box(b"edts", elst)))
    assert index is not None
    assert Packager(index).can_package is None


def test_an_edit_list_of_several_pieces_is_refused_with_a_reason() -> None:
    rows = struct.pack(">Iii", 1000, 3000, 0x10000) + struct.pack(">Iii", 1000, 0, 0x10000)
    index = read(movie(edts=box(b"edts", full_box(b"elst", 0, 0, struct.pack(">I", 2), rows))))
    assert Packager(index).can_package == "The file is put together from several pieces by an edit list."


def test_an_edit_list_that_lies_about_its_length_is_corrupt() -> None:
    with pytest.raises(CorruptMp4, match="edit list"):
        read(movie(edts=box(b"edts", full_box(b"elst", 0, 0, struct.pack(">I", HUGE)))))


def test_a_timescale_of_zero_is_corrupt() -> None:
    with pytest.raises(CorruptMp4, match="timescale"):
        read(movie(timescale=0))


@pytest.mark.parametrize("size", [1, 4, 7, 9999, HUGE])
def test_boxes_that_lie_about_their_size_are_corrupt(size: int) -> None:
    data = movie()
    for kind in (b"trak", b"mdia", b"stbl", b"stts"):
        place = data.index(kind) - 4
        assert use(data[:place] + struct.pack(">I", size) + data[place + 4 :]) is None


def test_a_box_whose_size_wraps_around_does_not_turn_the_reader_in_circles() -> None:
    for size in (0, 7, 15, (1 << 64) - 8, (1 << 64) - 1):
        data = FTYP + struct.pack(">I4sQ", 1, b"free", size) + movie()
        assert use(data) is None


def test_a_moov_of_a_gigabyte_is_refused_unread() -> None:
    data = FTYP + struct.pack(">I4s", 1 << 30, b"moov")
    with pytest.raises(OversizedMp4, match="1023 MiB; at most 256 MiB"):
        read(data, size=len(data) + (1 << 30))


def test_ten_thousand_tracks_are_refused() -> None:
    with pytest.raises(OversizedMp4, match="10001 tracks; at most 64"):
        read(movie(more=box(b"trak") * 10_000))


def test_a_million_small_boxes_end() -> None:
    with pytest.raises(Mp4Error):
        read(FTYP + box(b"free") * 300_000)


def fragment(count: int, flags: int, rows: bytes = b"", size: int = 0, offset: int = 0) -> bytes:
    """A `moof` of one run."""
    tfhd = full_box(b"tfhd", 0, 0x20018, struct.pack(">3I", 1, 1000, size))
    trun = full_box(b"trun", 0, flags | 1, struct.pack(">Ii", count, offset), rows)
    return box(b"moof", full_box(b"mfhd", 0, 0, bytes(4)), box(b"traf", tfhd, trun)) + box(b"mdat", bytes(1000))


@pytest.mark.parametrize(
    "moof",
    [
        fragment(HUGE, 0, size=1),
        fragment(HUGE, 0, size=0),
        fragment(HUGE, 0x200),
        fragment(4, 0x200, bytes(16), offset=-(1 << 31)),
        fragment(4, 0x200, struct.pack(">4I", HUGE, HUGE, HUGE, HUGE)),
        fragment(0, 0),
        fragment(0, 0x200),
        fragment(4, 0xF00, b"\xff" * 64),
        box(b"moof", box(b"traf")),
        box(b"moof", box(b"traf", box(b"tfhd"))),
    ],
)
def test_lying_fragments_cost_nothing(moof: bytes) -> None:
    mvex = box(b"mvex", full_box(b"trex", 0, 0, struct.pack(">5I", 1, 1, 0, 0, 0)))
    tables = {b"stsz": stsz(), b"stco": table(b"stco"), b"stsc": table(b"stsc"), b"stts": table(b"stts")}
    with at_most(4 << 20):
        use(movie(tables, more=mvex) + moof)


def test_runs_of_a_track_that_nobody_wants_cost_little_time() -> None:
    mvex = box(b"mvex", full_box(b"trex", 0, 0, struct.pack(">5I", 1, 1, 0, 0, 0)))
    tfhd = full_box(b"tfhd", 0, 0x20010, struct.pack(">2I", 9, 0))
    trun = full_box(b"trun", 0, 0, struct.pack(">I", 6_000_000))
    begun = time.process_time()
    with pytest.raises(OversizedMp4, match="more than 12000000 frames"):
        read(movie(more=mvex) + box(b"moof", box(b"traf", tfhd, *[trun] * 1000)))
    assert time.process_time() - begun < 10


def test_large_headers_are_read_beside_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[threading.Thread] = []

    def note(*_: object) -> tuple[()]:
        threads.append(threading.current_thread())
        return ()

    monkeypatch.setattr(Fragments, "add", note)
    monkeypatch.setattr(landmarks, "children", note)
    mvex = box(b"mvex", full_box(b"trex", 0, 0, struct.pack(">5I", 1, 1, 0, 0, 0)))
    small = bytes(8192)
    mfra = box(b"mfra", small, full_box(b"mfro", 0, 0, struct.pack(">I", len(small) + 24)))
    read(movie(more=mvex) + box(b"moof", small) + mfra)
    assert len(threads) == 2
    assert threading.main_thread() not in threads


def test_fragments_that_overlap_in_time_are_refused_with_a_reason() -> None:
    mvex = box(b"mvex", full_box(b"trex", 0, 0, struct.pack(">5I", 1, 1, 0, 0, 0)))
    head = movie({b"stsz": stsz(), b"stco": table(b"stco"), b"stsc": table(b"stsc"), b"stts": table(b"stts")}, more=mvex)
    data = head
    for start in (0, 100_000, 0):
        tfhd = full_box(b"tfhd", 0, 0x20018, struct.pack(">3I", 1, 1000, 10))
        tfdt = full_box(b"tfdt", 0, 0, struct.pack(">I", start))
        trun = full_box(b"trun", 0, 1, struct.pack(">II", 2, 100))
        data += box(b"moof", box(b"traf", tfhd, tfdt, trun)) + box(b"mdat", bytes(100))
    assert Packager(read(data)).can_package == "The fragments of the file overlap in time."


@given(st.binary(max_size=400))
@settings(max_examples=300, deadline=2000)
def test_random_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(Mp4Error):
        read(data)
    assert use(FTYP + data) is None
    assert use(FTYP + box(b"moov", data)) is None


@given(st.binary(max_size=60), st.sampled_from([0, 1]), st.sampled_from([0, 1, 3, HUGE]))
@settings(max_examples=200, deadline=2000)
def test_lying_landmarks_change_nothing(data: bytes, version: int, count: int) -> None:
    mvex = box(b"mvex", full_box(b"trex", 0, 0, struct.pack(">5I", 1, 1, 0, 0, 0)))
    tables = {b"stsz": stsz(), b"stco": table(b"stco"), b"stsc": table(b"stsc"), b"stts": table(b"stts")}
    honest = movie(tables, more=mvex) + fragment(4, 0, size=10, offset=200)
    tfra = full_box(b"tfra", version, 0, struct.pack(">III", 1, 0, count), data)
    mfra = box(b"mfra", tfra, full_box(b"mfro", 0, 0, struct.pack(">I", len(tfra) + 24)))
    sidx = full_box(b"sidx", version, 0, data)

    index = read(honest + sidx + mfra)
    expected, found = read(honest).tracks[0].samples, index.tracks[0].samples
    assert expected is not None and found is not None
    assert len(expected) == len(found) == 4
    assert expected.ranges(0, 4) == found.ranges(0, 4)


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=2000)
def test_random_saved_indexes_are_refused(data: bytes) -> None:
    for prefix in (b"", b"reelidx\x01"):
        with pytest.raises(BadIndex):
            MediaIndex.from_bytes(prefix + data)


NUMBERS = st.one_of(st.integers(0, 8), st.sampled_from([100, 1000, 0x7FFFFFFF, 0x80000000, HUGE - 1, HUGE]))
ROWS2 = st.lists(st.tuples(NUMBERS, NUMBERS), max_size=5)


@given(
    sizes=st.lists(NUMBERS, max_size=6), stts=ROWS2, ctts=ROWS2,
    stsc=st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), max_size=4),
    stco=st.lists(st.tuples(NUMBERS), max_size=5), stss=st.lists(st.tuples(NUMBERS), max_size=5),
    edits=st.lists(st.tuples(NUMBERS, st.integers(-2, 5000), st.sampled_from([0, 0x10000])), max_size=3),
)  # fmt: skip
@settings(max_examples=500, deadline=2000)
def test_any_combination_of_tables_is_read_or_refused(
    sizes: list[int],
    stts: list[tuple[int, int]],
    ctts: list[tuple[int, int]],
    stsc: list[tuple[int, int, int]],
    stco: list[tuple[int]],
    stss: list[tuple[int]],
    edits: list[tuple[int, int, int]],
) -> None:
    rows = b"".join(struct.pack(">Iii", *edit) for edit in edits)
    tables = {
        b"stsz": stsz(*sizes), b"stts": table(b"stts", *stts), b"ctts": table(b"ctts", *ctts),
        b"stsc": table(b"stsc", *stsc), b"stco": table(b"stco", *stco), b"stss": table(b"stss", *stss),
    }  # fmt: skip
    use(movie(tables, edts=box(b"edts", full_box(b"elst", 0, 0, struct.pack(">I", len(edits)), rows))))


@pytest.mark.parametrize("name", ["faststart.mp4", "cmaf.mp4", "quicktime.mov", "av1_opus.mp4"])
@given(seed=st.integers(0, 1 << 32), changes=st.integers(1, 12))
@settings(max_examples=120, deadline=3000, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_files_are_read_or_refused(name: str, seed: int, changes: int, source: Callable[[str], Path]) -> None:
    data = bytearray(source(name).read_bytes())
    # Damage what is read: the moov, and in fragmented files everything, as headers are all over it.
    moov = data.index(b"moov") - 4
    stop = moov + int.from_bytes(data[moov : moov + 4], "big")
    start, stop = (moov, len(data)) if name == "cmaf.mp4" else (moov, stop)
    dice = random.Random(seed)
    for _ in range(changes):
        place = dice.randrange(start, stop)
        wound = dice.choice([bytes([dice.randrange(256)]), struct.pack(">I", dice.choice([0, 1, 7, 0x7FFFFFFF, HUGE]))])
        data[place : place + len(wound)] = wound
    cut = dice.choice([None, None, dice.randrange(len(data))])
    use(bytes(data[:cut]))


@given(seed=st.integers(0, 1 << 32))
@settings(max_examples=40, deadline=3000)
def test_text_with_the_face_of_an_mp4_is_refused(seed: int) -> None:
    text = random.Random(seed).choices(b"#EXTM3U\nfile 'etc/passwd' ftypmoovmdat", k=200)
    with pytest.raises((NotMp4, CorruptMp4)):
        read(bytes(text))
