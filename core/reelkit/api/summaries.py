"""Summaries over HTTP: one of each video, written by its owner or by a plugin."""

from __future__ import annotations

import re
from typing import Any, Literal, cast

import msgspec
from litestar import Request, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from reelkit.access.principal import Principal
from reelkit.api.changes import Changing
from reelkit.api.pagination import Pagination, paginate, requested_page
from reelkit.api.payloads import read_payload
from reelkit.api.queries import Query
from reelkit.api.video_json import atom
from reelkit.catalog import summaries, videos
from reelkit.catalog.packing import storable
from reelkit.catalog.scope import Scope
from reelkit.catalog.summaries import Attribute, Origin, SortBy, SourceStatus, Summary, SummaryFilter
from reelkit.jobs.captions import have_summarised
from reelkit.jobs.runtime import Runtime
from reelkit.jobs.summary import TAKEAWAYS, cancel_summary
from reelkit.problems import InvalidAttribute, NotFound, SummaryAlreadyExists

__all__ = ["HANDLERS", "NewSummaryPayload", "SummaryJson", "SummaryList", "SummarySource", "SummaryUpdatePayload"]

ABSTRACT_LENGTH = 20_000
TAKEAWAY_LENGTH = 2_000

Unset = msgspec.UnsetType

_ID = re.compile(r"summary_[0-9A-Za-z]{1,62}", re.ASCII)


class NewSummaryPayload(msgspec.Struct, frozen=True, rename="camel"):
    """The contract's `summary-creation-payload`. origin: auto, or absent for a text that follows."""

    video_id: str
    origin: Literal["auto", "api"] | None = None
    attributes: tuple[Attribute, ...] | None = None


class SummaryUpdatePayload(msgspec.Struct, frozen=True):
    """The contract's `summary-update-payload`: what is absent stays."""

    abstract: str | Unset = msgspec.UNSET
    takeaways: tuple[str, ...] | Unset = msgspec.UNSET


class SummaryJson(msgspec.Struct, frozen=True, rename="camel"):
    """The contract's `summary`."""

    summary_id: str
    created_at: str
    updated_at: str
    video_id: str
    origin: Origin
    source_status: SourceStatus


class SummarySource(msgspec.Struct, frozen=True, omit_defaults=True):
    """The contract's `summary-source`; parts that were not asked for are left out."""

    abstract: str | None = None
    takeaways: tuple[str, ...] = ()


class SummaryList(msgspec.Struct, frozen=True):
    """The contract's `summaries-list-response`."""

    data: tuple[SummaryJson, ...]
    pagination: Pagination


def summary_json(summary: Summary) -> SummaryJson:
    """Return the JSON of a summary."""
    return SummaryJson(
        summary_id=summary.id,
        created_at=atom(summary.created_at),
        updated_at=atom(summary.updated_at),
        video_id=summary.video_id,
        origin=summary.origin,
        source_status=summary.source_status,
    )


@post("/summaries", operation_id="POST_summaries", status_code=201)
async def create_summary(
    request: Request[Any, Any, Any], principal: NamedDependency[Principal], runtime: NamedDependency[Runtime]
) -> SummaryJson:
    """Create the summary of a video: its text follows, or a job has it written."""
    scope = principal.scope
    edit = Changing(runtime, scope, "summary", "create")
    given = await edit.propose(read_payload(await request.body(), NewSummaryPayload))
    await check_video(scope, given.video_id)
    wanted = tuple(dict.fromkeys(given.attributes or ())) or ("abstract", "takeaways")
    made = await summaries.create(scope, given.video_id, given.origin or "api", wanted)
    if made is None:
        await check_video(scope, given.video_id)  # it may have been deleted in between
        raise SummaryAlreadyExists(name="videoId", detail="Delete the summary of this video first.")
    if made.origin == "auto":
        # Should this process die before: recovery submits it again.
        await have_summarised(runtime, made)
    shown = summary_json(made)
    await edit.made(shown, id=made.id)
    return shown


@get("/summaries", operation_id="GET_summaries")
async def list_summaries(request: Request[Any, Any, Any], principal: NamedDependency[Principal]) -> SummaryList:
    """List summaries, newest first unless asked otherwise."""
    query = Query(request.scope["query_string"])
    page = requested_page(query)
    sort_by = cast("SortBy", query.one_of("sortBy", ("createdAt", "updatedAt", "videoId"), "createdAt"))
    order = cast("Literal['asc', 'desc']", query.one_of("sortOrder", ("asc", "desc"), "desc"))
    wanted = SummaryFilter(
        video_id=query.text("videoId"),
        origin=query.one_of("origin", ("auto", "api"), "") or None,
        source_status=query.one_of("sourceStatus", SourceStatus.__args__, "") or None,  # type: ignore[attr-defined]  # has them
    )
    query.check()
    found = await summaries.page(principal.scope, wanted, sort_by, order, page.number, page.size)
    data = tuple(summary_json(summary) for summary in found.items)
    return SummaryList(data, paginate("/summaries", query, page, len(data), found.total))


@get("/summaries/{summary_id:str}/source", operation_id="GET_summaries-summaryId-source")
async def get_summary_source(summary_id: FromPath[str], principal: NamedDependency[Principal]) -> SummarySource:
    """Read the text of a summary."""
    found = await find_summary(principal.scope, summary_id)
    if found.source_status != "completed":
        raise NotFound(name="summaryId", detail=found.failure or "This summary has no text yet.")
    return SummarySource(found.abstract, found.takeaways)


@patch("/summaries/{summary_id:str}/source", operation_id="PATCH_summaries-summaryId-source", status_code=201)
async def update_summary_source(
    request: Request[Any, Any, Any],
    summary_id: FromPath[str],
    principal: NamedDependency[Principal],
    runtime: NamedDependency[Runtime],
) -> SummarySource:
    """Write the text of a summary, unless it is being written."""
    found = await find_summary(principal.scope, summary_id)
    before = SummarySource(found.abstract, found.takeaways)
    edit = Changing(runtime, found.scope, "summary", "update", id=found.id, before=before)
    given = await edit.propose(read_payload(await request.body(), SummaryUpdatePayload))
    abstract = found.abstract if isinstance(given.abstract, Unset) else given.abstract
    takeaways = found.takeaways if isinstance(given.takeaways, Unset) else given.takeaways
    check_text(abstract, takeaways)
    written = await summaries.write(found.scope, found.id, abstract=abstract, takeaways=takeaways)
    if written is None:
        if await summaries.get(found.scope, found.id) is None:
            raise NotFound(name="summaryId")
        raise SummaryAlreadyExists(name="summaryId", detail="The summary is being written; wait until it is there.")
    shown = SummarySource(written.abstract, written.takeaways)
    await edit.made(shown)
    return shown


@delete("/summaries/{summary_id:str}", operation_id="DELETE_summaries-summaryId", status_code=204)
async def delete_summary(
    summary_id: FromPath[str], principal: NamedDependency[Principal], runtime: NamedDependency[Runtime]
) -> None:
    """Delete a summary, also one that is being written."""
    found = await find_summary(principal.scope, summary_id)
    edit = Changing(runtime, found.scope, "summary", "delete", id=found.id, before=summary_json(found))
    await edit.propose(None)
    if await summaries.remove(found.scope, found.id) is None:
        raise NotFound(name="summaryId")
    if found.source_status == "waiting":
        await cancel_summary(runtime, found)
    await edit.made()


async def check_video(scope: Scope, id: str) -> None:
    """Return when there is a video to be summarised. Raises InvalidAttribute."""
    if await videos.get(scope, id) is None:
        raise InvalidAttribute(name="videoId", detail="There is no video of this id.")


async def find_summary(scope: Scope, summary_id: str) -> Summary:
    """Return a summary of the caller's. Raises NotFound, also for one that belongs to somebody else."""
    found = await summaries.get(scope, summary_id) if _ID.fullmatch(summary_id) else None
    if found is None:
        raise NotFound(name="summaryId")
    return found


def check_text(abstract: str | None, takeaways: tuple[str, ...]) -> None:
    """Raise InvalidAttribute for a text that is too long or cannot be kept."""
    if abstract is not None and (len(abstract) > ABSTRACT_LENGTH or not storable(abstract)):
        raise InvalidAttribute(name="abstract", detail=f"This may have at most {ABSTRACT_LENGTH} characters.")
    if len(takeaways) > TAKEAWAYS:
        raise InvalidAttribute(name="takeaways", detail=f"This collection should contain {TAKEAWAYS} elements or less.")
    for number, takeaway in enumerate(takeaways):
        if len(takeaway) > TAKEAWAY_LENGTH or not storable(takeaway):
            detail = f"This may have at most {TAKEAWAY_LENGTH} characters."
            raise InvalidAttribute(name=f"takeaways[{number}]", detail=detail)


HANDLERS = (create_summary, list_summaries, get_summary_source, update_summary_source, delete_summary)
