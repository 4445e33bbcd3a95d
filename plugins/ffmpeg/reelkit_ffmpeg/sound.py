"""One sound of a source as AAC, each fragment handed over the moment it is whole."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing

from reelkit.interfaces.transcoder import DraftSegment, SoundTask

from reelkit_ffmpeg.arguments import FRAGMENTED, QUIET, audio_rate, stereo
from reelkit_ffmpeg.draft import pieces
from reelkit_ffmpeg.process import input_of
from reelkit_ffmpeg.settings import Settings

__all__ = ["sound"]

FRAME = 1024
"""Samples of an AAC frame."""
FRAGMENT_SECONDS = 2


async def sound(task: SoundTask, settings: Settings, tell: Callable[[float], None]) -> AsyncIterator[DraftSegment]:
    """Yield the init segment and then each fragment. Raises TranscodeFailed, Interrupted, OSError."""
    async with aclosing(pieces(_arguments(task, settings), task, task.duration, settings, tell)) as made:
        async for segment in made:
            yield segment
    tell(1.0)


def _arguments(task: SoundTask, settings: Settings) -> list[str]:
    rate = audio_rate(task.stream)
    samples = math.ceil(task.duration * rate / FRAME) * FRAME
    return [
        # The picture is copied, with the times that the file gives it.
        "-copyts",
        *input_of(task.source, settings),
        *("-map", f"0:a:{task.stream.number}", *QUIET, "-vn"),
        # Players were told how long it is before it was made.
        *("-af", f"{stereo(rate)},apad=whole_len={samples},atrim=end_sample={samples}"),
        *("-c:a", "aac", "-b:a", str(settings.audio_bit_rate)),
        *("-f", "mp4", "-movflags", f"{FRAGMENTED}+skip_trailer", "-frag_duration", str(FRAGMENT_SECONDS * 1_000_000)),
        "pipe:1",
    ]
