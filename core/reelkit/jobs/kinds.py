"""Every kind of job of a site."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from reelkit.jobs.captions import captions, captions_failed
from reelkit.jobs.draft import draft, draft_failed
from reelkit.jobs.fetch import fetch, fetch_failed
from reelkit.jobs.ingest import ingest, ingest_failed
from reelkit.jobs.job import JobContext, JobKind
from reelkit.jobs.mp4 import mp4, mp4_failed
from reelkit.jobs.sound import sound, sound_failed
from reelkit.jobs.summary import summary, summary_failed
from reelkit.jobs.thumbnail import thumbnail, thumbnail_failed
from reelkit.jobs.transcode import transcode, transcode_failed
from reelkit.jobs.webhooks import deliver, delivery_failed
from reelkit.site import Site

if TYPE_CHECKING:
    from reelkit.jobs.runtime import Runtime

__all__ = ["job_kinds"]

_Work = Callable[["Runtime", JobContext, dict[str, Any]], Awaitable[None]]
_Failed = Callable[["Runtime", dict[str, Any], str], Awaitable[None]]


def job_kinds(site: Site, runtime: Callable[[], Runtime]) -> dict[str, JobKind]:
    """Return the kinds by name. runtime: gives what a job works with, asked when it starts.

    Most jobs are about one source and have its id for key; `fetch` is about a video that has none yet, `thumbnail` about one
    frame that is wanted of a video, `summary` about one summary, `captions` about one wish for captions.
    """

    def kind(work: _Work, failed: _Failed, concurrency: int) -> JobKind:
        async def run(job: JobContext, payload: dict[str, Any]) -> None:
            await work(runtime(), job, payload)

        async def tell(payload: dict[str, Any], reason: str) -> None:
            await failed(runtime(), payload, reason)

        return JobKind(run, concurrency=concurrency, failed=tell)

    return {
        # Mostly waiting for the storage; a short file must not stand behind a long one.
        "ingest": kind(ingest, ingest_failed, 4),
        # Waiting for the hosts of others; a few that drip for hours must not hold up the rest.
        "fetch": kind(fetch, fetch_failed, 16),
        "thumbnail": kind(thumbnail, thumbnail_failed, 1),
        "summary": kind(summary, summary_failed, 2),
        "captions": kind(captions, captions_failed, 1),
        "draft": kind(draft, draft_failed, 2),
        # A picture waits for its first seconds only: many that share the processors are heard before one that has its turn.
        "sound": kind(sound, sound_failed, 8),
        "transcode": kind(transcode, transcode_failed, site.jobs.transcodes),
        "mp4": kind(mp4, mp4_failed, 1),
        # Waiting for others, all of it: those that are silent must not hold up the rest.
        "webhook": kind(deliver, delivery_failed, 100),
    }
