"""Makes renditions, drafts and images with ffmpeg."""

from __future__ import annotations

import reelkit
from reelkit.interfaces.transcoder import Transcoder

from reelkit_ffmpeg.settings import Settings
from reelkit_ffmpeg.transcoder import FfmpegTranscoder

__all__ = ["FfmpegTranscoder", "Settings", "register_transcoder"]


@reelkit.hookimpl
def register_transcoder(settings: Settings) -> reelkit.Provides[Transcoder]:
    """Offer the transcoder `ffmpeg`."""
    return reelkit.Provides(name="ffmpeg", open=lambda: FfmpegTranscoder(settings))
