"""The job `summary`: have a plugin write what a video is about, from its captions."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import structlog

from reelkit.catalog import summaries, text_tracks, transcripts, work
from reelkit.catalog.packing import storable
from reelkit.catalog.scope import Scope
from reelkit.catalog.summaries import Attribute, Summary, SummaryFilter
from reelkit.catalog.text_tracks import TextTrack
from reelkit.catalog.transcripts import Transcript
from reelkit.interfaces.event import SummaryGenerated
from reelkit.interfaces.storage import NotStored
from reelkit.interfaces.summarizer import Summarizer, SummaryRequest, Unprocessable, WrittenSummary
from reelkit.jobs.announce import announcing, facts
from reelkit.jobs.job import JobContext, PermanentFailure
from reelkit.jobs.transfer import content
from reelkit.jobs.written import checked
from reelkit.media.webvtt import spoken, word_count

if TYPE_CHECKING:
    from reelkit.jobs.runtime import Runtime

__all__ = ["TAKEAWAYS", "cancel_summary", "submit_summary", "summarise_what_waits", "summary", "summary_failed"]

TAKEAWAYS = 3
ATTRIBUTES: tuple[Attribute, ...] = ("abstract", "takeaways")
FEWEST_WORDS = 50
"""The contract's: of less nothing is summarised."""

log = structlog.get_logger("reelkit.jobs")


async def submit_summary(runtime: Runtime, wanted: Summary) -> None:
    """Have a summary written, as soon as the captions are that are being written. Twice is once."""
    heard = await transcripts.get(wanted.scope, wanted.video_id)
    if heard is None or heard.status != "waiting":
        await runtime.engine.submit("summary", _key(wanted, heard), {"summary_id": wanted.id})


async def cancel_summary(runtime: Runtime, unwanted: Summary) -> None:
    """Have a summary not written that was asked for."""
    heard = await transcripts.get(unwanted.scope, unwanted.video_id)
    await runtime.engine.cancel("summary", _key(unwanted, heard))


def _key(wanted: Summary, heard: Transcript | None) -> str:
    # Another job after captions were written, or were not: the one before it may have ended without a word to go by.
    return wanted.id if heard is None else f"{wanted.id}.{heard.id}"


async def summarise_what_waits(runtime: Runtime, scope: Scope, video_id: str) -> None:
    """Have the summary of a video written that waits for its captions, or that its owner wants by `transcriptSummary`."""
    video = await work.video(video_id)
    if video is not None and video.transcript_summary:
        wanted = tuple(name for name in ATTRIBUTES if name in video.summary_attributes) or ATTRIBUTES
        await summaries.create(scope, video_id, "auto", wanted)
    for found in (await summaries.page(scope, SummaryFilter(video_id=video_id, source_status="waiting"))).items:
        await submit_summary(runtime, found)


async def summary(runtime: Runtime, job: JobContext, payload: dict[str, Any]) -> None:  # noqa: ARG001 - as every job
    """Write the summary `summary_id`. Raises PermanentFailure when no plugin writes any."""
    wanted = await work.summary(payload["summary_id"])
    if wanted is None or wanted.source_status != "waiting":
        return
    try:
        written = await _write(runtime, wanted)
    except Unprocessable as error:
        await summaries.end(wanted.scope, wanted.id, "unprocessable", str(error) or "Nothing can be written about it.")
        return
    takeaways = tuple(written.takeaways)[:TAKEAWAYS]
    async with announcing(runtime) as happened:
        done = await summaries.write(wanted.scope, wanted.id, abstract=written.abstract, takeaways=takeaways, waiting=True)
        if done is not None:
            await happened(SummaryGenerated(**facts(done), summary_id=done.id))


async def summary_failed(runtime: Runtime, payload: dict[str, Any], reason: str) -> None:  # noqa: ARG001 - as every job
    """Note that there will be no text."""
    wanted = await work.summary(payload["summary_id"])
    if wanted is not None:
        await summaries.end(wanted.scope, wanted.id, "failed", reason)


async def _write(runtime: Runtime, wanted: Summary) -> WrittenSummary:
    """Have it written by the first plugin that offers to. Raises Unprocessable, PermanentFailure."""
    video = await work.video(wanted.video_id)
    if video is None:
        raise Unprocessable("The video is gone.")
    plugin, summarizer = _summarizer(runtime)
    track, text = await _text(runtime, wanted)
    if track is None or word_count(text) < FEWEST_WORDS:
        raise Unprocessable(f"Less than {FEWEST_WORDS} words are said in the captions of this video.")
    written = await summarizer.summarize(
        SummaryRequest(
            video_id=video.video_id,
            title=video.title,
            text=text,
            language=track.language,
            attributes=wanted.attributes,
        )
    )
    proper = checked(written, WrittenSummary, plugin, "summarize")
    if not all(storable(text) for text in (proper.abstract or "", *proper.takeaways)):
        raise PermanentFailure(f"The plugin {plugin}: summarize returned a text with the character NUL.")
    return proper


def _summarizer(runtime: Runtime) -> tuple[str, Summarizer]:
    for plugin, offered in runtime.plugins.answers("register_summarizer"):
        if isinstance(offered, Summarizer):
            return plugin, offered
        runtime.plugins.blame(plugin, f"register_summarizer returned {type(offered).__name__}, which is no Summarizer")
    raise PermanentFailure("This site has no plugin that writes summaries.")


async def _text(runtime: Runtime, wanted: Summary) -> tuple[TextTrack | None, str]:
    """Return what is said, by the captions that players show, else by the first ones that say enough."""
    found: tuple[TextTrack | None, str] = None, ""
    listed = await text_tracks.page(wanted.scope, wanted.video_id, "caption", 1, 100)
    for track in sorted(listed.items, key=lambda track: not track.shown):
        try:
            file = await content(runtime.storage, track.storage_key)
        except NotStored:
            continue  # replaced just now
        text = await asyncio.to_thread(spoken, file.decode("utf-8", "replace"))
        if len(text) > len(found[1]):
            found = track, text
        if word_count(text) >= FEWEST_WORDS:
            break
    return found
