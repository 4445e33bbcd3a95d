"""The index of an MP4 or MOV: everything that is needed to play it, read once and saved beside the source."""

from __future__ import annotations

import asyncio
from fractions import Fraction

import msgspec

from reelkit.media.mp4.boxes import Box, children, find, name_of
from reelkit.media.mp4.errors import CorruptMp4, OversizedMp4, TruncatedMp4
from reelkit.media.mp4.fragments import Fragments, read_defaults
from reelkit.media.mp4.key_frames import has_open_gops
from reelkit.media.mp4.landmarks import from_random_access, from_segment_index
from reelkit.media.mp4.layout import MAX_MOOV, ReadAt, Window, walk
from reelkit.media.mp4.sample_tables import compact
from reelkit.media.mp4.samples import MAX_SAMPLES, Samples
from reelkit.media.mp4.saved import load, save
from reelkit.media.mp4.tracks import MovieHeader, Track, read_movie_header, read_track

__all__ = ["MAX_TRACKS", "MediaIndex", "Track", "build_index"]

MAX_TRACKS = 64
_MAX_MOOF, _LARGE_MOOF = 16 << 20, 4 << 10
_MAX_SIDX = 1 << 20
_COVER = ("mjpeg", "mjpegb", "png")

_NO_MOOV = "The file ends before its index (moov); it was probably cut off while uploading or recording."


class MediaIndex(msgspec.Struct, frozen=True, eq=False):
    """What a file holds. tracks: pictures and sounds in file order, without cover art, timecode and text.

    duration: seconds until the last track ends. size: bytes of the file. brand: of `ftyp`; `qt  ` is QuickTime.
    truncated: the file ends early; the tracks hold what is inside of it.
    """

    tracks: tuple[Track, ...]
    duration: float
    size: int
    brand: str = ""
    fragmented: bool = False
    truncated: bool = False
    matrix: bytes = b""

    def to_bytes(self) -> bytes:
        """Serialise: compact, and loaded without parsing the file again."""
        return save(msgspec.structs.replace(self, tracks=()), self.tracks)

    @classmethod
    def from_bytes(cls, data: bytes | memoryview) -> MediaIndex:
        """Load what to_bytes made; the arrays are views of data. Raises BadIndex."""
        header, tracks = load(data, MediaIndex)
        return msgspec.structs.replace(header, tracks=tracks)


async def build_index(read_at: ReadAt, size: int) -> MediaIndex:
    """Index a file of `size` bytes. read_at: (start, stop) → bytes, may be short at the end.

    Reads the headers of top-level boxes, `moov`, every `moof`, and the first bytes of a few key frames; the tables are
    parsed in a thread, and so are the large ones of fragments.
    Raises NotMp4, CorruptMp4, TruncatedMp4, OversizedMp4, and whatever read_at raises.
    """
    window = Window(read_at, size)
    movie: _Movie | None = None
    brand, truncated, data_seen = "", False, False
    async for found in walk(window, size):
        truncated = truncated or found.stop > size
        if found.kind == b"ftyp" and not brand:
            brand = name_of(await window.get(found.body, 4))
        elif found.kind == b"mdat":
            data_seen = True
        elif found.kind == b"moov" and movie is None:
            movie = await asyncio.to_thread(_Movie, await _contents(read_at, found, size), size)
            if movie.fragments is None:
                break
            window.expect(await from_random_access(read_at, size))
        elif found.kind == b"sidx" and found.stop - found.body < _MAX_SIDX:
            sidx = await window.get(found.body, found.stop - found.body)
            window.expect(from_segment_index(memoryview(sidx), found.stop))
        elif found.kind == b"moof" and movie is not None and movie.fragments is not None:
            if found.stop > size:
                break
            moof = await _moof(window, found)
            if len(moof) < _LARGE_MOOF:
                movie.fragments.add(memoryview(moof), found.start, size)
            else:
                await asyncio.to_thread(movie.fragments.add, memoryview(moof), found.start, size)
    if movie is None:
        raise TruncatedMp4(_NO_MOOV) if data_seen or brand else CorruptMp4("The file has no index (moov).")
    index = await asyncio.to_thread(movie.finish, brand, truncated)
    return msgspec.structs.replace(index, tracks=tuple([await _checked(read_at, track) for track in index.tracks]))


async def _checked(read_at: ReadAt, track: Track) -> Track:
    if track.refusal is None and await has_open_gops(read_at, track):
        return msgspec.structs.replace(track, refusal="The picture has open GOPs, in which Chromium cannot seek.")
    return track


async def _contents(read_at: ReadAt, found: Box, size: int) -> bytes:
    if found.stop > size:
        raise TruncatedMp4("The file ends inside its index (moov); it was probably cut off while uploading or recording.")
    if found.stop - found.body > MAX_MOOV:
        megabytes = (found.stop - found.body) >> 20
        raise OversizedMp4(f"The index of the file (moov) has {megabytes} MiB; at most {MAX_MOOV >> 20} MiB are read.")
    data = await read_at(found.body, found.stop)
    if len(data) != found.stop - found.body:
        raise TruncatedMp4(_NO_MOOV)
    return data


async def _moof(window: Window, found: Box) -> bytes:
    if found.stop - found.body > _MAX_MOOF:
        raise OversizedMp4(f"A fragment header (moof) has {(found.stop - found.body) >> 20} MiB.")
    data = await window.get(found.body, found.stop - found.body)
    if len(data) != found.stop - found.body:
        raise TruncatedMp4("The file ends inside a fragment header (moof).")
    return data


class _Movie:
    """A `moov` that was read, and the fragments that follow it."""

    def __init__(self, moov: bytes, file_size: int) -> None:
        view = memoryview(moov)
        self._size = file_size
        if find(view, b"cmov") is not None:
            raise CorruptMp4("The index of the file is compressed (cmov), which QuickTime gave up in 2005.")
        self._header: MovieHeader = read_movie_header(find(view, b"mvhd"))
        defaults = read_defaults(view)
        traks = [child for child in children(view) if child.kind == b"trak"]
        if len(traks) > MAX_TRACKS:
            raise OversizedMp4(f"The file has {len(traks)} tracks; at most {MAX_TRACKS} are read.")
        self._tracks: list[Track] = []
        total = 0
        for trak in traks:
            track = read_track(
                view[trak.body : trak.stop], self._header, file_size=file_size, fragmented=defaults is not None
            )
            if track is None:
                continue
            total += len(track.samples) if track.samples is not None else 0
            if total > MAX_SAMPLES:
                raise OversizedMp4(f"The file claims more than {MAX_SAMPLES} frames.")
            self._tracks.append(track)
        wanted = {track.id for track in self._tracks if track.samples is not None}
        self.fragments = None if defaults is None else Fragments(defaults, wanted)

    def finish(self, brand: str, truncated: bool) -> MediaIndex:
        """Join the fragments, drop what is outside of the file, and number the tracks. Raises CorruptMp4."""
        done, cut = list[Track](), truncated
        pictures = [track for track in self._tracks if track.kind == "video" and track.codec not in _COVER]
        count = {"video": 0, "audio": 0}
        had_samples = False
        for track in self._tracks:
            if track.kind == "video" and track.codec in _COVER and (pictures or not _is_moving(track)):
                continue
            whole = track
            if self.fragments is not None and track.samples is not None:
                samples, refusal = self.fragments.samples(track.id, track.samples)
                if len(self.fragments.descriptions(track.id)) > 1:
                    refusal = "The file changes its codec settings in the middle."
                whole = msgspec.structs.replace(track, samples=samples, refusal=track.refusal or refusal)
            if whole.samples is not None:
                had_samples = had_samples or len(whole.samples) > 0
                inside = whole.samples.within(self._size)
                cut = cut or len(inside) < len(whole.samples)
                whole = _measured(whole, inside)
            done.append(msgspec.structs.replace(whole, number=count[whole.kind]))
            count[whole.kind] += 1
        if had_samples and cut and not any(track.samples is None or len(track.samples) for track in done):
            raise TruncatedMp4("The file ends before its first frame; it was probably cut off while uploading or recording.")
        duration = max((track.duration for track in done), default=0.0)
        if not done:
            raise CorruptMp4("The file has neither picture nor sound.")
        return MediaIndex(
            tracks=tuple(done),
            duration=duration or self._header.duration / self._header.timescale,
            size=self._size,
            brand=brand,
            fragmented=self.fragments is not None,
            truncated=cut,
            matrix=self._header.matrix,
        )


def _is_moving(track: Track) -> bool:
    return track.frame_rate == 0 or track.duration * track.frame_rate > 1


def _measured(track: Track, samples: Samples) -> Track:
    """Give a track its samples and what is measured from them: duration, size, frame rate. Raises CorruptMp4."""
    count = len(samples)
    media = samples.decode_time(count) - samples.first_time
    what = "picture" if track.kind == "video" else "sound"
    if count and not samples.ends[-1]:
        raise CorruptMp4(f"All frames of the {what} are empty: they have 0 bytes.")
    if count > 1 and not media:
        raise CorruptMp4(f"All frames of the {what} last 0 s.")
    end = samples.composition_end()
    end = end if track.edit.media_end is None else min(end, track.edit.media_end)
    shown = end - track.edit.media_time
    shown = shown if shown > 0 else media
    rate = Fraction(count * track.timescale, media) if media and track.kind == "video" else Fraction(0)
    return msgspec.structs.replace(
        track,
        samples=msgspec.structs.replace(samples, offsets=compact(samples.offsets, samples.offsets.dtype.type)),
        duration=float(Fraction(track.edit.delay, track.movie_scale) + Fraction(shown, track.timescale)) if count else 0.0,
        size=int(samples.ends[-1]),
        rate=(rate.numerator, rate.denominator),
    )
