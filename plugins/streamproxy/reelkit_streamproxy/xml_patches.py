"""Reading XML that nobody vouches for, and changing places in it while the rest stays as it is, byte by byte."""

from __future__ import annotations

import re
from collections.abc import Callable
from xml.parsers import expat
from xml.sax.saxutils import escape

from reelkit_streamproxy.refusals import PlaylistRefused

__all__ = ["DEEPEST", "MOST_COMMENTS", "MOST_ELEMENTS", "Document", "local"]

DEEPEST = 40
MOST_ELEMENTS = 300_000
MOST_COMMENTS = 10_000
"""Comments and instructions: seven bytes each, half a kilobyte to take out."""

_DECLARATION = re.compile(rb"\s*<\?xml\s[^>]*\?>")
_ENCODING = re.compile(rb"encoding\s*=\s*[\"']([^\"']*)[\"']")
_START_TAG = re.compile(rb"<(?:[^\"'>]++|\"[^\"]*+\"|'[^']*+')*+>")
_QUOTE = {'"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"}


def local(name: str) -> str:
    """Return a name without the prefix of its namespace."""
    return name.rpartition(":")[2]


class Document:
    """XML in UTF-8, well formed, without a document type: no entity is declared, expanded or fetched.

    on_start(name, attributes, at), on_end(name, text, at): told of every element in order; at: where its start tag, or
    its end tag, begins; text: of an element without elements in it, empty otherwise. Comments and instructions are
    taken out. Raises PlaylistRefused.
    """

    def __init__(self, data: bytes) -> None:
        self._data = _in_utf8(data)
        self._patches: list[tuple[int, int, bytes]] = []
        if found := _DECLARATION.match(self._data):
            self.replace(0, found.end(), b"")

    def read(self, on_start: Callable[[str, dict[str, str], int], None], on_end: Callable[[str, str, int], None]) -> None:
        """Go through the document once."""
        parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        depth = elements = comments = 0
        text: list[str] = []
        leaf = False

        def start(name: str, attributes: dict[str, str]) -> None:
            nonlocal depth, elements, leaf
            depth += 1
            elements += 1
            if depth > DEEPEST:
                raise _refused(f"Its elements are nested more than {DEEPEST} deep.")
            if elements > MOST_ELEMENTS:
                raise _refused(f"It has more than {MOST_ELEMENTS} elements.")
            text.clear()
            leaf = True
            on_start(name, attributes, parser.CurrentByteIndex)

        def end(name: str) -> None:
            nonlocal depth, leaf
            depth -= 1
            on_end(name, "".join(text) if leaf else "", parser.CurrentByteIndex)
            leaf = False

        def dropped(closing: bytes) -> None:
            nonlocal comments
            comments += 1
            if comments > MOST_COMMENTS:
                raise _refused(f"It has more than {MOST_COMMENTS} comments.")
            at = parser.CurrentByteIndex
            self.replace(at, self._data.index(closing, at) + len(closing), b"")

        def document_type(*_: object) -> None:
            raise _refused("It has a document type, which could declare entities.")

        parser.StartElementHandler = start
        parser.EndElementHandler = end
        parser.CharacterDataHandler = text.append
        parser.CommentHandler = lambda _: dropped(b"-->")
        parser.ProcessingInstructionHandler = lambda *_: dropped(b"?>")
        parser.StartDoctypeDeclHandler = document_type
        try:
            parser.Parse(self._data, True)
        except expat.ExpatError as error:
            raise _refused(f"Line {error.lineno}: it is not XML ({expat.ErrorString(error.code)}).") from None

    def replace(self, start: int, stop: int, new: bytes) -> None:
        """Put something in the place of bytes start <= i < stop. What is inside of what is replaced goes with it."""
        self._patches.append((start, stop, new))

    def end_of_tag(self, at: int) -> int:
        """Return where the tag that begins at a place is over."""
        found = _START_TAG.match(self._data, at)
        if found is None:
            raise _refused("It has a tag without an end.")
        return found.end()

    def closes_itself(self, at: int) -> bool:
        """Say whether the start tag that begins at a place is an end tag too."""
        return self._data[self.end_of_tag(at) - 2 : self.end_of_tag(at)] == b"/>"

    def set_attributes(self, at: int, name: str, attributes: dict[str, str]) -> None:
        """Write the start tag that begins at a place anew."""
        written = "".join(f' {key}="{escape(value, _QUOTE)}"' for key, value in attributes.items())
        end = "/>" if self.closes_itself(at) else ">"
        self.replace(at, self.end_of_tag(at), f"<{name}{written}{end}".encode())

    def set_text(self, at: int, end: int, text: str) -> None:
        """Write anew what an element holds. at, end: where its start tag and its end tag begin."""
        tag, written = self._data[at : self.end_of_tag(at)], escape(text).encode()
        if tag.endswith(b"/>"):
            name = re.split(rb"[\s/>]", tag[1:], maxsplit=1)[0]
            self.replace(at, self.end_of_tag(at), tag[:-2] + b">" + written + b"</" + name + b">")
        else:
            self.replace(self.end_of_tag(at), end, written)

    def remove(self, at: int, end: int) -> None:
        """Take an element out. at, end: where its start tag and its end tag begin."""
        self.replace(at, self.end_of_tag(at if self.closes_itself(at) else end), b"")

    def result(self) -> bytes:
        """Return the document with every change made."""
        parts = [b'<?xml version="1.0" encoding="UTF-8"?>\n']
        here = 0
        for start, stop, new in sorted(self._patches, key=lambda patch: (patch[0], -patch[1])):
            if start < here:
                continue
            parts += (self._data[here:start], new)
            here = stop
        return b"".join([*parts, self._data[here:]])


def _in_utf8(data: bytes) -> bytes:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            return data.decode("utf-16").encode()
        except UnicodeError:
            raise _refused("It is neither in UTF-8 nor in UTF-16.") from None
    data = data.removeprefix(b"\xef\xbb\xbf")
    declared = _DECLARATION.match(data)
    encoding = _ENCODING.search(declared[0]) if declared else None
    if encoding and encoding[1].lower() not in (b"utf-8", b"utf8", b"us-ascii") and not data.isascii():
        raise _refused("It is neither in UTF-8 nor in UTF-16.")
    return data


def _refused(detail: str) -> PlaylistRefused:
    return PlaylistRefused(name="url", detail=detail)
