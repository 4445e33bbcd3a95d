"""What a media file is and what is to be made of it: the words core and transcoder plugins share."""

from __future__ import annotations

from fractions import Fraction

import msgspec

__all__ = ["AudioStream", "Ladder", "Probe", "Rung", "VideoStream"]


class VideoStream(msgspec.Struct, frozen=True):
    """The first real video stream (cover art is none). width, height: as displayed, after rotation and pixel aspect."""

    codec: str
    """ffmpeg's name: h264, hevc, av1, vp9, prores …"""
    width: int
    height: int
    coded_width: int
    coded_height: int
    frame_rate: Fraction
    """Frames per second, average; 0 when unknown."""
    bit_rate: int = 0
    """Bits per second; 0 when unknown."""
    rotation: int = 0
    """Clockwise degrees a player turns the picture: 0, 90, 180, 270."""
    pixel_format: str = ""
    transfer: str = ""
    """ffmpeg's colour transfer name; smpte2084 and arib-std-b67 are HDR."""


class AudioStream(msgspec.Struct, frozen=True):
    """One audio stream. sample_rate: Hz."""

    codec: str
    channels: int
    sample_rate: int
    language: str = "und"
    """ISO 639-2 code of the container."""
    bit_rate: int = 0
    number: int = 0
    """Its place among all sounds of the file, from 0: ffmpeg's `0:a:NUMBER`."""


class Probe(msgspec.Struct, frozen=True):
    """What a file is. duration: seconds; size: bytes; container: ffmpeg's first demuxer name, e.g. mov, matroska, mpegts."""

    container: str
    duration: float
    size: int
    video: VideoStream | None = None
    audio: tuple[AudioStream, ...] = ()


class Rung(msgspec.Struct, frozen=True):
    """One rendition to encode. width, height: even pixels; max_rate: bits per second; name: 240p … 2160p."""

    name: str
    width: int
    height: int
    max_rate: int


class Ladder(msgspec.Struct, frozen=True):
    """What becomes of a source: the rungs to encode, highest first, and what of it is copied."""

    rungs: tuple[Rung, ...]
    copy_video: bool
    """The source is its own top rendition, packaged without encoding."""
    sounds: tuple[int, ...] = ()
    """Numbers of the audio streams to encode with the rungs, the one that players should choose first in front."""
    key_frames: tuple[float, ...] = ()
    """Seconds at which every rung must have a key frame, so that it switches with the copied one; empty: every 2 s."""
