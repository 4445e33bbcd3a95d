"""Whatever goes wrong in a handler, as the JSON of a Problem: never a stack trace, never a 500 for bad input."""

from __future__ import annotations

from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import (
    ClientException,
    HTTPException,
    InternalServerException,
    MethodNotAllowedException,
    NotFoundException,
)
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from litestar.types import ExceptionHandlersMap

from reelkit.api.tus_headers import VERSION
from reelkit.catalog.errors import DatabaseError, DatabaseFull
from reelkit.interfaces.storage import StorageError, StorageFull
from reelkit.jobs.engine import JobsUnavailable
from reelkit.problems import (
    BodyTooLarge,
    InvalidPayload,
    MethodNotAllowed,
    NotReady,
    Problem,
    ServerError,
    StorageFailing,
    StorageIsFull,
    UnrecognizedUrl,
)

__all__ = ["EXCEPTION_HANDLERS", "answer_error", "problem_of"]

GONE = "client disconnected prematurely"
"""What Litestar says, with status 500, of a body that ended before it was complete."""

log = structlog.get_logger("reelkit.api")


def problem_of(error: Exception) -> Problem:
    """Return what the client is told of an error."""
    match error:
        case Problem():
            return error
        case NotFoundException():
            return UnrecognizedUrl()
        case MethodNotAllowedException():
            return MethodNotAllowed()
        case RequestEntityTooLarge():
            return BodyTooLarge()
        case ClientException():
            return InvalidPayload(detail=error.detail or None)
        case InternalServerException(detail=detail) if detail == GONE:
            return InvalidPayload(detail="The body ended before it was complete.")
        case DatabaseFull():
            return NotReady(detail="There is no room left on the site. Whoever runs it has to make some.")
        case DatabaseError() | JobsUnavailable():
            return NotReady(detail="The database does not answer now.")
        case StorageFull():
            return StorageIsFull(name="file")
        case StorageError():
            return StorageFailing()
        case _:
            return ServerError()


def answer_error(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Answer any error."""
    problem = problem_of(error)
    if isinstance(problem, BodyTooLarge):
        problem.detail = f"This takes bodies of at most {request.route_handler.resolve_request_max_body_size()} bytes."
    if problem.status >= 500:
        log.error("request failed", path=request.scope["path"], exc_info=error)
    headers = dict(problem.headers)
    if request.scope["path"].startswith("/uploads/tus"):
        # tus wants it in every answer, those included that another layer gives.
        headers |= {name.lower(): value for name, value in VERSION.items()}
    if isinstance(error, HTTPException) and error.headers:
        headers |= {name.lower(): value for name, value in error.headers.items()}
    if "allow" in headers:
        methods = set(headers["allow"].split(", "))
        # HEAD is answered wherever GET is, but not by a handler of its own.
        headers["allow"] = ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))
    return Response(
        msgspec.json.encode(problem.body()), status_code=problem.status, media_type="application/json", headers=headers
    )


EXCEPTION_HANDLERS: ExceptionHandlersMap = {
    Problem: answer_error,
    HTTPException: answer_error,
    Exception: answer_error,
}
