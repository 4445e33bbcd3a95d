"""Signed tokens: what a process of the site signed, every process of it believes, without asking anybody.

A token names a key and nothing that the key decides: tier, scopes and revocation are looked up with the key, so that a
change of the key holds for its tokens too. Access tokens stand for the key on servers, session tokens in browsers.
"""

from __future__ import annotations

import hashlib
import re
from typing import Literal

import msgspec
from itsdangerous import BadData, TimestampSigner
from itsdangerous.encoding import base64_decode, base64_encode

from reelkit.catalog.scope import Scope
from reelkit.site_secrets import Secrets

__all__ = ["LIFETIME", "Claims", "Kind", "Tokens"]

Kind = Literal["access", "session"]
LIFETIME: dict[Kind, int] = {"access": 3600, "session": 1800}
"""Seconds."""
LONGEST = 1024
"""Characters of any token of ours; no time is spent on longer ones."""
REMEMBERED = 10_000
"""Tokens whose signature was found good; each takes about 600 bytes."""

_SHAPE = re.compile(r"[A-Za-z0-9_.-]+", re.ASCII)


class Claims(msgspec.Struct, frozen=True, array_like=True):
    """What a token says. id: of the token; of a session, to count by."""

    key_id: str
    project: str
    environment: Literal["production", "sandbox"]
    id: str = ""

    @property
    def scope(self) -> Scope:
        """Where the key is."""
        return Scope(self.project, self.environment)


class Tokens:
    """Signs and reads tokens with the secrets of a site: the newest signs, all of them verify."""

    def __init__(self, secrets: Secrets) -> None:
        # The last of itsdangerous's keys signs. Each kind has a salt of its own, so that none passes for another.
        keys = list(reversed(secrets.verifying))
        self._signers = {
            kind: TimestampSigner(keys, salt=f"reelkit.{kind}-token", digest_method=_sha256) for kind in LIFETIME
        }
        self._good: dict[tuple[Kind, str], tuple[Claims, int]] = {}

    def sign(self, kind: Kind, claims: Claims) -> str:
        """Return a token that works for LIFETIME[kind] seconds from now."""
        return self._signers[kind].sign(base64_encode(msgspec.json.encode(claims))).decode()

    def read(self, kind: Kind, token: str) -> Claims | None:
        """Return what a token says; None when it is forged, of another site or kind, expired, or from the future."""
        signer = self._signers[kind]
        if (known := self._good.get((kind, token))) is not None:
            # A signature stays good; only time passes.
            claims, signed_at = known
            return claims if 0 <= signer.get_timestamp() - signed_at <= LIFETIME[kind] else None
        # What reads base64 skips other characters, so one good token would be any number of them, and fill the memory.
        if len(token) > LONGEST or _SHAPE.fullmatch(token) is None:
            return None
        try:
            signed, moment = signer.unsign(token, max_age=LIFETIME[kind], return_timestamp=True)
            claims = msgspec.json.decode(base64_decode(signed), type=Claims)
        except (BadData, msgspec.MsgspecError, ValueError, OverflowError):
            return None
        if len(self._good) >= REMEMBERED:
            # The oldest goes. Only what was signed here gets in, so inventions push nothing out.
            del self._good[next(iter(self._good))]
        self._good[kind, token] = claims, int(moment.timestamp())
        return claims


def _sha256(data: bytes = b"") -> hashlib._Hash:
    return hashlib.sha256(data)
