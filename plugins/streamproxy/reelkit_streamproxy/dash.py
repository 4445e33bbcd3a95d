"""Rewriting DASH manifests: every address in them becomes a link of ours, or resolves below one.

ISO/IEC 23009-1:2022: addresses and their bases in 5.6, templates in 5.3.9.4, remote elements in 5.5, time in 5.8.4.11.
The MPD gets a BaseURL that links to the folder that it came from, so that relative addresses and templates in it stay
as they are. Left as they are: what is in ContentProtection, since licences are asked for by the player's DRM, with POST.
Taken out: PatchLocation, since a patch would be for the MPD before it was rewritten; players load the MPD instead.
"""

from __future__ import annotations

import re
from xml.sax.saxutils import escape

from reelkit_streamproxy.addresses import Address, parse_address
from reelkit_streamproxy.linking import Linker
from reelkit_streamproxy.references import Foreign, Unreadable, escaped, resolve
from reelkit_streamproxy.refusals import AddressRefused, OriginNotAllowed, PlaylistRefused
from reelkit_streamproxy.xml_patches import Document, local

__all__ = ["rewrite"]

_SEGMENTS: dict[str, tuple[str, ...]] = {
    "SegmentTemplate": ("media", "index", "initialization", "bitstreamSwitching"),
    "SegmentURL": ("media", "index"),
    "Initialization": ("sourceURL",),
    "RepresentationIndex": ("sourceURL",),
    "BitstreamSwitching": ("sourceURL",),
    "InitializationSet": ("initialization",),
}
"""Attributes that are addresses below the base of where they stand, or templates of such."""
_NAMES = frozenset({"schemeIdUri", "schemaLocation", "noNamespaceSchemaLocation", "profiles", "value", "id"})
"""Attributes that look like addresses and are names."""
_TEXTS = ("BaseURL", "Location", "PatchLocation", "ContentSteering")
_CLOCKS = ("http-head:2014", "http-xsdate:2014", "http-iso:2014", "http-ntp:2014")

_ABSOLUTE = re.compile(r"(?i)\s*(?:https?:)?[/\\]{2}\S+\s*")
_DECEPTIVE = re.compile(r"[\x00-\x1f\x7f\\]")
_IDENTIFIER = re.compile(r"\$[A-Za-z]*(?:%0[0-9]+[diouxX])?\$")
_DOTS = re.compile(r"(?:^|/)(?:\.|%2e){1,2}(?:[/;]|$)", re.IGNORECASE)


def rewrite(manifest: bytes, base: str, link: Linker, /) -> bytes:
    """Return a manifest whose every address leads to us. base: the URL it came from, after redirects; link: makes links.

    A part of a manifest (a remote Period) is rewritten too. Addresses that may not be fetched become addresses that say
    so (see Linker), which are noted in `link.refused`. Raises PlaylistRefused, and AddressRefused for base.
    """
    page = parse_address(base, "base")
    seen = _Seen(page)
    Document(manifest).read(seen.start, seen.end)
    document = Document(manifest)
    changes = _Changes(document, page, link, seen)
    document.read(changes.start, changes.end)
    return document.result()


class _Seen:
    """What has to be known of a manifest before anything in it is changed: its bases, and how high its addresses climb."""

    def __init__(self, page: Address) -> None:
        self._page = page
        self._depth = 0
        self._root = ""
        self._texts: list[int] = []
        self._climbs: dict[int, int] = {}
        self.origins: set[str] = set()
        self.has_base = False

    @property
    def climb(self) -> int:
        """How many folders above an absolute base any relative address in it may lead: one climb a level at most."""
        return sum(self._climbs.values())

    def start(self, name: str, attributes: dict[str, str], at: int) -> None:  # noqa: ARG002  the signature of Document
        self._depth += 1
        kind = local(name)
        if self._depth == 1:
            self._root = kind
            if kind == "Patch":
                raise PlaylistRefused(name="url", detail="It is a patch of a manifest that was rewritten.")
        for attribute in _SEGMENTS.get(kind, ()):
            self._note(0, attributes.get(attribute, ""))

    def end(self, name: str, text: str, at: int) -> None:  # noqa: ARG002  the signature of Document
        self._depth -= 1
        if local(name) != "BaseURL":
            return
        reference = escaped(text)
        of_mpd = self._depth == 1 and self._root == "MPD"
        self.has_base |= of_mpd
        try:
            url = resolve(reference, self._page)
        except ValueError:
            return
        if of_mpd or reference.startswith("//") or url == reference:
            self.origins.add(_origin(url))
        else:
            self._note(self._depth, reference)

    def finish(self) -> None:
        """Count the page itself as a base, if nothing else is."""
        if not self.has_base:
            self.origins.add(self._page.origin)

    def _note(self, level: int, reference: str) -> None:
        self._climbs[level] = max(self._climbs.get(level, 0), _climb(reference))


class _Changes:
    """The changes of one manifest."""

    def __init__(self, document: Document, page: Address, link: Linker, seen: _Seen) -> None:
        seen.finish()
        self._document = document
        self._page = page
        self._link = link
        self._seen = seen
        self._open: list[tuple[str, int]] = []
        self._protected = 0
        self._wants_base = False
        self._base_name = ""
        self._removed: set[int] = set()

    def start(self, name: str, attributes: dict[str, str], at: int) -> None:
        """Rewrite the attributes of an element."""
        kind = local(name)
        self._open.append((kind, at))
        if self._protected or kind == "ContentProtection":
            self._protected += 1
            return
        if len(self._open) == 1:
            self._wants_base = kind == "MPD" and not self._seen.has_base
            self._base_name = name[: -len(kind)] + "BaseURL"
        elif self._wants_base and len(self._open) == 2 and kind != "ProgramInformation":
            self._add_base(at)
        if kind == "UTCTiming" and attributes.get("schemeIdUri", "").endswith(_CLOCKS):
            clocks = self._clocks(attributes.get("value", ""))
            attributes = {**attributes, "value": clocks}
            if clocks:
                self._document.set_attributes(at, name, attributes)
            else:
                self._removed.add(at)
        elif attributes and kind != "S" and (changed := self._attributes(kind, attributes)):
            self._document.set_attributes(at, name, {**attributes, **changed})

    def end(self, name: str, text: str, at: int) -> None:  # noqa: ARG002  the signature of Document
        """Rewrite the text of an element, or take it out."""
        kind, start = self._open.pop()
        if self._protected:
            self._protected -= 1
            return
        if not self._open:
            if self._wants_base and not self._document.closes_itself(start):
                self._add_base(at)
        elif kind == "PatchLocation" or start in self._removed:
            self._document.remove(start, at)
        elif (made := self._text(kind, text)) is not None:
            self._document.set_text(start, at, made)

    def _add_base(self, at: int) -> None:
        self._wants_base = False
        made = self._from_folder(self._page.folder, self._seen.climb)
        self._document.replace(at, at, f"<{self._base_name}>{escape(made)}</{self._base_name}>".encode())

    def _attributes(self, kind: str, attributes: dict[str, str]) -> dict[str, str]:
        """Return the attributes that change."""
        changed: dict[str, str] = {}
        for name, value in attributes.items():
            key = local(name)
            if key in _SEGMENTS.get(kind, ()):
                made = self._below(value, may_be_data=True)
            elif key == "href":
                made = self._to_remote(value)
            elif name == "xml:base" or (key not in _NAMES and not name.startswith("xmlns") and _ABSOLUTE.fullmatch(value)):
                made = self._below(value)
            else:
                continue
            if made != value:
                changed[name] = made
        return changed

    def _text(self, kind: str, text: str) -> str | None:
        """Return the new text of an element, None when it stays."""
        reference = escaped(text)
        if kind == "BaseURL":
            of_mpd = len(self._open) == 1 and self._open[0][0] == "MPD"
            made = self._below(text, of_mpd=of_mpd, up=self._seen.climb)
            return None if made == text else made
        if kind in ("Location", "ContentSteering"):
            try:
                url = resolve(reference, self._page)
            except (Foreign, Unreadable) as error:
                return self._link.refuse_uri(reference, str(error))
            # A manifest that is loaded again is no step deeper.
            return self._link.to(url, beside=kind == "Location")
        return self._below(text) if _ABSOLUTE.fullmatch(text) else None

    def _below(self, text: str, *, of_mpd: bool = False, up: int = 0, may_be_data: bool = False) -> str:
        """Return what takes the place of an address that others may be relative to, or of a template; the text if it stays.

        of_mpd: it is relative to the address of the manifest. up: how many folders above it others climb.
        """
        reference = escaped(text)
        if _DECEPTIVE.search(reference):
            return self._link.refuse_uri(reference, "The address has backslashes or control characters in it.")
        try:
            url = resolve(reference, self._page)
        except Foreign as error:
            if may_be_data and error.scheme == "data":
                return text
            return self._link.refuse_uri(reference, str(error))
        except Unreadable as error:
            return self._link.refuse_uri(reference, str(error))
        if of_mpd or url == reference or reference.startswith("//"):
            return self._from_folder(url, up)
        if not reference.startswith("/"):
            return text
        if len(self._seen.origins) != 1:
            return self._link.refuse_uri(reference, "The address has no host, and the bases of the manifest have several.")
        return self._from_folder(next(iter(self._seen.origins)) + reference, up)

    def _from_folder(self, url: str, up: int) -> str:
        """Return a link to an absolute URL, or template of one, through the folder above its name and first variable."""
        head = re.split(r"[$?#]", url, maxsplit=1)[0]
        folder = head[: head.rindex("/") + 1]
        if folder.count("/") < 3:
            if head != url:
                return self._link.refuse_uri(url, "The address has a variable, or nothing, in the place of a path.")
            folder, url = f"{url}/", f"{url}/"
        name = url[len(folder) :]
        if _DOTS.search(_IDENTIFIER.sub("0", name.partition("?")[0])):
            return self._link.refuse_uri(url, "The address climbs out of a folder that is not known yet.")
        try:
            return self._link.below(folder, up) + name
        except (AddressRefused, OriginNotAllowed) as error:
            return self._link.refuse(url, error)

    def _to_remote(self, text: str) -> str:
        reference = escaped(text)
        try:
            return self._link.to(resolve(reference, self._page))
        except Foreign as error:
            # urn:mpeg:dash:resolve-to-zero:2013 is no address.
            return text if error.scheme == "urn" else self._link.refuse_uri(reference, str(error))
        except Unreadable as error:
            return self._link.refuse_uri(reference, str(error))

    def _clocks(self, value: str) -> str:
        """Return links to those of some addresses of clocks that may be asked; players do without a clock."""
        found: list[str] = []
        for reference in value.split():
            try:
                url = resolve(reference, self._page)
            except (Foreign, Unreadable):
                continue
            if self._link.allows(url):
                found.append(self._link.to(url))
        return " ".join(found)


def _origin(url: str) -> str:
    """Return scheme, host and port of a URL as they are written."""
    return re.split(r"(?<=[^:/])[/?#]", url, maxsplit=1)[0].lower()


def _climb(reference: str) -> int:
    """Return how many folders above its base a relative reference leads."""
    depth = lowest = 0
    for segment in reference.partition("?")[0].lower().replace("%2e", ".").split("/")[:-1]:
        if segment == "..":
            depth -= 1
            lowest = min(lowest, depth)
        elif segment not in (".", ""):
            depth += 1
    return -lowest
