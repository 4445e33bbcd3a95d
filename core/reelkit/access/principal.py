"""Who is asking."""

from __future__ import annotations

import msgspec

from reelkit.access.scopes import grants
from reelkit.catalog.scope import Environment, Scope

__all__ = ["Principal"]


class Principal(msgspec.Struct, frozen=True):
    """Whom a credential stands for. scopes: what it may do, `*` everything; tier: a name of site.tiers."""

    project: str
    environment: Environment
    tier: str
    scopes: tuple[str, ...]
    key_id: str
    session_id: str = ""
    """Of the session token that was presented, empty for keys and access tokens."""
    streaming: bool = True
    """Whether the tier may stream: the proxy and video data."""

    @property
    def scope(self) -> Scope:
        """What it sees."""
        return Scope(self.project, self.environment)

    @property
    def signs_for(self) -> str:
        """The key by which what is signed for them works; of callers that a plugin knows none that streams not.

        A playback token of no key works until it expires, so nobody gets one whose tier may not stream.
        """
        return self.key_id if not self.key_id.startswith("plugin:") or not self.streaming else ""

    def may(self, what: str) -> bool:
        """Tell whether a scope, e.g. `videos:write`, is among what it may do."""
        return grants(self.scopes, what)
