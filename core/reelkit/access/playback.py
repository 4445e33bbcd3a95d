"""The right to play a video: tokens that open one session each, and the sessions.

Both are signed with the site's secrets, so that every worker of every machine knows them without asking anybody; only
that a token was used is written down, once a viewer. Both name the key that they come from, and work no longer than it.

A token is a UUID of version 8 (RFC 9562, 5.8), because the contract's clients expect a UUID:

    20 bits   hours since 2020 at which it expires
    8 bits    of the hash of its key's id, so that few keys need be tried
    36 bits   chance
    58 bits   of HMAC-SHA256 over the video, the key's id and the rest: 2^57 requests to guess one

A session is what `?avh=` carries, a signed URL as well: base64url of 18 bytes HMAC and the MessagePack of a `Grant`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from reelkit.catalog import playback_tokens
from reelkit.catalog.scope import Scope
from reelkit.site_secrets import Secrets

__all__ = ["LONGEST", "SESSION_SECONDS", "TOKEN", "TOKEN_DAYS", "Grant", "PlaybackRights"]

SESSION_SECONDS = 24 * 3600
TOKEN_DAYS = 7
"""How long a token waits for its first use. The contract names no time; used ones must be remembered so long."""
TOKEN = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.ASCII)
REMEMBERED = 16384
"""Sessions that were found good; each takes about 600 bytes."""
LONGEST = 1536
"""Characters of a session. It is in every address of a playlist, and servers in front take about 8,000 of one."""

_SESSION = re.compile(rf"[A-Za-z0-9_-]{{32,{LONGEST}}}", re.ASCII)
_EPOCH = datetime(2020, 1, 1, tzinfo=UTC).timestamp()
_MAC_BITS, _CHANCE_BITS, _TAG_BITS, _HOUR_BITS = 58, 36, 8, 20
_MAC_BYTES = 18


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """What a session says. expires: seconds since 1970; chance: so that two are never the same."""

    expires: int = msgspec.field(name="e")
    chance: bytes = msgspec.field(name="x", default=b"")
    key_id: str = msgspec.field(name="k", default="")
    """The key that it comes from; empty: none of this site's."""
    framed: bool = msgspec.field(name="f", default=False)
    """An embed page was shown for it, which looked at where it is embedded."""
    domains: tuple[str, ...] = msgspec.field(name="d", default=())
    no_referrer: bool = msgspec.field(name="n", default=False)
    countries: tuple[str, ...] = msgspec.field(name="c", default=())
    ips: tuple[str, ...] = msgspec.field(name="i", default=())
    viewer: str = msgspec.field(name="v", default="")
    """An id that the owner gave the viewer."""


class _Sent(Grant, frozen=True, kw_only=True, omit_defaults=True):
    """A grant on its way: what it does not limit takes no byte."""


class PlaybackRights:
    """Makes and recognises tokens and sessions. clock: seconds since 1970."""

    def __init__(self, site_secrets: Secrets, clock: Callable[[], float] = time.time) -> None:
        # Keys of its own, so that what is signed elsewhere with the same secrets never passes for a right to play.
        keys = tuple(hmac.digest(secret.encode(), b"reelkit playback", "sha256") for secret in site_secrets.verifying)
        self._verifying = keys
        self._signing = hmac.digest(site_secrets.signing.encode(), b"reelkit playback", "sha256")
        self._clock = clock
        self._good: dict[tuple[str, str], Grant] = {}

    def now(self) -> float:
        """Return the time by which all of this expires, seconds since 1970."""
        return self._clock()

    def mint(self, video_id: str, key_id: str = "") -> str:
        """Return a new token for a video. Nothing is written: minting one for each read costs microseconds."""
        # Rounded up: it lives at least as long as it says.
        hours = int((self._clock() - _EPOCH) // 3600) + TOKEN_DAYS * 24 + 1
        plain = (hours << _TAG_BITS | _tag(key_id)) << _CHANCE_BITS | secrets.randbits(_CHANCE_BITS)
        return _as_uuid(plain << _MAC_BITS | _token_mac(self._signing, video_id, key_id, plain))

    def key_of(self, video_id: str, token: str, key_ids: Iterable[str], at: float | None = None) -> str | None:
        """Return which of some keys a token comes from; None when it is not one of this video and them, or no more.

        It may be used up. at: seconds since 1970, now by default.
        """
        if TOKEN.fullmatch(token) is None:
            return None
        value = _of_uuid(token)
        plain, mac = value >> _MAC_BITS, _bytes8(value & ((1 << _MAC_BITS) - 1))
        if _expires(plain) <= (self._clock() if at is None else at):
            return None
        tag = plain >> _CHANCE_BITS & ((1 << _TAG_BITS) - 1)
        found = None
        for key_id in key_ids:
            if _tag(key_id) == tag and self._signed(
                lambda key, id=key_id: _bytes8(_token_mac(key, video_id, id, plain)),  # type: ignore[misc]  # bound here
                mac,
            ):
                found = key_id
        return found

    def token_expires(self, video_id: str, token: str, key_id: str = "") -> datetime | None:
        """Return when a token expires; None when it is not one of this video and key, or no more. It may be used up."""
        if self.key_of(video_id, token, (key_id,)) is None:
            return None
        return datetime.fromtimestamp(_expires(_of_uuid(token) >> _MAC_BITS), UTC)

    async def redeem(self, scope: Scope, video_id: str, token: str, key_id: str = "") -> str | None:
        """Use a token up and return the session that it opens; None when it opens none. Raises DatabaseError.

        Of many that come with one token at once, to whatever worker, one gets a session.
        """
        expires = self.token_expires(video_id, token, key_id)
        if expires is None or not await playback_tokens.use(scope, video_id, token, expires):
            return None
        return self.open_session(video_id, key_id)

    def open_session(self, video_id: str, key_id: str = "", seconds: int = SESSION_SECONDS) -> str:
        """Return a session of a video, which nothing but its time and its key limits."""
        return self.sign(video_id, Grant(expires=int(self._clock()) + seconds, key_id=key_id))

    def sign(self, video_id: str, grant: Grant) -> str:
        """Return the session that a grant is."""
        values = msgspec.structs.asdict(grant) | {"chance": grant.chance or secrets.token_bytes(6)}
        plain = msgspec.msgpack.encode(_Sent(**values))
        return base64.urlsafe_b64encode(_session_mac(self._signing, video_id, plain) + plain).rstrip(b"=").decode()

    def grant(self, video_id: str, session: str, at: float | None = None) -> Grant | None:
        """Return what a session says, from memory if it was seen before; None when it is none of this video, or no more.

        Whether its key still works is for the caller to ask. at: seconds since 1970, now by default.
        """
        now = self._clock()
        found = self._good.get((video_id, session))
        if found is None:
            found = self._read(video_id, session)
            if found is None:
                return None
            if now < found.expires:
                if len(self._good) >= REMEMBERED:
                    # The oldest goes. Only what was signed here gets in, so inventions push nothing out.
                    del self._good[next(iter(self._good))]
                self._good[video_id, session] = found
        return found if (now if at is None else at) < found.expires else None

    def _read(self, video_id: str, session: str) -> Grant | None:
        if _SESSION.fullmatch(session) is None:
            return None
        try:
            raw = base64.urlsafe_b64decode(session + "=" * (-len(session) % 4))
        except (binascii.Error, ValueError):
            return None
        # Base64 that ends in other bits means the same bytes, and is nevertheless not what was signed.
        if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != session:
            return None
        mac, plain = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if not self._signed(lambda key: _session_mac(key, video_id, plain), mac):
            return None
        try:
            return msgspec.msgpack.decode(plain, type=Grant)
        except msgspec.MsgspecError:
            return None

    def _signed(self, mac: Callable[[bytes], bytes], given: bytes) -> bool:
        """Tell whether one of the site's keys makes the given MAC; in a time that says nothing about it."""
        good = False
        for key in self._verifying:
            good |= hmac.compare_digest(mac(key), given)
        return good


def _expires(plain: int) -> float:
    """Return when a token expires, seconds since 1970. plain: it without its MAC."""
    return (plain >> (_CHANCE_BITS + _TAG_BITS)) * 3600 + _EPOCH


def _tag(key_id: str) -> int:
    return hashlib.sha256(key_id.encode()).digest()[0]


def _token_mac(key: bytes, video_id: str, key_id: str, plain: int) -> int:
    message = b"token\0%s\0%s\0%s" % (video_id.encode(), key_id.encode(), _bytes8(plain))
    return int.from_bytes(hmac.digest(key, message, "sha256")[:8], "big") >> (64 - _MAC_BITS)


def _session_mac(key: bytes, video_id: str, plain: bytes) -> bytes:
    return hmac.digest(key, b"session\0%s\0%s" % (video_id.encode(), plain), "sha256")[:_MAC_BYTES]


def _bytes8(value: int) -> bytes:
    return value.to_bytes(8, "big")


def _as_uuid(value: int) -> str:
    """Lay 122 bits around the version and variant of a UUID: 48 before the version, 12 between, 62 after the variant."""
    first, second, third = value >> 74, value >> 62 & 0xFFF, value & ((1 << 62) - 1)
    return str(UUID(int=first << 80 | 8 << 76 | second << 64 | 2 << 62 | third))


def _of_uuid(token: str) -> int:
    value = UUID(token).int
    return value >> 80 << 74 | (value >> 64 & 0xFFF) << 62 | value & ((1 << 62) - 1)


assert _MAC_BITS + _CHANCE_BITS + _TAG_BITS + _HOUR_BITS == 122
