"""The right to play a private video: tokens that open one session each, and the sessions.

Both are signed with the site's secrets, so that every worker of every machine knows them without asking anybody; only
that a token was used is written down, once a viewer.

A token is a UUID of version 8 (RFC 9562, 5.8), because the contract's clients expect a UUID:

    20 bits   hours since 2020 at which it expires
    44 bits   chance
    58 bits   of HMAC-SHA256 over the video and the rest: 2^57 requests to guess one

A session is 40 characters of base64url: 5 bytes seconds since 1970 at which it expires, 7 bytes chance, 18 bytes HMAC.
"""

from __future__ import annotations

import base64
import hmac
import re
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

from reelkit.catalog import playback_tokens
from reelkit.catalog.scope import Scope
from reelkit.site_secrets import Secrets

__all__ = ["SESSION_SECONDS", "TOKEN", "TOKEN_DAYS", "PlaybackRights"]

SESSION_SECONDS = 24 * 3600
TOKEN_DAYS = 7
"""How long a token waits for its first use. The contract names no time; used ones must be remembered so long."""
TOKEN = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.ASCII)
REMEMBERED = 16384
"""Sessions that were found good; each takes about 200 bytes."""

_SESSION = re.compile(r"[A-Za-z0-9_-]{40}", re.ASCII)
_EPOCH = datetime(2020, 1, 1, tzinfo=UTC).timestamp()
_MAC_BITS, _CHANCE_BITS, _HOUR_BITS = 58, 44, 20


class PlaybackRights:
    """Makes and recognises tokens and sessions. clock: seconds since 1970."""

    def __init__(self, site_secrets: Secrets, clock: Callable[[], float] = time.time) -> None:
        # Keys of its own, so that what is signed elsewhere with the same secrets never passes for a right to play.
        keys = tuple(hmac.digest(secret.encode(), b"reelkit playback", "sha256") for secret in site_secrets.verifying)
        self._verifying = keys
        self._signing = hmac.digest(site_secrets.signing.encode(), b"reelkit playback", "sha256")
        self._clock = clock
        self._good: dict[tuple[str, str], int] = {}

    def mint(self, video_id: str) -> str:
        """Return a new token for a video. Nothing is written: minting one for each read costs microseconds."""
        # Rounded up: it lives at least as long as it says.
        hours = int((self._clock() - _EPOCH) // 3600) + TOKEN_DAYS * 24 + 1
        plain = hours << _CHANCE_BITS | secrets.randbits(_CHANCE_BITS)
        return _as_uuid(plain << _MAC_BITS | _token_mac(self._signing, video_id, plain))

    def token_expires(self, video_id: str, token: str) -> datetime | None:
        """Return when a token expires; None when it is not one of this video, or no more. It may be used up."""
        if TOKEN.fullmatch(token) is None:
            return None
        value = _of_uuid(token)
        plain, mac = value >> _MAC_BITS, value & ((1 << _MAC_BITS) - 1)
        expires = (plain >> _CHANCE_BITS) * 3600 + _EPOCH
        if not self._signed(lambda key: _bytes8(_token_mac(key, video_id, plain)), _bytes8(mac)) or expires <= self._clock():
            return None
        return datetime.fromtimestamp(expires, UTC)

    async def usable(self, scope: Scope, video_id: str, token: str) -> bool:
        """Tell whether a token would open a session. Raises DatabaseError."""
        return self.token_expires(video_id, token) is not None and not await playback_tokens.is_used(scope, token)

    async def redeem(self, scope: Scope, video_id: str, token: str) -> str | None:
        """Use a token up and return the session that it opens; None when it opens none. Raises DatabaseError.

        Of many that come with one token at once, to whatever worker, one gets a session.
        """
        expires = self.token_expires(video_id, token)
        if expires is None or not await playback_tokens.use(scope, video_id, token, expires):
            return None
        return self.open_session(video_id)

    def open_session(self, video_id: str) -> str:
        """Return a session of a video, 24 h long."""
        plain = int(self._clock() + SESSION_SECONDS).to_bytes(5, "big") + secrets.token_bytes(7)
        return base64.urlsafe_b64encode(plain + _session_mac(self._signing, video_id, plain)).decode()

    def holds(self, video_id: str, session: str) -> bool:
        """Tell whether a session is one of this video and has not expired; from memory for one that was seen before."""
        now = self._clock()
        expires = self._good.get((video_id, session))
        if expires is not None:
            return now < expires
        if _SESSION.fullmatch(session) is None:
            return False
        raw = base64.urlsafe_b64decode(session)
        plain, mac = raw[:12], raw[12:]
        expires = int.from_bytes(plain[:5], "big")
        if not self._signed(lambda key: _session_mac(key, video_id, plain), mac) or now >= expires:
            return False
        if len(self._good) >= REMEMBERED:
            # The oldest goes. Only what was signed here gets in, so inventions push nothing out.
            del self._good[next(iter(self._good))]
        self._good[video_id, session] = expires
        return True

    def _signed(self, mac: Callable[[bytes], bytes], given: bytes) -> bool:
        """Tell whether one of the site's keys makes the given MAC; in a time that says nothing about it."""
        good = False
        for key in self._verifying:
            good |= hmac.compare_digest(mac(key), given)
        return good


def _token_mac(key: bytes, video_id: str, plain: int) -> int:
    message = b"token\0%s\0%s" % (video_id.encode(), _bytes8(plain))
    return int.from_bytes(hmac.digest(key, message, "sha256")[:8], "big") >> (64 - _MAC_BITS)


def _session_mac(key: bytes, video_id: str, plain: bytes) -> bytes:
    return hmac.digest(key, b"session\0%s\0%s" % (video_id.encode(), plain), "sha256")[:18]


def _bytes8(value: int) -> bytes:
    return value.to_bytes(8, "big")


def _as_uuid(value: int) -> str:
    """Lay 122 bits around the version and variant of a UUID: 48 before the version, 12 between, 62 after the variant."""
    first, second, third = value >> 74, value >> 62 & 0xFFF, value & ((1 << 62) - 1)
    return str(UUID(int=first << 80 | 8 << 76 | second << 64 | 2 << 62 | third))


def _of_uuid(token: str) -> int:
    value = UUID(token).int
    return value >> 80 << 74 | (value >> 64 & 0xFFF) << 62 | value & ((1 << 62) - 1)


assert _MAC_BITS + _CHANCE_BITS + _HOUR_BITS == 122
