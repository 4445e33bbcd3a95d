"""Tracks: a `trak` box to the facts of one picture or sound track. ISO/IEC 14496-12:2022, 8.3 and 8.4."""

from __future__ import annotations

import math
import struct
from fractions import Fraction

import msgspec

from reelkit.media.mp4.boxes import find, uint
from reelkit.media.mp4.descriptions import Description, read_descriptions
from reelkit.media.mp4.edits import Edit, read_edits
from reelkit.media.mp4.errors import CorruptMp4
from reelkit.media.mp4.sample_tables import count_samples, read_sample_tables, used_descriptions
from reelkit.media.mp4.samples import Samples

__all__ = ["IDENTITY", "MovieHeader", "Track", "read_movie_header", "read_track"]

IDENTITY = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
"""The transformation matrix that changes nothing."""

_MACINTOSH = (
    "eng", "fra", "deu", "ita", "nld", "swe", "spa", "dan", "por", "nor", "heb", "jpn", "ara", "fin", "ell", "isl", "mlt",
    "tur", "hrv", "zho", "urd", "hin", "tha", "kor", "lit", "pol", "hun", "est", "lav", "und", "fao", "fas", "rus", "zho",
)  # fmt: skip
"""The first of the Macintosh's languages, in the order of its Script Manager."""


class MovieHeader(msgspec.Struct, frozen=True):
    """`mvhd`. duration: in timescale units, 0 when unknown. matrix: 36 bytes."""

    timescale: int
    duration: int
    matrix: bytes = IDENTITY


class Track(msgspec.Struct, frozen=True, eq=False):
    """One picture or sound track. samples: None when its codec cannot be packaged.

    number: place among the tracks of its kind, from 0. timescale: units a second. movie_scale: units of edit.delay.
    duration: seconds shown. size: bytes of all samples. coded_width, coded_height: as encoded; width, height: as
    displayed, after pixel aspect and rotation. rotation: clockwise degrees a player turns the picture.
    nal_length: bytes of the size before each NAL unit of H.264, else 0.
    language: ISO 639-2. rate: frames per second as a fraction, average, 0/1 for sound. matrix: as in `tkhd`.
    """

    id: int
    kind: str
    number: int
    codec: str
    codecs: str
    timescale: int
    movie_scale: int
    duration: float = 0.0
    size: int = 0
    enabled: bool = True
    language: str = "und"
    coded_width: int = 0
    coded_height: int = 0
    width: int = 0
    height: int = 0
    rotation: int = 0
    rate: tuple[int, int] = (0, 1)
    channels: int = 0
    sample_rate: int = 0
    pixel_format: str = ""
    nal_length: int = 0
    transfer: str = ""
    entry: bytes = b""
    matrix: bytes = IDENTITY
    edit: Edit = Edit()
    refusal: str | None = None
    samples: Samples | None = None

    @property
    def frame_rate(self) -> Fraction:
        """Frames per second, average; 0 when unknown and for sound."""
        return Fraction(*self.rate)

    @property
    def bit_rate(self) -> int:
        """Bits per second, average; 0 when unknown."""
        return round(self.size * 8 / self.duration) if self.duration else 0

    @property
    def name(self) -> str:
        """The track in a URL: v0, a1."""
        return f"{self.kind[0]}{self.number}"


def read_movie_header(mvhd: memoryview | None) -> MovieHeader:
    """Read the contents of `mvhd`. Raises CorruptMp4."""
    if mvhd is None:
        raise CorruptMp4("The movie header (mvhd) is missing.")
    wide = uint(mvhd, 0, 1) == 1
    timescale = uint(mvhd, 20 if wide else 12, 4)
    duration = uint(mvhd, 24, 8) if wide else uint(mvhd, 16, 4)
    place = 48 if wide else 36
    matrix = bytes(mvhd[place : place + 36])
    return MovieHeader(timescale or 1000, duration, matrix if len(matrix) == 36 else IDENTITY)


def _all(trak: memoryview, path: tuple[bytes, ...]) -> memoryview:
    found = find(trak, *path)
    if found is None:
        raise CorruptMp4(f"A track has no {path[-1].decode()} box.")
    return found


def read_track(trak: memoryview, movie: MovieHeader, *, file_size: int, fragmented: bool) -> Track | None:
    """Read one `trak`; None for what is neither picture nor sound. Raises CorruptMp4, OversizedMp4."""
    media = find(trak, b"mdia")
    # QuickTime has a second `hdlr` inside `minf`; the one that tells the kind is a direct child of `mdia`.
    handler = find(media, b"hdlr") if media is not None else None
    if media is None or handler is None or bytes(handler[8:12]) not in (b"vide", b"soun"):
        return None
    header, mdhd = _all(trak, (b"tkhd",)), _all(media, (b"mdhd",))
    stbl = _all(media, (b"minf", b"stbl"))
    kind = bytes(handler[8:12])
    descriptions = read_descriptions(_all(stbl, (b"stsd",)), kind)
    if not descriptions:
        raise CorruptMp4("A track has no sample description.")
    used = used_descriptions(stbl)
    if any(not 1 <= index <= len(descriptions) for index in used):
        raise CorruptMp4("Samples refer to a sample description that does not exist.")
    description = descriptions[used[0] - 1] if used else descriptions[0]
    refusal = description.refusal
    if any(descriptions[index - 1] != description for index in used):
        refusal = refusal or "The file changes its codec settings in the middle."
    count = count_samples(stbl)

    wide = uint(mdhd, 0, 1) == 1
    timescale = uint(mdhd, 20 if wide else 12, 4)
    if not timescale:
        raise CorruptMp4("A track has a timescale of 0.")
    units = uint(mdhd, 24, 8) if wide else uint(mdhd, 16, 4)
    elst = find(trak, b"edts", b"elst")
    edit = Edit() if elst is None else read_edits(elst, movie.timescale, timescale, lasting=not fragmented)
    matrix, enabled, track_id = _header(header)
    samples = None
    if description.entry:
        samples = read_sample_tables(stbl, file_size)
    short = "video" if kind == b"vide" else "audio"
    rotation = _rotation(matrix, movie.matrix) if short == "video" else 0
    width, height = _displayed(description, rotation)
    return Track(
        id=track_id,
        kind=short,
        number=0,
        codec=description.codec,
        codecs=description.codecs,
        timescale=timescale,
        movie_scale=movie.timescale,
        duration=0.0 if units in (0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF) else units / timescale,
        rate=_rate(count, timescale, units) if short == "video" else (0, 1),
        enabled=enabled,
        language=_language(uint(mdhd, 32 if wide else 20, 2)),
        coded_width=description.width,
        coded_height=description.height,
        width=width,
        height=height,
        rotation=rotation,
        channels=description.channels,
        sample_rate=description.sample_rate,
        pixel_format=description.pixel_format,
        nal_length=description.nal_length,
        transfer=description.transfer,
        entry=description.entry,
        matrix=matrix,
        edit=edit,
        refusal=refusal or edit.refusal,
        samples=samples,
    )


def _header(tkhd: memoryview) -> tuple[bytes, bool, int]:
    """Read the contents of `tkhd`: matrix, enabled, id."""
    wide = uint(tkhd, 0, 1) == 1
    place = 52 if wide else 40
    matrix = bytes(tkhd[place : place + 36])
    return matrix if len(matrix) == 36 else IDENTITY, bool(uint(tkhd, 3, 1) & 1), uint(tkhd, 20 if wide else 12, 4)


def _rate(count: int, timescale: int, units: int) -> tuple[int, int]:
    if not 0 < units < 1 << 48 or not count:
        return (0, 1)
    rate = Fraction(count * timescale, units)
    return (rate.numerator, rate.denominator)


def _language(packed: int) -> str:
    """Unpack three 5-bit letters; QuickTime's numbers below 0x400 are languages of the Macintosh, 0 is English."""
    if packed < len(_MACINTOSH):
        return _MACINTOSH[packed]
    letters = "".join(chr((packed >> shift & 31) + 0x60) for shift in (10, 5, 0))
    return letters if packed >= 0x400 and letters.isalpha() and letters.isascii() else "und"


def _rotation(matrix: bytes, movie: bytes) -> int:
    """Return how far a player turns the picture, in quarter turns clockwise."""
    a, b, *_ = struct.unpack(">9i", matrix)
    e, f, _, g, h, *_ = struct.unpack(">9i", movie)
    right, down = a * e + b * g, a * f + b * h
    return round(math.degrees(math.atan2(down, right)) / 90) * 90 % 360 if right or down else 0


def _displayed(description: Description, rotation: int) -> tuple[int, int]:
    width = max(1, round(description.width * description.aspect[0] / description.aspect[1])) if description.width else 0
    size = (width, description.height)
    return size if rotation % 180 == 0 else size[::-1]
