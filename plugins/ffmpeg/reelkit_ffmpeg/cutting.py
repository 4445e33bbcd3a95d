"""A part of a source as a file of its own: copied if it starts at the beginning, else encoded so that nobody sees it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from reelkit.interfaces.media import Probe
from reelkit.interfaces.transcoder import CutTask, TranscodeFailed

from reelkit_ffmpeg.arguments import KEY_FRAME_SECONDS
from reelkit_ffmpeg.process import encode, input_of, started
from reelkit_ffmpeg.settings import Settings

__all__ = ["cut"]

CRF = 18
"""x264's quality at which people see no difference to the source; the ladder is encoded from this once more."""
AUDIO_BIT_RATE = 192_000
MOST_BYTES_PER_SECOND = 40_000_000
"""Beyond any honest 2160p at that quality."""


async def cut(task: CutTask, settings: Settings, progress: Callable[[float], None]) -> Path:
    """Write the part as an MP4 file. Raises TranscodeFailed; Interrupted and OSError when trying again may work."""
    stop = task.probe.duration if task.stop is None else task.stop
    made = task.folder / "cut.mp4"
    reading = input_of(task.source, settings)
    place = reading.index("-i")
    if task.start > 0:
        # In front of the input: the decoder starts at a key frame and drops what is shown before.
        reading[place:place] = ["-ss", f"{task.start:.6f}"]
    arguments = ["-progress", "pipe:1", "-stats_period", "0.25", *reading, "-t", f"{stop - task.start:.6f}"]
    arguments += ["-map", "0:V:0?", "-map", "0:a?", "-map_metadata", "-1", "-map_chapters", "-1", "-sn", "-dn"]
    arguments += ["-c", "copy"] if task.start == 0 and copyable(task.probe) else encoding(settings)
    arguments += ["-movflags", "+faststart", "-f", "mp4", str(made)]
    largest = (64 << 20) + max(round((stop - task.start) * MOST_BYTES_PER_SECOND), task.probe.size)
    async with started(
        arguments, settings, [task.source], task.folder, task.probe.duration, largest=largest, niceness=settings.niceness
    ) as process:
        await encode(process, stop - task.start, settings.stall_seconds, progress)
    if not made.exists() or made.stat().st_size == 0:
        raise TranscodeFailed("No picture or sound could be decoded; the file may be damaged.")
    progress(1.0)
    return made


def copyable(probe: Probe) -> bool:
    """Tell whether packets from the beginning can be kept as they are in an MP4 file."""
    pictures = probe.video is None or probe.video.codec in ("h264", "hevc")
    return probe.container in ("mov", "mp4") and pictures and all(audio.codec == "aac" for audio in probe.audio)


def encoding(settings: Settings) -> list[str]:
    """Return the arguments of an encode that keeps size, rate and depth; only an odd line or column goes."""
    return [
        *("-vf", "crop=trunc(iw/2)*2:trunc(ih/2)*2", "-c:v", "libx264", "-preset", settings.preset, "-crf", str(CRF)),
        *("-force_key_frames", f"expr:gte(t,n_forced*{KEY_FRAME_SECONDS})", "-threads:v", str(settings.encoder_threads)),
        *("-c:a", "aac", "-b:a", str(AUDIO_BIT_RATE)),
    ]
