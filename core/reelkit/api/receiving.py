"""The bytes of an upload as they arrive: one file of a form or a raw body, as a stream that never holds it whole."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol
from urllib.parse import unquote

from litestar.types import Receive
from multipart import (  # type: ignore[import-untyped]  # ships no types
    MultipartError,
    MultipartSegment,
    ParserLimitReached,
    PushMultipartParser,
    parse_content_disposition,
    parse_options_header,
)

from reelkit.problems import EmptyFile, FileTooLarge, InvalidPayload, MultipleFiles, NoFile, Problem, UploadIncomplete

__all__ = ["ClientGone", "Upload", "body_chunks", "open_upload", "safe_name"]

FORM_OVERHEAD = 1 << 20
"""Bytes that a form may be larger than the file in it: boundaries, part headers, other fields."""
FIELD_BYTES = 64 << 10
"""All fields beside the file together."""
MAX_PARTS = 64
NAME_LENGTH = 255
RAW_TYPES = ("video/", "audio/", "application/octet-stream", "application/mp4", "application/mxf", "application/ogg")

_EXTENDED_NAME = re.compile(r"filename\*\s*=\s*UTF-8'[^']*'([^;\s]+)", re.IGNORECASE)


class ClientGone(UploadIncomplete):
    """The connection closed before the body was complete; nobody reads the answer, the log does."""


class Upload(Protocol):
    """One file on its way in. filename: as the client calls it, one line, no folders."""

    filename: str
    fields: dict[str, str]
    """The form's other fields; complete once the stream has ended."""

    @property
    def length(self) -> int | None:
        """Bytes that it probably has: right unless a form goes on behind it, or ends in an unusual way."""
        ...

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the file's bytes; ends only when the whole request was well-formed. Raises Problem."""
        ...


async def body_chunks(receive: Receive) -> AsyncIterator[bytes]:
    """Yield the body of an ASGI request as the server hands it over. Raises ClientGone."""
    more = True
    while more:
        message: Any = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone(detail="The connection closed before the whole body had arrived.")
        more = message.get("more_body", False)
        if chunk := message.get("body"):
            yield chunk


async def open_upload(receive: Receive, headers: Mapping[str, str], query: Mapping[str, str], limit: int) -> Upload:
    """Read up to the first byte of the file. limit: bytes the file may have.

    Raises FileTooLarge before a byte of the body is taken when the headers say so, NoFile, InvalidPayload.
    """
    kind, options = parse_options_header(headers.get("content-type", ""))
    declared = declared_length(headers)
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise InvalidPayload(detail="Send the file as it is, without Content-Encoding.")
    if kind == "multipart/form-data":
        if declared is not None and declared > limit + FORM_OVERHEAD:
            raise too_large(limit)
        form = FormUpload(body_chunks(receive), options.get("boundary", ""), limit, declared)
        await form.open()
        return form
    if kind.startswith(RAW_TYPES):
        if declared is not None and declared > limit:
            raise too_large(limit)
        return RawUpload(body_chunks(receive), raw_name(headers, query), limit, declared)
    told = f"This request is {kind}. " if kind else "This request has no Content-Type. "
    raise NoFile(detail=told + "Send the file as a part of multipart/form-data, or alone as video/mp4 or the like.")


def declared_length(headers: Mapping[str, str]) -> int | None:
    """Return what Content-Length says, if anything."""
    declared = headers.get("content-length", "")
    return int(declared) if declared.isascii() and declared.isdigit() else None


def too_large(limit: int) -> FileTooLarge:
    """Make the Problem of a file over the limit."""
    return FileTooLarge(name="file", detail=f"This site takes files of at most {limit} bytes.")


def safe_name(name: str | None) -> str:
    """Return the last component of a client's file name, printable and at most 255 characters; `file` when none is left."""
    last = (name or "").replace("\\", "/").rpartition("/")[2]
    return "".join(char for char in last if char.isprintable())[:NAME_LENGTH].strip() or "file"


def raw_name(headers: Mapping[str, str], query: Mapping[str, str]) -> str:
    """Find the file name of a raw body: Content-Disposition, else ?filename=."""
    if disposition := headers.get("content-disposition"):
        if extended := extended_name(disposition):
            return safe_name(extended)
        try:
            named = parse_content_disposition(disposition)[2]
        except ValueError:
            named = None
        if named:
            return safe_name(named)
    return safe_name(query.get("filename"))


def extended_name(disposition: str) -> str | None:
    """Return the `filename*` of a Content-Disposition: the better name where both are given (RFC 6266, 4.3)."""
    found = _EXTENDED_NAME.search(disposition)
    return None if found is None else unquote(found[1], errors="replace")


class RawUpload:
    """A body that is the file."""

    def __init__(self, chunks: AsyncIterator[bytes], filename: str, limit: int, declared: int | None = None) -> None:
        self.filename = filename
        self.length = declared
        self.fields: dict[str, str] = {}
        self._chunks = chunks
        self._limit = limit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._chunks:
            size += len(chunk)
            if size > self._limit:
                raise too_large(self._limit)
            yield chunk
        if size == 0:
            raise EmptyFile(name="file")


class FormUpload:
    """The only file part of a form, whatever its field is called; fields may come before and after it."""

    def __init__(self, chunks: AsyncIterator[bytes], boundary: str, limit: int, declared: int | None = None) -> None:
        if not boundary:
            raise InvalidPayload(detail="The Content-Type multipart/form-data has no boundary.")
        self.filename = "file"
        self.fields: dict[str, str] = {}
        self._chunks = chunks
        self._limit = limit
        self._declared = declared
        self._delimiter = b"--" + boundary.encode("latin-1", "replace")
        self._before = bytearray()
        self._segments = 0
        self._named = False
        self._field_bytes = 0
        self._field: tuple[str, bytearray] | None = None
        self._in_file = False
        try:
            self._parser = PushMultipartParser(boundary, max_segment_count=MAX_PARTS)
        except MultipartError as error:
            raise InvalidPayload(detail=f"The form is malformed: {error}.") from error
        self._events = self._read_events()

    async def open(self) -> None:
        """Read up to the file part. Raises NoFile, InvalidPayload, UploadIncomplete."""
        async for event in self._events:
            if self._take(event) is not None or self._in_file:
                return
        raise NoFile(name="file")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for event in self._events:
            chunk = self._take(event)
            if chunk is None:
                continue
            size += len(chunk)
            if size > self._limit:
                raise too_large(self._limit)
            yield chunk
        if size == 0:
            raise EmptyFile(name="file") if self._named else NoFile(name="file")

    def _take(self, event: MultipartSegment | bytes | None) -> bytes | None:
        """Follow one event; return bytes of the file, if it is that. Raises MultipleFiles, InvalidPayload."""
        if isinstance(event, MultipartSegment):
            self._start(event)
        elif event is None:
            if self._field is not None:
                name, value = self._field
                self.fields.setdefault(name, value.decode("utf-8", "replace"))
            self._field = None
        elif self._field is not None:
            self._field_bytes += len(event)
            if self._field_bytes > FIELD_BYTES:
                raise InvalidPayload(detail=f"The form's fields beside the file exceed {FIELD_BYTES} bytes.")
            self._field[1].extend(event)
        else:
            return bytes(event)
        return None

    @property
    def length(self) -> int | None:
        """Bytes that the file has if the form ends behind it, by what the request's headers declare."""
        # Some versions of Node's own fetch leave the last line break of a form out, and nothing else tells.
        if self._declared is None or b"undici" in self._delimiter:
            return None
        at = 0
        for _ in range(self._segments):
            at = self._before.find(self._delimiter, at) + len(self._delimiter)
        head = self._before.find(b"\r\n\r\n", at) + 4
        tail = len(b"\r\n") + len(self._delimiter) + len(b"--\r\n")
        return max(0, self._declared - head - tail)

    def _start(self, part: MultipartSegment) -> None:
        self._segments += not self._in_file
        # RFC 7578 has no extended names in forms, but .NET sends them, and beside them only the name in an encoding of mail.
        filename = extended_name(part.header("Content-Disposition", "")) or part.filename
        said_to_be = part.name == "file" or (part.content_type or "").startswith(RAW_TYPES)
        # An empty name is an input of a page for which no file was chosen.
        if filename == "" or (filename is None and not said_to_be):
            self._field = (part.name or "", bytearray())
            return
        if self._in_file:
            raise MultipleFiles(name=part.name)
        self._in_file = True
        self._named = bool(filename)
        self.filename = safe_name(filename)

    async def _read_events(self) -> AsyncIterator[MultipartSegment | bytes | None]:
        """Parse until the body ends. Raises InvalidPayload for bad syntax, UploadIncomplete when the end is missing."""
        try:
            async for chunk in self._chunks:
                if not self._in_file:
                    self._before += chunk
                for event in self._parser.parse(chunk):
                    yield event
                    del event
                if not self._in_file and len(self._before) > FORM_OVERHEAD:
                    raise InvalidPayload(detail=f"No file begins in the first {FORM_OVERHEAD} bytes of the form.")
        except MultipartError as error:
            raise _malformed(error) from error
        if not self._parser_done():
            raise UploadIncomplete(detail="The body ended before the form's closing boundary.")

    def _parser_done(self) -> bool:
        try:
            self._parser.close()
        except MultipartError:
            return False
        return True


def _malformed(error: MultipartError) -> Problem:
    if isinstance(error, ParserLimitReached):
        return InvalidPayload(detail=f"The form is larger than a form should be: {error}.")
    return InvalidPayload(detail=f"The form is malformed: {error}.")
