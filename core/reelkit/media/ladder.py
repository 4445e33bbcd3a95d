"""Which renditions a source gets: never larger than itself, its own top where that can be copied."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from reelkit.interfaces.media import AudioStream, Ladder, Probe, Rung, VideoStream

__all__ = ["FASTEST", "MOST_SOUNDS", "compliant", "draft_rung", "plan", "quality", "sounds_to_encode"]

FASTEST = 60
"""Frames per second of the fastest rendition."""

MOST_SOUNDS = 8
"""Sounds of one video that are encoded: more languages than players list without scrolling, each costs storage."""

_DECODED = frozenset({
    "aac", "ac3", "adpcm_ima_qt", "adpcm_ima_wav", "adpcm_ms", "alac", "amr_nb", "amr_wb", "dts", "eac3", "flac", "mp1",
    "mp2", "mp3", "opus", "qdm2", "truehd", "vorbis", "wavpack", "wmapro", "wmav1", "wmav2",
})  # fmt: skip
"""Codecs by ffmpeg's name."""

_LONGEST = 8192
"""Pixels of the longest side that H.264 level 6 decoders take."""

_RUNGS: tuple[tuple[str, int, int], ...] = (
    ("2160p", 2160, 18_000_000),
    ("1080p", 1080, 6_000_000),
    ("720p", 720, 3_200_000),
    ("480p", 480, 1_600_000),
    ("360p", 360, 900_000),
    ("240p", 240, 450_000),
)
"""Name, short side in pixels, highest bits per second of a 16:9 picture at up to 30 frames per second."""

_SLACK = 1.02
"""A picture of 1916x1078 counts as 1080p; scaling by less than this is not seen."""


def quality(width: int, height: int) -> str:
    """Name a picture size by its short side: the highest of 240p … 2160p that it fills; 240p when it fills none."""
    short = min(width, height)
    return next((name for name, side, _ in _RUNGS if side <= short * _SLACK), "240p")


def compliant(video: VideoStream) -> bool:
    """Tell whether every browser plays this stream as it is: H.264, 8 bits, 4:2:0, at most 60 frames per second."""
    return (
        video.codec == "h264"
        and video.pixel_format in ("yuv420p", "yuvj420p", "")
        and video.frame_rate <= FASTEST * 1.02
        and video.transfer not in ("smpte2084", "arib-std-b67")
    )


def plan(
    probe: Probe,
    key_frames: Sequence[float] | None = None,
    copyable: bool = False,
    copied_sounds: Collection[int] = (),
) -> Ladder:
    """Choose the renditions of a source.

    copyable: the packager can cut the source as it is; key_frames: the seconds at which it then does, which become the
    key frames of every rung. A copied source is its own top, so only the rungs below it are encoded. copied_sounds:
    numbers of the sounds that can be cut out of it.
    """
    sounds = tuple(stream.number for stream in sounds_to_encode(probe, copied_sounds if copyable else ()))
    if probe.video is None:
        return Ladder(rungs=(), copy_video=False, sounds=sounds[:1])
    copy = copyable and compliant(probe.video)
    rungs = _rungs(probe.video)
    if copy:
        top = quality(probe.video.width, probe.video.height)
        rungs = rungs[1:] if rungs[0].name == top else rungs
    return Ladder(rungs=rungs, copy_video=copy, sounds=sounds, key_frames=tuple(key_frames or ()) if copy else ())


def sounds_to_encode(probe: Probe, copied: Collection[int]) -> tuple[AudioStream, ...]:
    """Choose the sounds that become AAC stereo, those that players should choose first in front.

    copied: numbers of those that can be cut out of the source; only what is AAC stereo already need not become it. Of
    several, ones that nobody decodes are left out: telephones record a spatial sound beside the one for everybody.
    """
    done = {stream.number for stream in probe.audio if stream.codec == "aac" and stream.channels <= 2}.intersection(copied)
    known = [s for s in probe.audio if len(probe.audio) == 1 or s.codec in _DECODED or s.codec.startswith("pcm_")]
    return tuple(stream for stream in known[:MOST_SOUNDS] if stream.number not in done)


def draft_rung(video: VideoStream) -> Rung:
    """Choose the quick first rendition: 360p, or the source's own size when that is smaller."""
    rungs = _rungs(video)
    return next((rung for rung in rungs if rung.name == "360p"), rungs[-1])


def _rungs(video: VideoStream) -> tuple[Rung, ...]:
    """Return every rung that a source fills, highest first; a source smaller than the lowest gets one of its own size."""
    short = min(video.width, video.height)
    fast = video.frame_rate > 40
    fitting = [(name, side, rate) for name, side, rate in _RUNGS if side <= short * _SLACK]
    if not fitting:
        name, _, rate = _RUNGS[-1]
        fitting = [(name, short, rate)]
    return tuple(_rung(video, name, min(side, short), rate * 3 // 2 if fast else rate) for name, side, rate in fitting)


def _rung(video: VideoStream, name: str, short: int, rate: int) -> Rung:
    """Scale a picture to a short side, both sides even, none longer than a decoder takes."""
    scale = min(short / min(video.width, video.height), _LONGEST / max(video.width, video.height))
    width, height = _even(video.width * scale), _even(video.height * scale)
    # Narrower or wider pictures than 16:9 have fewer or more pixels to spend bits on.
    share = width * height / (short * short * 16 / 9)
    return Rung(name=name, width=width, height=height, max_rate=round(rate * min(max(share, 0.5), 2.0)))


def _even(pixels: float) -> int:
    """Return the nearest even number of pixels, at least 2."""
    return max(2, 2 * round(pixels / 2))
