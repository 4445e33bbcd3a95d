"""Every error that the API can answer, as types."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

__all__ = [
    "AccessDenied",
    "AttributeRequired",
    "BodyTooLarge",
    "ContentRangeMalformed",
    "EmptyFile",
    "FileTooLarge",
    "InvalidAccessToken",
    "InvalidApiKey",
    "InvalidAttribute",
    "InvalidAuthorizationHeaderValue",
    "InvalidCredentials",
    "InvalidFile",
    "InvalidPayload",
    "InvalidPlaybackSession",
    "InvalidQueryParameter",
    "InvalidSessionToken",
    "InvalidUploadToken",
    "MethodNotAllowed",
    "MissingAuthorizationHeader",
    "MissingPlaybackCredential",
    "MissingUploadToken",
    "MonthlyBytesExceeded",
    "MultipleFiles",
    "NoFile",
    "NotFound",
    "NotReady",
    "OutOfRange",
    "PluginFailed",
    "Problem",
    "ProblemBody",
    "RequestInvalidQueryParameter",
    "ServerError",
    "SourceAlreadyCopied",
    "SourceAlreadyDownloaded",
    "SourceAlreadyUploaded",
    "StorageFailing",
    "StorageIsFull",
    "SummaryAlreadyExists",
    "SuspendedAccount",
    "TooManyRequests",
    "TooManyStreams",
    "Unauthorized",
    "UnrecognizedUrl",
    "UnsupportedPicture",
    "UploadIncomplete",
    "WebhookLimitReached",
    "every",
]


class ProblemBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """The JSON of a Problem (RFC 9457 names, served as application/json)."""

    type: str
    title: str
    status: int
    name: str | None = None
    detail: str | None = None
    range: dict[str, int] | None = None
    problems: tuple[dict[str, Any], ...] = ()


class Problem(Exception):
    """Something the client can be told. name: the field, parameter or path id at fault; detail: one sentence for people."""

    slug: ClassVar[str] = "server-error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Server error"
    headers: ClassVar[dict[str, str]] = {}
    """Sent along with the body."""

    def __init__(
        self,
        *,
        name: str | None = None,
        detail: str | None = None,
        range: tuple[int, int] | None = None,
        problems: tuple[Problem, ...] = (),
    ) -> None:
        super().__init__(detail or self.title)
        self.name = name
        self.detail = detail
        self.range = range
        self.problems = problems

    @property
    def type(self) -> str:
        """The stable identifier that the official clients know."""
        return f"https://docs.api.video/reference/{self.slug}"

    def body(self) -> ProblemBody:
        """Return what is sent."""
        return ProblemBody(
            type=self.type,
            title=self.title,
            status=self.status,
            name=self.name,
            detail=self.detail,
            range=None if self.range is None else {"min": self.range[0], "max": self.range[1]},
            problems=tuple(msgspec.to_builtins(problem.body()) for problem in self.problems),
        )


def every(faults: list[Problem]) -> Problem:
    """Return one Problem that tells of all faults: the first at the top level, and each of them in `problems`, once."""
    first, different = faults[0], {(type(fault), fault.name, fault.detail): fault for fault in faults}
    return type(first)(name=first.name, detail=first.detail, range=first.range, problems=tuple(different.values()))


def _plain(body: ProblemBody) -> dict[str, Any]:
    """Return what a body says, to say more with it."""
    return {name: value for name, value in msgspec.structs.asdict(body).items() if value}


class ServerError(Problem):
    """Something broke here; the log has the reason under the request's id."""


class PluginFailed(ServerError):
    """A plugin that guards what was asked for failed, so it was not done; the log has the reason."""


class NotReady(Problem):
    """A part that the request needs does not answer now."""

    slug, status, title = "service-unavailable", 503, "The service is not available now."
    headers = {"retry-after": "5"}


class InvalidPayload(Problem):
    """The body is missing, or not the JSON object that is asked for."""

    slug, status, title = "invalid-payload", 400, "The payload is invalid."


class BodyTooLarge(Problem):
    """A body that is no upload is larger than any honest one."""

    slug, status, title = "invalid-payload", 413, "The payload is too large."


class InvalidAttribute(Problem):
    """A field of the body has a value that it cannot have."""

    slug, status, title = "invalid-attribute", 400, "An attribute is invalid."


class AttributeRequired(Problem):
    """A field that the body must have is missing or empty."""

    slug, status, title = "attribute-required", 400, "This attribute is required."


class InvalidQueryParameter(Problem):
    """A query parameter has a value that it cannot have."""

    slug, status, title = "invalid-query-parameter", 400, "A query parameter is invalid."


class RequestInvalidQueryParameter(InvalidQueryParameter):
    """A query parameter of analytics that is unknown, or has a value that it cannot have."""

    slug = "request-invalid-query-parameter"


class OutOfRange(InvalidQueryParameter):
    """A number of the query is too small or too large; `range` says what it may be."""

    title = "This parameter is out of the allowed range of values."


class NotFound(Problem):
    """No such object in this project and environment. name: the path parameter."""

    slug, status, title = "resource-not-found", 404, "The requested resource was not found."


class UnrecognizedUrl(Problem):
    """Nothing lives at this path."""

    slug, status, title = "unrecognized-request-url", 404, "Unrecognized request URL."


class MethodNotAllowed(Problem):
    """The path exists and does not take this method."""

    slug, status, title = "method-not-allowed", 405, "Method is not allowed for this route."


class Unauthorized(Problem):
    """The request carries no credential, or none that opens anything."""

    slug, status, title = "authentication-missing-authorization-header", 401, "Missing API key"
    headers = {"www-authenticate": 'Basic realm="reelkit", charset="UTF-8"'}


class MissingAuthorizationHeader(Unauthorized):
    """The request carries no credential at all, or an empty one."""


class InvalidAuthorizationHeaderValue(Unauthorized):
    """The Authorization header is of another scheme, or cannot be read."""

    slug, title = "authentication-invalid-authorization-header-value", "The authorization header is invalid."


class InvalidApiKey(Unauthorized):
    """No such API key, or it was revoked or has expired."""

    slug, title = "authentication-invalid-api-key", "The API key is invalid."


class InvalidAccessToken(Unauthorized):
    """No such access token or key, or it was revoked or has expired."""

    slug, title = "authentication-invalid-access-token", "The access token is invalid."


class InvalidSessionToken(Unauthorized):
    """No such session token, or it or its key has expired or was revoked."""

    slug, title = "authentication-invalid-session-token", "Invalid or expired session token"
    headers = {"www-authenticate": 'Bearer realm="reelkit"'}
    """Basic would have browsers, which session tokens are for, ask the viewer for a password."""


class MissingPlaybackCredential(Unauthorized):
    """This site plays to those only who bring a session token, a key or a playback token."""

    headers = {"www-authenticate": 'Bearer realm="reelkit"'}


class InvalidPlaybackSession(InvalidSessionToken):
    """What came in the address to open this video is of another one, was changed, has expired, or its key was revoked."""


class InvalidCredentials(Problem):
    """A key or refresh token that is to be exchanged for an access token opens nothing; 400, as the contract has it."""

    slug, status, title = "authentication-invalid-user-credentials", 400, "The user credentials were incorrect."


class MissingUploadToken(Problem):
    """An upload without a key carries no upload token."""

    slug, status, title = "authentication-missing-upload-token", 401, "The upload token is missing."


class InvalidUploadToken(Problem):
    """No such upload token, or it has expired."""

    slug, status, title = "authentication-invalid-upload-token", 401, "The upload token is invalid."


class AccessDenied(Problem):
    """The credential is good and may not do this."""

    slug, status, title = "authorization-access-denied", 403, "Access denied"


class SuspendedAccount(Problem):
    """The credential is good, and the project that it belongs to is suspended."""

    slug, status, title = "authorization-suspended-account", 403, "The account is suspended."


class TooManyRequests(Problem):
    """The key has asked as often as its tier may in this window."""

    slug, status, title = "too-many-requests", 429, "Too many requests."

    def __init__(self, *, limit: int, window: int, retry_after: int, tier: str) -> None:
        super().__init__(detail=f"{limit} in {window} s are allowed; try again in {retry_after} s.")
        self.limit, self.window, self.retry_after, self.tier = limit, window, retry_after, tier

    def body(self) -> ProblemBody:
        """Return what is sent."""
        plain = _plain(super().body())
        return _LimitBody(**plain, limit=self.limit, window=self.window, retry_after=self.retry_after, tier=self.tier)


class _LimitBody(ProblemBody, frozen=True, omit_defaults=True, kw_only=True):
    """What a refusal for being too frequent tells besides. window, retry_after: seconds."""

    limit: int
    window: int
    retry_after: int
    tier: str


class TooManyStreams(Problem):
    """As many watch on this key as its tier lets at once. retry_after: seconds until a place may be free."""

    slug, status, title = "too-many-streams", 429, "Too many streams at once."
    headers = {"retry-after": "12"}

    def __init__(self, *, limit: int, tier: str, retry_after: int) -> None:
        super().__init__(
            detail=f"The tier {tier!r} allows {limit} viewer(s) at once on one key (concurrent_streams); "
            f"a place may be free in {retry_after} s."
        )
        self.limit, self.tier, self.retry_after = limit, tier, retry_after

    def body(self) -> ProblemBody:
        """Return what is sent."""
        return _StreamsBody(**_plain(super().body()), limit=self.limit, retry_after=self.retry_after, tier=self.tier)


class MonthlyBytesExceeded(Problem):
    """The key has taken as many bytes of media as its tier allows in a calendar month. month: e.g. `2026-11`, UTC."""

    slug, status, title = "monthly-bytes-exceeded", 403, "The monthly volume is used up."

    def __init__(self, *, limit: int, used: int, month: str, tier: str) -> None:
        super().__init__(
            detail=f"The tier {tier!r} allows {limit} bytes a month (monthly_bytes); {used} were taken in {month}. "
            "It begins anew with the next month (UTC)."
        )
        self.limit, self.used, self.month, self.tier = limit, used, month, tier

    def body(self) -> ProblemBody:
        """Return what is sent."""
        plain = _plain(super().body())
        return _VolumeBody(**plain, limit=self.limit, used=self.used, month=self.month, tier=self.tier)


class _StreamsBody(ProblemBody, frozen=True, omit_defaults=True, kw_only=True):
    limit: int
    retry_after: int
    tier: str


class _VolumeBody(ProblemBody, frozen=True, omit_defaults=True, kw_only=True):
    limit: int
    used: int
    month: str
    tier: str


class NoFile(Problem):
    """An upload without a file part."""

    slug, status, title = "uploaded-file-no-file", 400, "There is no uploaded file in the request."


class MultipleFiles(Problem):
    """An upload with more than one file part."""

    slug, status, title = "uploaded-file-multiple-files", 400, "There is more than one uploaded file in the request."


class EmptyFile(Problem):
    """An upload of no bytes."""

    slug, status, title = "uploaded-file-empty", 400, "The uploaded file is empty."


class FileTooLarge(Problem):
    """The file is, or says it is, larger than this site takes."""

    slug, status, title = "uploaded-file-too-large", 400, "The uploaded file is too large."


class InvalidFile(Problem):
    """The bytes are not a video that can be used; detail says why."""

    slug, status, title = "uploaded-file-invalid-file", 400, "The uploaded file is invalid."


class UnsupportedPicture(Problem):
    """A file that is no picture, or of a kind that browsers do not show."""

    slug, status, title = "uploaded-file-extension-invalid", 400, "Only [jpeg, jpg, png, webp] extensions are supported."


class UploadIncomplete(Problem):
    """The body ended before, or went on after, what it declared."""

    slug, status, title = "invalid-payload", 400, "The upload is incomplete."


class SourceAlreadyUploaded(Problem):
    """The video has its source, or another upload into it is under way."""

    slug, status, title = "video-source-already-uploaded", 400, "The source of the video is already uploaded."


class SourceAlreadyDownloaded(Problem):
    """The video was created with the address of its source."""

    slug, status, title = "video-source-already-downloaded", 400, "The source of the video is already downloaded."


class SourceAlreadyCopied(Problem):
    """The video was created as a copy of another one."""

    slug, status, title = "video-source-already-copied", 400, "The source of the video is already copied."


class SummaryAlreadyExists(Problem):
    """The video has a summary, or one is being written."""

    slug, status = "summary-already-exists", 409
    title = "A summary already exists or is being created on this video."


class ContentRangeMalformed(Problem):
    """A Content-Range that is neither `part N/TOTAL` nor `bytes A-B/TOTAL`, or that says something impossible."""

    slug, status, title = "video-content-range-malformed", 400, "The Content-Range header is malformed."


class WebhookLimitReached(Problem):
    """The environment of a project has as many webhooks as it may."""

    slug, status, title = "webhook-limit-reached", 400, "Your account has reached the webhook urls limit."


class StorageIsFull(Problem):
    """The disk or bucket has no room for the file; nothing of it was kept."""

    slug, status, title = "insufficient-storage", 507, "There is no room left for this file."


class StorageFailing(NotReady):
    """The storage cannot be reached; trying again may work."""

    title = "The storage does not answer now."
