"""Signed links: what a playlist of ours leads to, and the right of the one it was written for to follow them.

    /api?url=…&depth=…&expires=…&ticket=…&signature=…      one URL
    /api/folder/TOKEN/name?query                           whatever is below one folder of one origin

A folder costs one signature however many lines are in it, and relative addresses and `$Number$` templates resolve below
it. It opens nothing that its owner's credential does not open: what is below it is read and matched against the list of
origins again when it is asked for. Links carry no key, only a ticket that names it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from urllib.parse import quote, unquote

import msgspec

from reelkit_streamproxy.addresses import Address, parse_address
from reelkit_streamproxy.refusals import LinkExpired, LinkInvalid

__all__ = ["MOUNT", "Link", "Links"]

MOUNT = "/api"
LONGEST = 32768
"""Characters of a link; no time is spent on longer ones."""
MAC_BYTES = 16
SAFE = "-._~"
"""Besides letters and digits, the characters that stand in a query of ours as they are."""

_FIELDS = ("url", "depth", "expires", "ticket", "define", "signature")
_DIRECTIVE = re.compile(r"_HLS_[A-Za-z_]{1,32}=[A-Za-z0-9._~-]{0,128}")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,15}")
_DOT_SEGMENT = re.compile(r"(?:^|/)\.{1,2}(?:/|$)")


class Link(msgspec.Struct, frozen=True):
    """What a link says. depth: how many playlists led to it; expires: Unix time; ticket: who it was made for.

    variables: of the master playlist that the link stood in (EXT-X-DEFINE), for a media playlist that imports them.
    """

    address: Address
    depth: int
    expires: int
    ticket: str
    variables: dict[str, str] = {}


class Links:
    """Makes links and opens them. keys: newest first, as `reelkit.signing_keys` gives them; the first signs, each verifies.

    seconds: how long a link works at least. Ends are rounded up to a quarter of that, so that a playlist that is asked
    for again leads to the same links, and caches know them.
    """

    def __init__(self, keys: Sequence[bytes], seconds: int, clock: Callable[[], float] = time.time) -> None:
        if not keys or any(len(key) < 16 for key in keys):
            raise ValueError("links are signed with keys of at least 16 bytes")
        self._keys = [key if len(key) <= 64 else hashlib.sha256(key).digest() for key in keys]
        self._seconds = seconds
        self._window = max(1, seconds // 4)
        self._clock = clock

    def expiry(self) -> int:
        """Return when links that are made now end."""
        return (int(self._clock()) // self._window + 1) * self._window + self._seconds

    def to(self, url: str, depth: int, ticket: str, variables: dict[str, str] | None = None) -> str:
        """Return a link to one URL, as `Address.url` has it; it works for that URL alone."""
        expires, define = self.expiry(), _defined(variables or {})
        signature = _base64(_mac(self._keys[0], b"url", (url, depth, expires, ticket, define)))
        defined = f"&define={quote(define, safe=SAFE)}" if define else ""
        return (
            f"{MOUNT}?url={quote(url, safe=SAFE)}&depth={depth}&expires={expires}"
            f"&ticket={quote(ticket, safe=SAFE)}{defined}&signature={signature}"
        )

    def below(self, folder: str, depth: int, ticket: str) -> str:
        """Return what a link to anything below a folder begins with, a slash at its end. folder: as `Address.folder`."""
        payload = msgspec.msgpack.encode((folder, depth, self.expiry(), ticket))
        return f"{MOUNT}/folder/{_base64(_mac(self._keys[0], b'folder', payload) + payload)}/"

    def open(self, target: str) -> Link:
        """Return what a link says. target: path and query as they came in, not unescaped. Raises LinkInvalid,
        LinkExpired, and AddressRefused for what cannot be below a folder."""
        if len(target) > LONGEST or not target.isascii() or "#" in target:
            raise LinkInvalid(name="url", detail="This is no link of a playlist.")
        path, _, query = target.partition("?")
        if path == MOUNT:
            return self._open_url(query)
        if path.startswith(f"{MOUNT}/folder/"):
            return self._open_folder(path.removeprefix(f"{MOUNT}/folder/"), query if "?" in target else None)
        raise LinkInvalid(name="url", detail="This is no link of a playlist.")

    def _open_url(self, query: str) -> Link:
        given, directives = _fields(query)
        try:
            url, ticket, define = given["url"], given["ticket"], given.get("define", "")
            depth, expires, signature = _number(given["depth"]), _number(given["expires"]), given["signature"]
        except KeyError as error:
            raise LinkInvalid(name=str(error.args[0]), detail="This part of the link is missing.") from None
        self._verify(b"url", (url, depth, expires, ticket, define), _bytes(signature, "signature"))
        self._check_time(expires)
        if directives:
            url += ("&" if "?" in url else "?") + "&".join(directives)
        return Link(parse_address(url), depth, expires, ticket, _variables(define))

    def _open_folder(self, rest: str, query: str | None) -> Link:
        token, slash, name = rest.partition("/")
        sealed = _bytes(token, "token")
        mac, payload = sealed[:MAC_BYTES], sealed[MAC_BYTES:]
        self._verify(b"folder", payload, mac)
        folder, depth, expires, ticket = msgspec.msgpack.decode(payload, type=tuple[str, int, int, str])
        self._check_time(expires)
        if not slash or _DOT_SEGMENT.search(name):
            raise LinkInvalid(name="path", detail="This path leads out of its folder.")
        address = parse_address(folder + name + ("" if query is None else f"?{query}"), "path")
        if not address.url.startswith(folder):
            raise LinkInvalid(name="path", detail="This path leads out of its folder.")
        return Link(address, depth, expires, ticket)

    def _verify(self, kind: bytes, payload: object, given: bytes) -> None:
        """Raise LinkInvalid unless one of the keys signed this. Every key is tried, in the same time whatever is wrong."""
        good = False
        for key in self._keys:
            good |= hmac.compare_digest(_mac(key, kind, payload), given)
        if not good:
            raise LinkInvalid(name="signature", detail="The link was changed, or made by another site.")

    def _check_time(self, expires: int) -> None:
        now = self._clock()
        if expires < now:
            raise LinkExpired(name="expires", detail="The link has ended; ask for its playlist again.")
        # Signed when links worked for longer than they do by now.
        if expires > now + self._seconds + 2 * self._window:
            raise LinkInvalid(name="expires", detail="The link would work for longer than links of this site do.")


def _mac(key: bytes, kind: bytes, payload: object) -> bytes:
    # person keeps the kinds apart: no signature of one passes for one of another.
    data = payload if isinstance(payload, bytes) else msgspec.msgpack.encode(payload)
    return hashlib.blake2b(data, key=key, digest_size=MAC_BYTES, person=b"link " + kind).digest()


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _bytes(text: str, name: str) -> bytes:
    """Return what was written in base64, in exactly the way that we write it. Raises LinkInvalid."""
    try:
        data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        data = b""
    if not data or _base64(data) != text:
        raise LinkInvalid(name=name, detail="This part of the link is damaged.")
    return data


def _number(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise LinkInvalid(name="expires", detail="This part of the link is no number.")
    return int(text)


def _fields(query: str) -> tuple[dict[str, str], list[str]]:
    """Return the fields of a link and the delivery directives that a player added. Raises LinkInvalid.

    What else players add to a query (CMCD, a session) is left out.
    """
    found: dict[str, str] = {}
    directives: list[str] = []
    for part in query.split("&"):
        name, _, written = part.partition("=")
        if name in _FIELDS:
            value = unquote(written, errors="replace")
            if name in found or quote(value, safe=SAFE) != written:
                raise LinkInvalid(name=name, detail="This part of the link is damaged or there twice.")
            found[name] = value
        elif _DIRECTIVE.fullmatch(part):
            directives.append(part)
    return found, directives


def _defined(variables: dict[str, str]) -> str:
    return msgspec.json.encode(variables, order="deterministic").decode() if variables else ""


def _variables(define: str) -> dict[str, str]:
    return msgspec.json.decode(define, type=dict[str, str]) if define else {}
