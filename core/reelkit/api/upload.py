"""POST /upload: a file into a new video, or into a given one, with an upload token instead of a key.

The form field `videoId` may come before or behind the file. Some official clients leave it out of the second and every
further part (`uploadWithUploadToken` of Python 1.4.7 and Node 2.6.8, when the file is larger than their chunks): such a
part joins the one upload of the same token, file name and total that lacks it. Where two would fit it is refused, so
that no two files are ever mixed: give each browser a token of its own, or the id.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from litestar import Request, post
from litestar.datastructures import State
from litestar.di import NamedDependency

from reelkit.api.limits import ANONYMOUS, client_block, throttle
from reelkit.api.parts import bytes_of, same_bytes
from reelkit.api.parts_problems import PartAlreadySent, RangeOverlap
from reelkit.api.parts_rules import Piece, content_range
from reelkit.api.receiving import Upload, declared_length, open_upload
from reelkit.api.sources import file_limit, take_source
from reelkit.api.upload_spool import Spooled, spooled
from reelkit.api.upload_videos import created_video, remove_video
from reelkit.api.video_json import VideoJson, video_json
from reelkit.api.video_payloads import NewVideoPayload
from reelkit.api.videos import find_video
from reelkit.catalog import parts, upload_tokens
from reelkit.catalog.parts import PartialUpload, UploadPart
from reelkit.catalog.upload_tokens import UploadToken
from reelkit.catalog.videos import Video
from reelkit.jobs.runtime import Runtime
from reelkit.problems import AttributeRequired, InvalidAttribute, InvalidUploadToken, MissingUploadToken

__all__ = ["counted_token", "upload_with_token", "valid_token"]

PUT_ASIDE = 256 << 20
"""Bytes of a whole file that is put aside until its form has ended; official clients cut what is larger into parts."""


@post("/upload", status_code=201, request_max_body_size=None, operation_id="POST_upload")
async def upload_with_token(request: Request[Any, Any, Any], state: State, runtime: NamedDependency[Runtime]) -> VideoJson:
    """Take a file, or one part of it, with an upload token; without videoId the first part creates the video."""
    query = dict(parse_qsl(request.scope["query_string"].decode("utf-8", "replace")))
    token = await counted_token(request.scope, state, query.get("token"))
    piece = content_range(request.headers.get("content-range"), runtime.site.limits.source_bytes)
    upload = await open_upload(request.receive, request.headers, query, file_limit(runtime, piece))
    declared = declared_length(request.headers)
    in_parts = piece is not None and not piece.is_whole
    if "videoId" in upload.fields or not (in_parts or (declared is not None and declared <= PUT_ASIDE)):
        video = await _take(runtime, token, piece, upload, declared)
        if upload.fields.get("videoId", video.video_id) != video.video_id:
            await remove_video(runtime, video)
            raise InvalidAttribute(name="videoId", detail="Send videoId before a file of this size.")
    else:
        async with spooled(upload, runtime.site.data, may_be_empty=in_parts) as aside:
            video = await _take(runtime, token, piece, aside, declared)
    return video_json(video, runtime)


async def counted_token(scope: Any, state: State, given: str | None) -> UploadToken:
    """Return a valid upload token and count the request for it and its address: no key that has limits is known here.

    Raises MissingUploadToken, InvalidUploadToken, SuspendedAccount, TooManyRequests, NotReady.
    """
    token = await valid_token(given)
    await state.key_ring.suspensions.check(token.project)
    name, most = f"upload:{token.token}:{client_block(scope)}", state.runtime.site.limits.token_uploads_per_minute
    await throttle(state.rate_limits, scope, ANONYMOUS, name, most, 60, tell=True)
    return token


async def valid_token(given: str | None) -> UploadToken:
    """Return an upload token that has not expired. Raises MissingUploadToken, InvalidUploadToken."""
    if not given:
        raise MissingUploadToken(name="token", detail="Send `?token=`, or use POST /videos/{videoId}/source with a key.")
    token = await upload_tokens.find(given)
    if token is None or not token.is_valid:
        raise InvalidUploadToken(name="token", detail=None if token is None else "This token has expired.")
    return token


async def _take(
    runtime: Runtime, token: UploadToken, piece: Piece | None, upload: Upload | Spooled, declared: int | None
) -> Video:
    """Find or make the video that an upload is for, and let it have the file or part."""
    if given := upload.fields.get("videoId"):
        video = await find_video(token.scope, given)
        await take_source(runtime, video, piece, upload, declared, token.token)
        return video
    if piece is not None and not piece.is_whole and isinstance(upload, Spooled):
        while (begun := await _begun(token, piece, upload)) is not None and begun.video_id is not None:
            video = await find_video(token.scope, begun.video_id)
            try:
                await take_source(runtime, video, piece, upload, declared, token.token)
            except (PartAlreadySent, RangeOverlap):
                # Of two files that come at once, the other one may have taken the place since: then this is not its upload.
                if await parts.part(token.scope, begun.id, piece.number) is None:
                    raise
            else:
                return video
    async with created_video(runtime, token.scope, NewVideoPayload(title=upload.filename)) as video:
        await take_source(runtime, video, piece, upload, declared, token.token)
    return video


async def _begun(token: UploadToken, piece: Piece, upload: Spooled) -> PartialUpload | None:
    """Return the upload that a part without videoId belongs to, if one was begun. Raises AttributeRequired for several."""
    lacking: list[PartialUpload] = []
    having: list[PartialUpload] = []
    for other in await parts.of_token(token.scope, token.token, upload.filename, piece.mode):
        if None not in (other.total, piece.total) and other.total != piece.total:
            continue
        present = await parts.part(token.scope, other.id, piece.number)
        if present is None:
            lacking.append(other)
        elif isinstance(present, UploadPart) and await same_bytes(
            bytes_of(upload, may_be_empty=present.size == 0), present.size, present.checksum
        ):
            having.append(other)
    if len(lacking) > 1:
        detail = "Several uploads of this token and file name lack this part: tell which one is meant."
        raise AttributeRequired(name="videoId", detail=detail)
    # The same bytes once more are an answer that was lost, but only where no other file waits for them.
    return next(iter(lacking or (having if len(having) == 1 else [])), None)
