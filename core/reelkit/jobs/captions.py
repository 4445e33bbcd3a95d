"""The job `captions`: have a plugin write down what is said in a video."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from reelkit.catalog import doomed, sources, text_tracks, transcripts, videos, work
from reelkit.catalog.languages import canonical
from reelkit.catalog.sources import Source
from reelkit.catalog.summaries import Summary
from reelkit.catalog.transcripts import Transcript
from reelkit.catalog.videos import Video, VideoEdit
from reelkit.interfaces.captioner import Captioner, CaptionRequest, WrittenCaptions
from reelkit.interfaces.event import CaptionGenerated
from reelkit.interfaces.storage import NotStored
from reelkit.interfaces.summarizer import Unprocessable
from reelkit.jobs.announce import announcing, facts
from reelkit.jobs.job import JobContext, PermanentFailure
from reelkit.jobs.summary import submit_summary, summarise_what_waits
from reelkit.jobs.transfer import at_hand, store_bytes
from reelkit.jobs.written import checked
from reelkit.media.probe import Unreadable
from reelkit.media.sound import extract_sound
from reelkit.media.webvtt import read_text, well_formed

if TYPE_CHECKING:
    from reelkit.jobs.runtime import Runtime

__all__ = ["caption_what_waits", "captions", "captions_failed", "have_summarised"]

MOST_BYTES = 10 << 20
"""Of a file, as of one that is uploaded."""


async def caption_what_waits(runtime: Runtime, wish: Transcript | None) -> None:
    """Have a job fulfil a wish, if the source of its video is there; else that is for whoever ingests it."""
    if wish is None or wish.status != "waiting":
        return
    source = await sources.for_video(wish.scope, wish.video_id)
    if source is not None and source.status == "ingested":
        await runtime.engine.submit("captions", wish.id, {"transcript_id": wish.id})


async def have_summarised(runtime: Runtime, wanted: Summary) -> None:
    """Have a summary written; where the video has no captions, and a plugin writes such, those come first."""
    listed = await text_tracks.page(wanted.scope, wanted.video_id, "caption", 1, 1)
    heard = await transcripts.get(wanted.scope, wanted.video_id)
    if not listed.total and heard is None and runtime.plugins.implements("register_captioner"):
        source = await sources.for_video(wanted.scope, wanted.video_id)
        if source is not None and source.status != "failed":
            await caption_what_waits(runtime, await transcripts.want(wanted.scope, wanted.video_id))
    await submit_summary(runtime, wanted)


async def captions(runtime: Runtime, job: JobContext, payload: dict[str, Any]) -> None:
    """Fulfil the wish `transcript_id`. Raises PermanentFailure when no plugin writes captions."""
    wish = await transcripts.by_id(payload["transcript_id"])
    video = None if wish is None or wish.status != "waiting" else await work.video(wish.video_id)
    if wish is None or video is None:
        return
    source = await sources.for_video(video.scope, video.video_id)
    if source is None or source.status != "ingested":
        return
    try:
        plugin, written = await _write(runtime, job, video, source)
        await _publish(runtime, wish, video, written, plugin)
    except Unprocessable as error:
        await _end(runtime, wish, "unprocessable", str(error) or "Nothing can be written about it.")
        return
    await summarise_what_waits(runtime, wish.scope, wish.video_id)


async def captions_failed(runtime: Runtime, payload: dict[str, Any], reason: str) -> None:
    """Note that there will be no captions."""
    wish = await transcripts.by_id(payload["transcript_id"])
    if wish is not None:
        await _end(runtime, wish, "failed", reason)


async def _end(runtime: Runtime, wish: Transcript, status: Literal["failed", "unprocessable"], reason: str) -> None:
    await transcripts.end(wish.scope, wish.id, status, failure=reason)
    await summarise_what_waits(runtime, wish.scope, wish.video_id)


async def _write(runtime: Runtime, job: JobContext, video: Video, source: Source) -> tuple[str, WrittenCaptions]:
    """Have them written by the first plugin that offers to, and name it. Raises Unprocessable, PermanentFailure."""
    plugin, captioner = _captioner(runtime)
    if source.probe is None or not source.probe.audio:
        raise Unprocessable("The video has no sound.")
    sound: Path = job.scratch / "sound.wav"
    try:
        path = await at_hand(runtime.storage, source.storage_key, job.scratch)
        await extract_sound(path, source.probe.audio[0].number, source.probe.duration, sound)
    except NotStored:
        raise PermanentFailure("The source is gone.") from None
    except Unreadable as error:
        raise PermanentFailure(str(error)) from None
    job.progress(0.1)
    # What the owner says; not what was found out before, which may have been wrong.
    language = video.language if video.language_origin == "api" else None
    written = await captioner.caption(
        CaptionRequest(
            video_id=video.video_id,
            title=video.title,
            sound=sound,
            duration=source.probe.duration,
            language=language,
        )
    )
    return plugin, checked(written, WrittenCaptions, plugin, "caption")


async def _publish(runtime: Runtime, wish: Transcript, video: Video, written: WrittenCaptions, plugin: str) -> None:
    """Store what was written and let it be the captions of its language. Raises Unprocessable, PermanentFailure."""
    language = canonical(written.language)
    data = (await asyncio.to_thread(read_text, written.vtt.encode("utf-8", "replace"))).encode()
    if language is None or not well_formed(data.decode()) or len(data) > MOST_BYTES:
        raise PermanentFailure(
            f"The plugin {plugin}: caption must return WebVTT of at most {MOST_BYTES} bytes and its language in BCP 47, "
            f"not {len(data)} bytes that begin with {written.vtt[:20]!r} and are said to be in {written.language[:40]!r}."
        )
    scope, video_id = video.scope, video.video_id
    key = text_tracks.new_key(scope, video_id, "caption")
    await store_bytes(runtime.storage, key, data)
    try:
        async with announcing(runtime) as happened:
            there = await text_tracks.get(scope, video_id, "caption", language)
            if there is not None and there.id != wish.caption_id:
                raise _NotWanted(f"There are captions in {language} that were uploaded. Delete them to have others written.")
            put = await text_tracks.put(
                scope, video_id, "caption", language, storage_key=key, size=len(data), well_formed=True
            )
            done = put is not None and await transcripts.end(
                scope, wish.id, "completed", language=language, caption_id=put.id
            )
            if put is None or not done:
                raise _NotWanted("The video is gone, or captions were asked for anew.")
            await happened(CaptionGenerated(**facts(put), caption_id=put.id, language=language))
    except _NotWanted as refusal:
        await doomed.doom([key])
        raise Unprocessable(str(refusal)) from None
    if video.language_origin != "api":
        found = VideoEdit(language=language.partition("-")[0], language_origin="auto")
        await videos.update(scope, video_id, found)


class _NotWanted(Exception):
    """Takes back what was begun; the text is for people."""


def _captioner(runtime: Runtime) -> tuple[str, Captioner]:
    for plugin, offered in runtime.plugins.answers("register_captioner"):
        if isinstance(offered, Captioner):
            return plugin, offered
        runtime.plugins.blame(plugin, f"register_captioner returned {type(offered).__name__}, which is no Captioner")
    raise PermanentFailure("This site has no plugin that writes captions.")
