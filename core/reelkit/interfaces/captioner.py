"""What writes captions of what is said in videos: the interface that plugins implement."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, runtime_checkable

import msgspec

__all__ = ["CaptionRequest", "Captioner", "WrittenCaptions"]


class CaptionRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be written down.

    sound: a WAV file, 16,000 samples of 16 bits a second, one channel, gone after the call; duration: of it, seconds;
    language: what the owner of the video says is spoken, BCP 47; None: find it out.
    """

    video_id: str
    title: str
    sound: Path
    duration: float
    language: str | None = None


class WrittenCaptions(msgspec.Struct, frozen=True, kw_only=True):
    """What was written. vtt: a whole WebVTT file; language: that is spoken, BCP 47, e.g. `pt-BR`."""

    vtt: str
    language: str


@runtime_checkable
class Captioner(Protocol):
    """Writes captions. One is made for each video, so keep what is costly in the module."""

    async def caption(self, request: CaptionRequest) -> WrittenCaptions:
        """Write one file; work that keeps a processor busy belongs into a thread or process.

        Raises `Unprocessable` of reelkit.interfaces.summarizer when nothing can be written; after any other error it is
        tried again. What is no WebVTT, or in no language that CLDR knows, has failed for good.
        """
        ...
