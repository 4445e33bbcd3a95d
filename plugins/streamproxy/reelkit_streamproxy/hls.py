"""Rewriting HLS playlists: every address in them becomes a link of ours.

RFC 8216 and its second edition, draft-pantos-hls-rfc8216bis-17: tags in 4.4, variables in 4.3. What comes out is plainer
than what came in, so that every player reads in it what was read here: lines end with LF, begin and end without blanks,
hold no control characters; variables are expanded; comments are gone.
"""

from __future__ import annotations

import re

from reelkit_streamproxy.addresses import Address, parse_address
from reelkit_streamproxy.hls_variables import expanded
from reelkit_streamproxy.linking import Linker
from reelkit_streamproxy.references import Foreign, Unreadable, escaped, resolve
from reelkit_streamproxy.refusals import AddressRefused, OriginNotAllowed, PlaylistRefused

__all__ = ["MOST_LINES", "rewrite"]

MOST_LINES = 100_000

# A reference that means the same to every reader: printable, nothing escaped that could be a dot, a slash or a control,
# no dot segment at its end. `$` is the end of a line throughout. Escapes: %25 %2E %2F %5C %00-%1F %7F and long UTF-8.
_PRINTABLE = rb"A-Za-z0-9._~!$&'()*+,;=@:-"
_ESCAPE = rb"%(?!2[5EeFf]|5[Cc]|[01]|7[Ff]|[Cc][01]|[EeFf]0)[0-9A-Fa-f]{2}"
_CHARACTERS = rb"[" + _PRINTABLE + rb"]*+(?:" + _ESCAPE + rb"[" + _PRINTABLE + rb"]*+)*+"
_PATH = rb"[/" + _PRINTABLE + rb"]*+(?:" + _ESCAPE + rb"[/" + _PRINTABLE + rb"]*+)*+"
_QUERY = rb"(?:\?[/?%" + _PRINTABLE + rb"]*+)?$"
_DOTS = rb"\.{1,2}(?:[/;?]|$)"
_IN_FOLDER = rb"(?:[/" + _PRINTABLE + rb"]*(?:" + _ESCAPE + rb"[/" + _PRINTABLE + rb"]*)*(?<=/))?"
_RELATIVE = rb"(?![/#?]|[A-Za-z][A-Za-z0-9+.-]*+:)"
_BELOW = _RELATIVE + rb"(?!" + _DOTS + rb"|[^?\n]*/" + _DOTS + rb")(?=[^?\n])" + _PATH + _QUERY
_FOLDER = rb"(?:https?://[A-Za-z0-9.:-]++)?/(?!/)" + _IN_FOLDER
_NAME = rb"(?!" + _DOTS + rb")" + _CHARACTERS + _QUERY

# Every line but the first, which is #EXTM3U, comes after a line end: looked for so, they are found in half the time.
_PLAIN_LINE = re.compile(rb"\n(?=" + _BELOW + rb")", re.MULTILINE)
_ANY_LINE = re.compile(rb"\n()()[^\n]++")
_LINE = re.compile(
    rb"\n(?:(" + _FOLDER + rb")(" + _NAME + rb")"
    rb"|(?!#)(?!" + _BELOW + rb")[^\n]++"
    rb"|#EXT(?!INF:[0-9.]*+,?$)[^\n]*(?:[Uu][Rr][IiLl]|//|\\\\|ASSET-LIST|PREFETCH)[^\n]*+"
    rb"|#(?!EXT)[^\n]*+)",
    re.MULTILINE,
)
_REFERENCE = re.compile(rb"(?:" + _BELOW + rb")|(" + _FOLDER + rb"|" + _RELATIVE + _IN_FOLDER + rb")(" + _NAME + rb")")

_TAG = re.compile(rb"(#EXT[A-Z0-9-]*)(:?)(.*)")
# An attribute; or an address between attributes, where some players take it for a line of its own.
_ATTRIBUTE = re.compile(
    rb'(?<![A-Za-z0-9_.-])([A-Za-z0-9_.-]+)\s*=\s*(?:"([^"]*)(?:"[^,\s]*|$)|([^,\s]*))'
    rb"|((?i:https?:)[/\\]{2}[^\s\",]*|(?<=[\s,])[/\\]{2}[^\s\",]+)"
)
_URI_NAME = re.compile(rb"(?i)(?:.*UR[IL]|X-ASSET-LIST)")
_ABSOLUTE = re.compile(rb"(?i)\s*(?:https?:)?[/\\]{2}")
_MASTER = re.compile(rb"^#EXT-X-(?:STREAM-INF|MEDIA|I-FRAME-STREAM-INF):", re.MULTILINE)

# Controls become blanks, but for the line end: some readers take them for line ends.
_BLANKED = bytes(0x20 if (code < 0x20 and code != 0x0A) or code == 0x7F else code for code in range(256))
_LINE_ENDS_OF_SOME = (b"\xc2\x85", b"\xe2\x80\xa8", b"\xe2\x80\xa9")

_KEYS = (b"#EXT-X-KEY", b"#EXT-X-SESSION-KEY")
_MAY_HOLD_DATA = (*_KEYS, b"#EXT-X-MAP", b"#EXT-X-SESSION-DATA")
"""Tags whose URI may be data: itself. A playlist that is data: would lead past the proxy."""
_FETCHED = frozenset({"ftp", "ftps", "file", "filesystem", "blob", "ws", "wss", "javascript", "vbscript", "about"})
"""Schemes that a browser does something with; others in a key's URI name a key to a DRM system, as skd: does."""


def rewrite(playlist: bytes, base: str, link: Linker, /) -> bytes:
    """Return a playlist whose every address is a link. base: the URL that it came from, after redirects; link: makes links.

    Addresses that may not be fetched become addresses that say so (see Linker), which are noted in `link.refused` with
    their lines. The keys of DRM systems stay as they are. Raises PlaylistRefused, and AddressRefused for base.
    """
    page = parse_address(base, "base")
    text, defined = expanded(_plain(playlist), page, link.page.variables)
    if defined and not _MASTER.search(text):
        defined = {}
    return _Rewriting(text, page, link, defined).result()


def _plain(playlist: bytes) -> bytes:
    text = playlist.removeprefix(b"\xef\xbb\xbf")
    first = re.match(rb"#EXTM3U(?:[ \t][^\r\n]*)?(?=[\r\n]|\Z)", text)
    if first is None:
        raise PlaylistRefused(name="url", detail="It does not begin with #EXTM3U, in UTF-8.")
    text = b"#EXTM3U" + text[first.end() :]
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if (lines := text.count(b"\n")) > MOST_LINES:
        raise PlaylistRefused(name="url", detail=f"It has {lines} lines; {MOST_LINES} are allowed.")
    text = text.translate(_BLANKED)
    if not text.isascii():
        for character in _LINE_ENDS_OF_SOME:
            text = text.replace(character, b" ")
        try:
            text.decode()
        except UnicodeDecodeError:
            raise PlaylistRefused(name="url", detail="It is not in UTF-8.") from None
    if b" \n" in text or b"\n " in text or text.endswith(b" "):
        text = b"\n".join([line.strip(b" ") for line in text.split(b"\n")])
    return text


class _Rewriting:
    """One playlist on its way. variables: what the playlists that it leads to may import."""

    def __init__(self, text: bytes, page: Address, link: Linker, variables: dict[str, str]) -> None:
        self._text = text
        self._page = page
        self._link = link
        self._variables = variables
        self._folders: dict[bytes, bytes | None] = {}
        self._starts: dict[bytes, bytes] = {}

    def result(self) -> bytes:
        below = None if self._variables else self._below(b"")
        if below is None:
            return _ANY_LINE.sub(self._line, self._text)
        # What the first pass makes begins with a slash or a #, so the second leaves it alone.
        return _PLAIN_LINE.sub(b"\n" + below, _LINE.sub(self._line, self._text))

    def _line(self, found: re.Match[bytes]) -> bytes:
        folder, name = found.groups()
        if folder in self._starts:
            start: bytes = self._starts[folder] + name
            return start
        line, before = found[0][1:], len(self._link.refused)
        if line.startswith(b"#EXT"):
            made = self._tag(line)
        elif line.startswith(b"#"):
            made = b""
        else:
            made = self._to(line)
        if len(self._link.refused) > before:
            self._link.tell_line(before, self._text.count(b"\n", 0, found.start()) + 2)
        return b"\n" + made

    def _tag(self, line: bytes) -> bytes:
        found = _TAG.fullmatch(line)
        assert found is not None
        tag, colon, rest = found.groups()
        # Tags that are an address, e.g. EXT-X-PREFETCH.
        if colon and (_ABSOLUTE.match(rest) or tag == b"#EXT-X-PREFETCH"):
            return tag + b":" + self._to(rest)

        def attribute(found: re.Match[bytes]) -> bytes:
            name, quoted, bare, alone = found.groups()
            if alone is not None:
                return self._to(alone)
            value = bare if quoted is None else quoted
            is_address = _URI_NAME.fullmatch(name) or (_ABSOLUTE.match(value) and name != b"KEYFORMAT")
            made = self._to(value, tag) if is_address and value else value
            # In one spelling, so that what stands behind the last quote is not part of it to some players.
            return name + b"=" + (made if quoted is None else b'"' + made + b'"')

        return tag + colon + _ATTRIBUTE.sub(attribute, rest)

    def _to(self, reference: bytes, tag: bytes = b"") -> bytes:
        """Return what takes the place of one reference. tag: of the attribute that it is in."""
        text = reference
        if b" " in text or not text.isascii():
            text = escaped(text.decode()).encode()
        beside = tag == b"#EXT-X-RENDITION-REPORT"
        variables = self._link.page.variables if beside else self._variables
        if not beside and not variables and (found := _REFERENCE.fullmatch(text)):
            folder, name = found.groups()
            below = self._below(folder or b"")
            if below is not None:
                return below + (text if folder is None else name)
        return self._to_odd(text, tag, beside, variables)

    def _to_odd(self, reference: bytes, tag: bytes, beside: bool, variables: dict[str, str]) -> bytes:
        text = reference.decode()
        try:
            url = resolve(text, self._page)
        except Foreign as error:
            if (error.scheme == "data" and tag in _MAY_HOLD_DATA) or (
                tag in _KEYS and error.scheme not in _FETCHED and error.scheme != "data"
            ):
                return reference
            return self._link.refuse_uri(text, str(error)).encode()
        except Unreadable as error:
            return self._link.refuse_uri(text, str(error)).encode()
        return self._link.to(url, beside=beside, variables=variables).encode()

    def _below(self, folder: bytes) -> bytes | None:
        """Return what links to a folder begin with, None if nothing may be fetched from it. folder: empty for the page's."""
        if folder in self._folders:
            return self._folders[folder]
        url = resolve(folder.decode(), self._page) if folder else self._page.folder
        try:
            below = self._link.below(url).encode()
            self._folders[folder], self._starts[folder] = below, b"\n" + below
        except (AddressRefused, OriginNotAllowed):  # each line is refused by itself, and noted
            self._folders[folder] = None
        return self._folders[folder]
