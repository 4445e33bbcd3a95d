"""ffmpeg's arguments for the outputs of a ladder."""

from __future__ import annotations

import math
from pathlib import Path

from reelkit.interfaces.media import AudioStream, Rung

from reelkit_ffmpeg.settings import Settings

__all__ = [
    "FRAGMENTED",
    "KEY_FRAME_SECONDS",
    "QUIET",
    "audio_output",
    "audio_rate",
    "image_output",
    "key_frame_arguments",
    "largest",
    "stereo",
    "video_output",
]

KEY_FRAME_SECONDS = 2
"""Distance of key frames where no copied rendition sets it."""

_LONGEST_ARGUMENT = 100_000
"""Linux takes 128 KiB an argument."""

QUIET = ("-map_metadata", "-1", "-map_chapters", "-1", "-sn", "-dn")
"""Titles, places and chapters of the upload stay out of what is published."""

FRAGMENTED = "+frag_keyframe+delay_moov+default_base_moof"


def key_frame_arguments(key_frames: tuple[float, ...], folder: Path) -> list[str]:
    """Return what forces key frames: where a copied rendition is cut, else every two seconds.

    Blocking: a list that is longer than an argument may be goes through a file in the folder (ffmpeg 7 and later).
    """
    if not key_frames:
        return ["-force_key_frames", f"expr:gte(t,n_forced*{KEY_FRAME_SECONDS})"]
    # The first frame at or after a time becomes the key frame; a little earlier, as times are rounded to microseconds.
    times = ",".join(f"{max(0, math.floor(at * 1e6) - 100) / 1e6:.6f}" for at in key_frames)
    if len(times) < _LONGEST_ARGUMENT:
        return ["-force_key_frames", times]
    listed = folder / "key_frames"
    listed.write_text(times)
    return ["-/force_key_frames", str(listed)]


def video_output(label: str, rung: Rung, forced: list[str], settings: Settings, path: Path) -> list[str]:
    """Return the arguments of one rung: H.264 with a fragment a key frame, frame times as they were decoded."""
    return [
        *("-map", f"[{label}]", *QUIET, "-an"),
        *("-c:v", "libx264", "-preset", settings.preset, "-crf", str(settings.crf), "-profile:v", "high"),
        *("-maxrate", str(rung.max_rate), "-bufsize", str(rung.max_rate * 2)),
        *("-g", "99999", "-keyint_min", "99999", "-sc_threshold", "0", *forced),
        *("-threads:v", str(settings.encoder_threads)),
        # Every size keeps the source's own times, in its own clock, so that renditions switch on the same frame.
        *("-fps_mode", "vfr", "-enc_time_base", "filter"),
        *("-f", "mp4", "-movflags", FRAGMENTED, f"file:{path}"),
    ]


def audio_output(stream: AudioStream, settings: Settings, path: Path) -> list[str]:
    """Return the arguments of one sound: AAC stereo, silence where it has gaps."""
    return [
        *("-map", f"0:a:{stream.number}", *QUIET, "-vn", "-af", stereo(audio_rate(stream))),
        *("-c:a", "aac", "-b:a", str(settings.audio_bit_rate)),
        *("-f", "mp4", "-movflags", FRAGMENTED, "-frag_duration", "2000000", f"file:{path}"),
    ]


def audio_rate(stream: AudioStream) -> int:
    """Return the samples a second of what becomes of a sound."""
    return stream.sample_rate if stream.sample_rate in (44100, 48000) else 48000


def stereo(rate: int) -> str:
    """Return the filters that every sound goes through. rate: Hz."""
    return f"aresample={rate}:async=1:first_pts=0,aformat=channel_layouts=stereo"


def image_output(label: str, path: Path, *, one: bool) -> list[str]:
    """Return the arguments of a JPEG, or of numbered ones."""
    count = ["-frames:v", "1", "-update", "1"] if one else []
    return [
        *("-map", f"[{label}]", *QUIET, "-an", *count),
        *("-c:v", "mjpeg", "-threads:v", "1", "-q:v", "4", "-fps_mode", "passthrough"),
        *("-f", "image2", f"file:{path}"),
    ]


def largest(rungs: tuple[Rung, ...], duration: float) -> int:
    """Return the bytes that the longest output may have: its rate all the time, and room to spare."""
    rate = max([rung.max_rate for rung in rungs], default=1_000_000)
    return round(rate / 8 * (duration + 60) * 2) + 64 * 1024**2
