"""What a playlist is rewritten with: turns the URLs in it into links, or into an address that says why not."""

from __future__ import annotations

import re

import msgspec

from reelkit_streamproxy.addresses import Address, parse_address
from reelkit_streamproxy.links import MOUNT, Link, Links
from reelkit_streamproxy.origins import Origins
from reelkit_streamproxy.refusals import (
    AddressRefused,
    NestsTooDeep,
    OriginNotAllowed,
    PlaylistRefused,
    Refusal,
    UriNotAllowed,
)

__all__ = ["MOST_READ", "Linker", "Refused"]

MOST_READ = 10_000
"""Addresses of a playlist that are read one by one, each some 60 µs: of hosts, and what is written in unusual ways. What
ordinary playlists are long of shares what is read."""
MOST_REFUSED = 20
"""What is kept of the URIs that were refused, for the log."""

# A folder that is the same however it is read: nothing escaped, no dot segments.
_SEGMENT = r"(?:(?!\.{1,2}[/;])[A-Za-z0-9._~!$&'()*+,;=:@-]+/)"
_PLAIN_FOLDER = re.compile(rf"(https?://[A-Za-z0-9.-]+(?::[0-9]+)?)(/{_SEGMENT}*)")


class Refused(msgspec.Struct, frozen=True):
    """A URI that no link was made of. line: in the playlist, 0 when it is not known."""

    uri: str
    why: Refusal
    line: int = 0


class Linker:
    """Makes the links of one playlist for one viewer. page: the link that the playlist itself came by.

    A URL that may not be fetched is no reason to refuse the playlist, and never left as it is: the link leads to
    `/api/refused/REASON`, which answers 403 with a sentence. So a player skips a rendition that it cannot have, line and
    sequence numbers stay right, nothing is fetched past the proxy, and whoever looks sees why.
    Raises NestsTooDeep when the playlist is one too many on the way from the one that was asked for.
    """

    def __init__(self, links: Links, origins: Origins, page: Link, nesting: int) -> None:
        if page.depth >= nesting:
            raise NestsTooDeep(
                name="url", detail=f"This is playlist number {page.depth + 1} on the way; {nesting} are allowed."
            )
        self._links = links
        self._origins = origins
        self._page = page
        self._folders: dict[tuple[str, int], str] = {}
        self._places: dict[str, Address | Refusal] = {}
        self._reads = 0
        self.refused: list[Refused] = []

    @property
    def page(self) -> Link:
        """The link that the playlist came by."""
        return self._page

    def to(self, url: str, *, beside: bool = False, variables: dict[str, str] | None = None) -> str:
        """Return a link to an absolute URL.

        beside: it leads to this playlist again or to another rendition's, so it is no step deeper. variables: for a
        playlist that may import them; such a link has a signature of its own, others share that of their folder.
        """
        try:
            address = self._read(url)
            self._origins.match(address, "uri")
        except (AddressRefused, OriginNotAllowed) as error:
            return self.refuse(url, error)
        depth = self._page.depth + (0 if beside else 1)
        if variables:
            return self._links.to(address.url, depth, self._page.ticket, variables)
        folder = address.folder
        return self._below(folder, depth) + address.url[len(folder) :]

    def below(self, folder: str, up: int = 0) -> str:
        """Return what links to all that is in a folder begin with: a path, with a slash at its end.

        folder: an absolute URL that ends in a slash. up: how many folders above it the relative addresses in it climb.
        Raises AddressRefused, OriginNotAllowed.
        """
        whole = self._folder(folder)
        top = _above(whole, up)
        return self._below(top, self._page.depth + 1) + whole[len(top) :]

    def allows(self, url: str) -> bool:
        """Say whether an absolute URL may be fetched."""
        try:
            self._origins.match(self._read(url), "uri")
        except (AddressRefused, OriginNotAllowed):
            return False
        return True

    def refuse(self, uri: str, why: Refusal) -> str:
        """Return the address that takes the place of a URI that is not fetched, and note why."""
        if len(self.refused) < MOST_REFUSED:
            self.refused.append(Refused(uri[:200], why))
        return f"{MOUNT}/refused/{why.reason}"

    def refuse_uri(self, uri: str, detail: str) -> str:
        """Return the address that takes the place of what is no address of HTTP."""
        return self.refuse(uri, UriNotAllowed(name="uri", detail=detail))

    def tell_line(self, first: int, line: int) -> None:
        """Say in which line stood what was refused from the first one on, counted from 0."""
        for at in range(first, len(self.refused)):
            self.refused[at] = msgspec.structs.replace(self.refused[at], line=line)

    def _below(self, folder: str, depth: int) -> str:
        known = self._folders.get((folder, depth))
        if known is None:
            known = self._folders[folder, depth] = self._links.below(folder, depth, self._page.ticket)
        return known

    def _folder(self, url: str) -> str:
        """Return a folder as it is fetched, if it may be. Reading a URL takes 50 µs, so hosts are read once a playlist."""
        found = _PLAIN_FOLDER.fullmatch(url)
        if found is None:
            address = self._read(url)
        else:
            origin = self._origin(found[1])
            address = msgspec.structs.replace(origin, url=origin.origin + found[2], path=found[2])
        self._origins.match(address, "uri")
        return address.folder

    def _read(self, url: str) -> Address:
        self._reads += 1
        if self._reads > MOST_READ:
            detail = f"More than {MOST_READ} of its addresses are unusual, or of different hosts."
            raise PlaylistRefused(name="url", detail=detail)
        return parse_address(url, "uri")

    def _origin(self, text: str) -> Address:
        known = self._places.get(text)
        if known is None:
            try:
                known = self._read(f"{text}/")
            except AddressRefused as error:
                known = error
            self._places[text] = known
        if isinstance(known, Refusal):
            raise known
        return known


def _above(folder: str, up: int) -> str:
    """Return the folder so many folders above one, at most the top."""
    top = folder.index("/", folder.index("://") + 3) + 1
    end = len(folder)
    while up > 0 and end > top:
        end = folder.rindex("/", 0, end - 1) + 1
        up -= 1
    return folder[:end]
