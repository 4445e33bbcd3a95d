"""tus 1.0.0 at /uploads/tus: resumable uploads of any size, ending in the same videos.

Creation, creation-with-upload, checksum, expiration, termination, concatenation. A key or an upload token opens it; the
token as `?token=`, which the address of the upload then carries on. Upload-Metadata: `filename`, `title` (or `name`),
`videoId` of a video to upload into. Creating answers the video's id in `Video-Id`, and the video as JSON.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, quote

import msgspec
from litestar import Request, Response, delete, head, patch, post, route
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import FromPath

from reelkit.access.principal import Principal
from reelkit.api.dependencies import admitted
from reelkit.api.parts import join
from reelkit.api.parts_open import forget, open_upload_in_parts, take_back
from reelkit.api.parts_storage import multipart_of
from reelkit.api.receiving import body_chunks, declared_length, safe_name
from reelkit.api.sources import refuse_brought
from reelkit.api.tus_concat import concatenate_soon, partials_of
from reelkit.api.tus_headers import (
    CAPABILITIES,
    VERSION,
    announced_checksum,
    check_version,
    http_date,
    metadata_of,
    number,
    takes_bytes,
)
from reelkit.api.tus_problems import FinalUpload, TusInvalid, TusTooLarge, UploadGone
from reelkit.api.tus_storing import append_bytes
from reelkit.api.upload import counted_token
from reelkit.api.upload_videos import created_video, remove_video
from reelkit.api.video_json import VideoJson, video_json
from reelkit.api.video_payloads import NewVideoPayload
from reelkit.api.videos import find_video
from reelkit.catalog import parts, sources, videos
from reelkit.catalog.ids import new_id
from reelkit.catalog.parts import PartialUpload
from reelkit.catalog.scope import Scope
from reelkit.catalog.tus import offset_of
from reelkit.catalog.videos import Video
from reelkit.jobs.runtime import Runtime
from reelkit.problems import EmptyFile

__all__ = ["HANDLERS"]

AnyRequest = Request[Any, Any, Any]
PATH = "/uploads/tus"


class Uploader(msgspec.Struct, frozen=True):
    """Who uploads. token: the upload token, if it is by one; by: whose key it is otherwise."""

    scope: Scope
    token: str | None
    by: Principal | None = None

    def location(self, upload: PartialUpload) -> str:
        """Return the address of an upload, relative to the host."""
        return f"{PATH}/{upload.id}" + (f"?token={quote(self.token, safe='')}" if self.token else "")


@route(PATH, http_method=["OPTIONS"], operation_id="OPTIONS_uploads-tus", status_code=204)
async def capabilities(runtime: NamedDependency[Runtime]) -> Response[None]:
    """Tell what of tus is spoken."""
    return Response(None, headers=CAPABILITIES | {"Tus-Max-Size": str(runtime.site.limits.source_bytes)})


@route(PATH + "/{upload_id:str}", http_method=["OPTIONS"], include_in_schema=False, status_code=204)
async def capabilities_of_one(upload_id: FromPath[str], runtime: NamedDependency[Runtime]) -> Response[None]:  # noqa: ARG001 - the same for all
    """Tell it of any upload too, where some clients ask."""
    return await capabilities.fn(runtime)  # type: ignore[no-any-return]  # Litestar types fn as any


@post(PATH, status_code=201, request_max_body_size=None, operation_id="POST_uploads-tus")
async def create_upload(request: AnyRequest, state: State, runtime: NamedDependency[Runtime]) -> Response[VideoJson | None]:
    """Begin an upload: of a new video, of the one that the metadata names, or of a part to be concatenated."""
    check_version(request.headers)
    who = await _uploader(request, state)
    concat = request.headers.get("upload-concat", "")
    metadata = request.headers.get("upload-metadata", "")
    given = metadata_of(metadata)
    if concat and concat != "partial":
        return await _create_final(runtime, who, concat, metadata, given)
    if "upload-defer-length" in request.headers:
        raise TusInvalid(name="Upload-Defer-Length", detail="Tell the length of the file: Upload-Length.")
    total = number(request.headers, "upload-length", runtime.site.limits.source_bytes)
    if total == 0:
        raise EmptyFile(name="Upload-Length")
    with_bytes = (declared_length(request.headers) or 0) > 0 or "transfer-encoding" in request.headers
    if with_bytes:
        takes_bytes(request.headers)
    beginning = _begun(runtime, who, given, total=total, metadata=metadata, concat=concat)
    async with beginning as (video, upload):
        offset = await _append_first(request, runtime, upload) if with_bytes else 0
    headers = {"Location": who.location(upload), "Upload-Offset": str(offset)}
    return _answer(runtime, who, upload, video, headers)


@head(PATH + "/{upload_id:str}", operation_id="HEAD_uploads-tus-id")
async def standing(
    request: AnyRequest, upload_id: FromPath[str], state: State, runtime: NamedDependency[Runtime]
) -> Response[None]:
    """Tell how many bytes of an upload are here."""
    check_version(request.headers)
    who = await _uploader(request, state)
    stands = await parts.standing(who.scope, upload_id) if upload_id.startswith("up") else None
    if stands is None or stands.upload.mode != "tus" or await _is_gone(stands.upload):
        raise UploadGone(name="id")
    upload = stands.upload
    headers = VERSION | {"Cache-Control": "no-store", "Upload-Length": str(upload.total)}
    if upload.joined or not upload.concat.startswith("final"):
        headers["Upload-Offset"] = str(upload.total if upload.joined else offset_of(stands))
    for name, value in (("Upload-Metadata", upload.metadata), ("Upload-Concat", upload.concat)):
        if value:
            headers[name] = value
    if upload.video_id is not None:
        headers["Video-Id"] = upload.video_id
    if not upload.joined:
        headers["Upload-Expires"] = _expires(runtime, upload)
    return Response(None, status_code=200, headers=headers)


@patch(PATH + "/{upload_id:str}", status_code=204, request_max_body_size=None, operation_id="PATCH_uploads-tus-id")
async def append(
    request: AnyRequest, upload_id: FromPath[str], state: State, runtime: NamedDependency[Runtime]
) -> Response[None]:
    """Take more bytes of an upload; after the last one its video is looked into."""
    check_version(request.headers)
    who = await _uploader(request, state)
    upload = await _find(who, upload_id)
    takes_bytes(request.headers)
    if upload.concat.startswith("final"):
        raise FinalUpload(name="id")
    offset = await _append(request, runtime, upload, number(request.headers, "upload-offset"))
    headers = VERSION | {"Upload-Offset": str(offset)}
    if upload.video_id is not None:
        headers["Video-Id"] = upload.video_id
    if offset != upload.total:
        headers["Upload-Expires"] = _expires(runtime, upload)
    return Response(None, headers=headers)


@delete(PATH + "/{upload_id:str}", status_code=204, operation_id="DELETE_uploads-tus-id")
async def terminate(
    request: AnyRequest, upload_id: FromPath[str], state: State, runtime: NamedDependency[Runtime]
) -> Response[None]:
    """Give an upload up, with the video that it created; one that is complete is only forgotten, its video stays."""
    check_version(request.headers)
    who = await _uploader(request, state)
    upload = await _find(who, upload_id)
    if not upload.joined and upload.source_id is not None and upload.video_id is not None:
        video = await videos.get(who.scope, upload.video_id)
        if video is not None and not metadata_of(upload.metadata).get("videoId"):
            await remove_video(runtime, video)
        else:
            await sources.remove(who.scope, upload.source_id)
    await forget(runtime, upload)
    return Response(None, headers=VERSION)


@post(PATH + "/{upload_id:str}", status_code=204, request_max_body_size=None, operation_id="POST_uploads-tus-id")
async def overridden(
    request: AnyRequest, upload_id: FromPath[str], state: State, runtime: NamedDependency[Runtime]
) -> Response[None]:
    """Do what X-HTTP-Method-Override says, for networks that let only GET and POST pass."""
    method = request.headers.get("x-http-method-override", "").upper()
    if method == "PATCH":
        return await append.fn(request, upload_id, state, runtime)  # type: ignore[no-any-return]  # Litestar types fn as any
    if method == "DELETE":
        return await terminate.fn(request, upload_id, state, runtime)  # type: ignore[no-any-return]  # as above
    if method == "HEAD":
        stands: Response[None] = await standing.fn(request, upload_id, state, runtime)
        stands.status_code = 204
        return stands
    raise TusInvalid(name="X-HTTP-Method-Override", detail="Send PATCH, or this header with PATCH, HEAD or DELETE.")


HANDLERS = (capabilities, capabilities_of_one, create_upload, standing, append, terminate, overridden)


async def _uploader(request: AnyRequest, state: State) -> Uploader:
    """Return who uploads, by the upload token of the address or else by a key. Raises the Problems of both."""
    query = dict(parse_qsl(request.scope["query_string"].decode("utf-8", "replace")))
    if "token" in query:
        token = await counted_token(request.scope, state, query["token"])
        return Uploader(token.scope, token.token)
    found = await admitted(request.scope, state)
    return Uploader(found.scope, None, found)


async def _find(who: Uploader, upload_id: str) -> PartialUpload:
    """Return an upload of the caller's. Raises UploadGone."""
    upload = await parts.get(who.scope, upload_id)
    if upload is None or upload.mode != "tus" or await _is_gone(upload):
        raise UploadGone(name="id")
    return upload


async def _is_gone(upload: PartialUpload) -> bool:
    """Tell whether the video of an upload was deleted meanwhile."""
    if upload.joined or upload.source_id is None:
        return False
    return await sources.get(upload.scope, upload.source_id) is None


@asynccontextmanager
async def _begun(
    runtime: Runtime, who: Uploader, given: dict[str, str], *, total: int, metadata: str, concat: str = ""
) -> AsyncIterator[tuple[Video | None, PartialUpload]]:
    """Open an upload of a video, which is made if the metadata names none and goes again if the block fails; of no video
    if the upload is partial. Raises SourceAlreadyUploaded, NotFound.
    """
    if concat == "partial":
        yield None, await _begin_partial(runtime, who, total, metadata)
        return
    filename = safe_name(given.get("filename"))

    async def begin(video: Video) -> PartialUpload:
        return await open_upload_in_parts(
            runtime, video, "tus", filename,
            token=who.token, total=total, size=total, metadata=metadata, concat=concat, exclusive=True,
        )  # fmt: skip

    if video_id := given.get("videoId"):
        video = await find_video(who.scope, video_id)
        refuse_brought(video)
        yield video, await begin(video)
        return
    title = given.get("title") or given.get("name") or filename
    async with created_video(runtime, who.scope, NewVideoPayload(title=title)) as video:
        yield video, await begin(video)


async def _begin_partial(runtime: Runtime, who: Uploader, total: int, metadata: str) -> PartialUpload:
    """Open an upload that is to be concatenated: it belongs to no video yet."""
    id = new_id("up")
    key = f"{who.scope.project}/{id}/file"
    return await parts.insert(
        who.scope,
        id=id,
        video_id=None,
        source_id=None,
        storage_key=key,
        storage_upload=await multipart_of(runtime.storage).begin(key),
        mode="tus",
        total=total,
        token=who.token,
        filename="",
        metadata=metadata,
        concat="partial",
    )


async def _create_final(
    runtime: Runtime, who: Uploader, concat: str, metadata: str, given: dict[str, str]
) -> Response[VideoJson | None]:
    """Concatenate partial uploads into the source of a video."""
    total = sum(partial.total or 0 for partial in await partials_of(who.scope, concat))
    if total > runtime.site.limits.source_bytes:
        raise TusTooLarge(detail=f"This site takes files of at most {runtime.site.limits.source_bytes} bytes.")
    async with _begun(runtime, who, given, total=total, metadata=metadata, concat=concat) as (video, upload):
        await concatenate_soon(runtime, upload)
    return _answer(runtime, who, upload, video, {"Location": who.location(upload), "Upload-Length": str(total)})


async def _append(request: AnyRequest, runtime: Runtime, upload: PartialUpload, offset: int) -> int:
    """Append the body of a request, and join the upload when it is whole; return the new offset."""
    checksum = announced_checksum(request.headers.get("upload-checksum"))
    length = declared_length(request.headers)
    offset = await append_bytes(runtime, upload, offset, body_chunks(request.receive), length, checksum)
    if offset == upload.total:
        await join(runtime, upload)
        if await _is_gone(upload):
            raise UploadGone(name="id")
    return offset


async def _append_first(request: AnyRequest, runtime: Runtime, upload: PartialUpload) -> int:
    """Append the bytes that came with the creation; if they fail, nobody was told of the upload, and it goes again."""
    try:
        return await _append(request, runtime, upload, 0)
    except BaseException:
        await asyncio.shield(_take_back(runtime, upload))
        raise


async def _take_back(runtime: Runtime, upload: PartialUpload) -> None:
    now = await parts.get(upload.scope, upload.id)
    if now is not None and not now.joined:
        await take_back(runtime, now)


def _expires(runtime: Runtime, upload: PartialUpload) -> str:
    """Return when an upload that is not complete is removed, in a sandbox with its video."""
    life = timedelta(days=runtime.site.videos.abandoned_days)
    if upload.environment == "sandbox" and upload.video_id is not None:
        life = min(life, timedelta(hours=runtime.site.sandbox.video_hours))
    return http_date(upload.created_at + life)


def _answer(
    runtime: Runtime, who: Uploader, upload: PartialUpload, video: Video | None, headers: dict[str, str]
) -> Response[VideoJson | None]:
    shown = None if video is None else video_json(video, runtime, who.by)
    known = {} if video is None else {"Video-Id": video.video_id}
    expires = {"Upload-Expires": _expires(runtime, upload)}
    return Response(shown, status_code=201, headers=VERSION | expires | known | headers, media_type="application/json")
