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

    def may(self, what: str) -> bool:
        """Tell whether a scope, e.g. `videos:write`, is among what it may do."""
        return grants(self.scopes, what)
