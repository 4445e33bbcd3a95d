"""What writes summaries of videos: the interface that plugins implement."""

from __future__ import annotations

from typing import Literal, Protocol, runtime_checkable

import msgspec

__all__ = ["Summarizer", "SummaryRequest", "Unprocessable", "WrittenSummary"]


class Unprocessable(Exception):
    """Nothing can be written about this video, however often it is tried; the text says why, for people."""


class SummaryRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be summarised. text: what is said in the video, taken from its captions; language: of it, BCP 47.

    attributes: which parts of the summary are wanted.
    """

    video_id: str
    title: str
    text: str
    language: str
    attributes: tuple[Literal["abstract", "takeaways"], ...] = ("abstract", "takeaways")


class WrittenSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What was written. takeaways: at most three sentences."""

    abstract: str | None = None
    takeaways: tuple[str, ...] = ()


@runtime_checkable
class Summarizer(Protocol):
    """Writes summaries. One is made for each summary, so keep what is costly in the module."""

    async def summarize(self, request: SummaryRequest) -> WrittenSummary:
        """Write one. Raises Unprocessable; after any other error it is tried again. What is no text has failed for good."""
        ...
