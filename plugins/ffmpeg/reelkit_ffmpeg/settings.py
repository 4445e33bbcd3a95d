"""The section [plugins.ffmpeg] of site.toml."""

from __future__ import annotations

import shutil
from typing import Annotated, Literal

import imageio_ffmpeg
import msgspec

__all__ = ["Preset", "Settings"]

Preset = Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower"]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How ffmpeg is run. Every setting has a default that suits two cores."""

    path: str = ""
    """The ffmpeg to run, version 6 or later; empty: the one that comes with reelkit."""
    preset: Preset = "veryfast"
    """x264's effort. At 2.5 Mb/s of 720p, medium costs 1.9 times the time of veryfast for 1.5 VMAF more."""
    crf: Annotated[int, msgspec.Meta(ge=10, le=40)] = 23
    """Quality that x264 aims at; lower is better and larger."""
    draft_preset: Preset = "superfast"
    """The same for the quick first rendition of what cannot be copied."""
    draft_crf: Annotated[int, msgspec.Meta(ge=10, le=40)] = 26
    audio_bit_rate: Annotated[int, msgspec.Meta(ge=32_000, le=512_000)] = 128_000
    """Bits per second of AAC stereo."""
    threads: Annotated[int, msgspec.Meta(ge=1, le=64)] = 2
    """Threads that decode and filter."""
    encoder_threads: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    """Threads of each encoder; they already run side by side, so more cost memory and gain nothing on few cores."""
    niceness: Annotated[int, msgspec.Meta(ge=0, le=19)] = 10
    """How far encoding stands back behind the web server."""
    memory_mb: Annotated[int, msgspec.Meta(ge=512)] = 8192
    """Address space of one ffmpeg, about three times what it really uses."""
    stall_seconds: Annotated[float, msgspec.Meta(ge=5)] = 120.0
    """An ffmpeg without progress for this long is ended."""

    def program(self) -> str:
        """Return the path of ffmpeg. Raises FileNotFoundError with what to do."""
        named = self.path or imageio_ffmpeg.get_ffmpeg_exe()
        found = shutil.which(named)
        if found is None:
            raise FileNotFoundError(f"plugins.ffmpeg.path: no program {named!r}; leave it empty to use the one of reelkit.")
        return found
