"""Packaged media as files: what the packager makes, written down so that ffmpeg or a player can be held against it."""

from __future__ import annotations

import asyncio
import subprocess
from fractions import Fraction
from pathlib import Path

import imageio_ffmpeg
import msgspec
import numpy as np
from numpy.typing import NDArray

from reelkit.media.mp4.index import MediaIndex, build_index
from reelkit.media.mp4.layout import ReadAt
from reelkit.media.mp4.packager import Packager
from reelkit.media.mp4.tracks import Track
from reelkit.media.playlists import AudioRendition, Segment, Variant, master_playlist, media_playlist

__all__ = ["Frame", "Packaged", "Sound", "decode", "decode_sound", "index_file", "package", "reader"]


class Frame(msgspec.Struct, frozen=True):
    """One decoded frame, or piece of sound. time: seconds. size: bytes of raw data. digest: of them."""

    time: Fraction
    size: int
    digest: str


class Sound(msgspec.Struct, frozen=True, eq=False):
    """Decoded sound. start: seconds. rate: Hz. samples: 16 bit, shape (samples, channels)."""

    start: Fraction
    rate: int
    samples: NDArray[np.int16]

    def between(self, start: Fraction, stop: Fraction) -> NDArray[np.int16]:
        """Return the samples of a time, in seconds; fewer where there is no sound."""
        first, last = (round((time - self.start) * self.rate) for time in (start, stop))
        return self.samples[max(first, 0) : max(last, 0)]

    @property
    def end(self) -> Fraction:
        """When it ends, in seconds."""
        return self.start + Fraction(len(self.samples), self.rate)


class Packaged(msgspec.Struct, frozen=True):
    """A file cut up. master: the playlist of all tracks. tracks: each one's init segment and segments in one file."""

    packager: Packager
    master: Path
    tracks: dict[str, Path]


def reader(path: Path) -> ReadAt:
    """Return what build_index reads a local file with."""

    async def read_at(start: int, stop: int) -> bytes:
        def read() -> bytes:
            with path.open("rb") as file:
                file.seek(start)
                return file.read(stop - start)

        return await asyncio.to_thread(read)

    return read_at


def index_file(path: Path) -> MediaIndex:
    """Index a local file. Raises what build_index raises."""
    return asyncio.run(build_index(reader(path), path.stat().st_size))


def package(path: Path, folder: Path) -> Packaged:
    """Write the tracks, segments and playlists of a file into a folder. The index goes through its saved form."""
    packager = Packager(MediaIndex.from_bytes(index_file(path).to_bytes()))
    source = path.read_bytes()
    folder.mkdir(parents=True, exist_ok=True)
    picture = packager.video_track
    if picture is not None and packager.refusal(picture) is not None:
        picture = None
    chosen = [*([] if picture is None else [picture]), *packager.audio_tracks]
    files = {track.name: _write(packager, track, source, folder) for track in chosen}
    sounds = [
        AudioRendition(
            uri=f"{track.name}.m3u8", name=track.name, bandwidth=packager.bandwidth(track)[0], codecs=track.codecs,
            language=track.language, channels=track.channels,
        )
        for track in packager.audio_tracks
    ]  # fmt: skip
    if picture is not None:
        peak, average = packager.bandwidth(picture)
        variant = Variant(
            uri=f"{picture.name}.m3u8", bandwidth=peak, average_bandwidth=average, codecs=picture.codecs,
            width=picture.width, height=picture.height, frame_rate=float(picture.frame_rate),
            audio="audio" if sounds else None,
        )  # fmt: skip
    else:
        sound = sounds.pop(0)
        variant = Variant(uri=sound.uri, bandwidth=sound.bandwidth, codecs=sound.codecs)
        sounds = []
    master = folder / "master.m3u8"
    master.write_text(master_playlist([variant], sounds, independent_segments=packager.independent))
    return Packaged(packager, master, files)


def _write(packager: Packager, track: Track, source: bytes, folder: Path) -> Path:
    durations = packager.segments(track)
    init = packager.init_segment(track)
    (folder / f"{track.name}.init.mp4").write_bytes(init)
    whole = [init]
    for number in range(len(durations)):
        plan = packager.segment(track, number)
        segment = plan.head + b"".join(source[start:stop] for start, stop in plan.ranges)
        assert len(segment) == plan.size
        (folder / f"{track.name}.{number}.m4s").write_bytes(segment)
        whole.append(segment)
    entries = [Segment(f"{track.name}.{number}.m4s", duration) for number, duration in enumerate(durations)]
    (folder / f"{track.name}.m3u8").write_text(media_playlist(entries, init=f"{track.name}.init.mp4"))
    file = folder / f"{track.name}.mp4"
    file.write_bytes(b"".join(whole))
    return file


def decode(path: Path, stream: str, *, beside: str | None = None) -> list[Frame]:
    """Decode one stream with ffmpeg, on the clock of the file. stream: v:0, a:1. Raises RuntimeError on any complaint.

    beside: another stream to decode and forget, as ffmpeg cuts off in the middle what it is not asked for of a playlist.
    """
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-noautorotate", "-copyts", "-i", str(path)]
    command += [argument for wanted in (stream, beside) if wanted is not None for argument in ("-map", f"0:{wanted}")]
    command += ["-fps_mode", "passthrough", "-enc_time_base:v", "demux", "-f", "framemd5", "-"]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode or run.stderr:
        raise RuntimeError(f"{path.name}: {run.stderr[-2000:]}")
    base, frames = Fraction(1), list[Frame]()
    for line in run.stdout.splitlines():
        if line.startswith("#tb 0:"):
            base = Fraction(line.split(":", 1)[1].strip())
        elif line.startswith("0,"):
            fields = [field.strip() for field in line.split(",")]
            frames.append(Frame(int(fields[2]) * base, int(fields[4]), fields[5]))
    return frames


def decode_sound(path: Path, stream: str, rate: int, channels: int, *, beside: str | None = None) -> Sound:
    """Decode one sound with ffmpeg, on the clock of the file; see decode. Raises RuntimeError on any complaint."""
    frames = decode(path, stream, beside=beside)
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-i", str(path), "-map", f"0:{stream}"]
    command += ["-f", "s16le", "-c:a", "pcm_s16le", "-"]
    if beside is not None:
        command += ["-map", f"0:{beside}", "-f", "null", "-"]
    run = subprocess.run(command, capture_output=True)
    if run.returncode or run.stderr:
        raise RuntimeError(f"{path.name}: {run.stderr.decode()[-2000:]}")
    decoded = np.frombuffer(run.stdout, np.int16).reshape(-1, channels)
    start, end = frames[0].time, frames[-1].time + Fraction(frames[-1].size, 2 * channels * rate)
    samples = np.zeros((round((end - start) * rate), channels), np.int16)
    place = 0
    for frame in frames:
        # Frames stand where their times say; between them is silence.
        at, count = round((frame.time - start) * rate), frame.size // (2 * channels)
        samples[at : at + count] = decoded[place : place + count]
        place += count
    return Sound(start, rate, samples)
