"""How often a credential may ask: which of its tier's figures counts a request, and where the request stands in it."""

from __future__ import annotations

import math
from typing import Literal, get_args

import msgspec

from reelkit.access.principal import Principal
from reelkit.access.windows import LocalWindows, Taken, Windows
from reelkit.catalog.scope import Environment
from reelkit.problems import TooManyRequests
from reelkit.site import Site, Tier

__all__ = ["Allowance", "Kind", "RateLimits", "kind_of", "open_windows"]

Kind = Literal["uploads", "writes", "reads"]


class Allowance(msgspec.Struct, frozen=True):
    """What is left. policy: the figure that counted; remaining: requests; reset, window: seconds."""

    allowed: bool
    tier: str
    policy: str
    limit: int
    window: int
    remaining: int
    reset: int

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return what every answer says: the contract's words, and those of draft-ietf-httpapi-ratelimit-headers-10."""
        found = [
            (b"x-ratelimit-limit", b"%d" % self.limit),
            (b"x-ratelimit-remaining", b"%d" % self.remaining),
            (b"x-ratelimit-retry-after", b"%d" % self.reset),
            (b"ratelimit-policy", b'"%s";q=%d;w=%d' % (self.policy.encode(), self.limit, self.window)),
            (b"ratelimit", b'"%s";r=%d;t=%d' % (self.policy.encode(), self.remaining, self.reset)),
        ]
        return found if self.allowed else [*found, (b"retry-after", b"%d" % self.reset)]

    def problem(self) -> TooManyRequests:
        """Return the refusal."""
        return TooManyRequests(limit=self.limit, window=self.window, retry_after=self.reset, tier=self.tier)


def kind_of(method: str, path: str) -> Kind:
    """Tell what a request counts as."""
    if method in ("GET", "HEAD", "OPTIONS"):
        return "reads"
    if path.startswith(("/uploads/", "/upload")) or (path.startswith("/videos/") and path.endswith("/source")):
        return "writes" if path.startswith("/upload-tokens") else "uploads"
    return "writes"


def open_windows(site: Site) -> Windows:
    """Return what counts: Valkey where the site has one, this process otherwise."""
    if not site.valkey.url:
        return LocalWindows()
    from reelkit.access.shared_windows import SharedWindows  # the client is only for sites that use it

    return SharedWindows(site.valkey.url, site.valkey.when_down)


class RateLimits:
    """Counts the requests of every credential, one a process."""

    def __init__(self, site: Site, windows: Windows) -> None:
        self._tiers = site.tiers
        self._windows = windows
        self._here = LocalWindows()
        self._figures = {
            (name, environment, kind): _figure(tier, environment, kind)
            for name, tier in site.tiers.items()
            for environment in get_args(Environment)
            for kind in get_args(Kind)
        }

    async def take(self, principal: Principal, kind: Kind) -> Allowance:
        """Count one request and return what is left. A tier's key counts wherever it comes from.

        Session tokens do not count against their key; each has `session_limit` for itself, if the tier has one.
        Raises NotReady, see SharedWindows.
        """
        tier = self._tiers[principal.tier]
        policy, limit = self._figures[principal.tier, principal.environment, kind]
        who = principal.key_id
        if principal.session_id:
            if tier.session_limit is None:
                return Allowance(True, principal.tier, "session", limit, tier.window, limit, 0)
            policy, limit, who = "session", tier.session_limit, principal.session_id
        # The tier is in the name: a key that changes tiers begins anew there.
        return await self._count(principal.tier, policy, f"{principal.tier}:{policy}:{who}", limit, tier.window)

    async def throttle(self, tier: str, name: str, limit: int, window: int) -> Allowance:
        """Count something by another name than the caller's, e.g. an address. window: seconds. Raises NotReady."""
        return await self._count(tier, "throttle", f"throttle:{name}", limit, window)

    def throttle_here(self, tier: str, name: str, limit: int, window: int) -> Allowance:
        """Count what comes so often that asking Valkey would cost more than it is worth: in this process alone."""
        return _allowance(self._here.count(name, window), tier, "throttle", limit, window)

    async def _count(self, tier: str, policy: str, name: str, limit: int, window: int) -> Allowance:
        return _allowance(await self._windows.take(name, limit, window), tier, policy, limit, window)


def _allowance(taken: Taken, tier: str, policy: str, limit: int, window: int) -> Allowance:
    allowed = taken.count <= limit
    # A sum of clock times may be a hair longer than the window.
    reset = min(max(math.ceil(taken.left), 0 if allowed else 1), window)
    return Allowance(allowed, tier, policy, limit, window, max(0, limit - taken.count), reset)


def _figure(tier: Tier, environment: Environment, kind: Kind) -> tuple[str, int]:
    """Return the name and the limit of what counts a request: its kind's where the tier has one, else the common one."""
    own, common = getattr(tier, kind), tier.limit
    if environment == "sandbox":
        own = getattr(tier, f"sandbox_{kind}") or own
        # A tier that was made stricter is so in the sandbox too.
        common = min(common, tier.sandbox_limit or common)
    return ("all", common) if own is None else (kind, own)
