"""What can be wrong with an MP4, as types; the text of each is a sentence for people."""

from __future__ import annotations

__all__ = ["BadIndex", "CorruptMp4", "Mp4Error", "NotMp4", "OversizedMp4", "TruncatedMp4"]


class Mp4Error(Exception):
    """The file cannot be indexed. `reason` is a sentence for people."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NotMp4(Mp4Error):
    """The bytes are something else than MP4 or MOV; another reader may understand them."""


class CorruptMp4(Mp4Error):
    """The file is an MP4 whose structure contradicts itself."""


class TruncatedMp4(CorruptMp4):
    """The file ends before what is needed to play any of it."""


class OversizedMp4(CorruptMp4):
    """The file claims more tracks, samples or index bytes than this reader takes."""


class BadIndex(ValueError):
    """Bytes that should be a saved index are not one, or one of another version; build it again."""
