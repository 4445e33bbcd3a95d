"""Calls of Valkey that never hang a request: short limits, a pause after a failure, one warning, and what then."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Sequence
from typing import Any, Literal

from valkey.asyncio import Valkey
from valkey.exceptions import NoScriptError, ValkeyError

from reelkit.problems import NotReady

__all__ = ["SharedCalls", "WhenDown"]

TIMEOUT = 0.25
"""Seconds. By default the client waits for minutes, and a Valkey that hangs would hang the site."""
PAUSE = 1.0
"""Seconds without Valkey after it failed, so that not every request waits for it."""
TOLD_EVERY = 30.0

log = logging.getLogger("reelkit.access")
WhenDown = Literal["count", "allow", "refuse"]
MEANWHILE = {
    "count": "each process counts rate limits by itself",
    "allow": "rate limits are not checked",
    "refuse": "requests are refused",
}


class SharedCalls:
    """The Valkey of a site, for one process."""

    def __init__(self, url: str, when_down: WhenDown = "count") -> None:
        self._client = Valkey.from_url(url, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT)
        self._when_down = when_down
        self._down_until = 0.0
        self._told_at = -TOLD_EVERY
        self._digests: dict[str, str] = {}
        self.calls = 0
        """Sent to Valkey so far."""

    @property
    def down(self) -> bool:
        """Whether it failed a moment ago, so that it is not asked."""
        return time.monotonic() < self._down_until

    def counts_without(self) -> bool:
        """Tell what to do while it does not answer: count in this process, or let pass. Raises NotReady to refuse."""
        if self._when_down == "refuse":
            raise NotReady(detail="The rate limits cannot be checked now.")
        return self._when_down == "count"

    async def call(self, script: str, keys: Sequence[str], arguments: Sequence[Any]) -> list[Any] | None:
        """Run a Lua script and return what it answers; None when Valkey does not answer, which is told in the log."""
        digest = self._digests.get(script)
        if digest is None:
            # Valkey's own name for a script.
            digest = self._digests[script] = hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()
        self.calls += 1
        try:
            # The client's own limit is for one read of the socket; a reply that trickles in would take longer.
            async with asyncio.timeout(2 * TIMEOUT):
                try:
                    found: list[Any] = await self._client.evalsha(digest, len(keys), *keys, *arguments)
                except NoScriptError:  # it is new to this Valkey, or was started again
                    found = await self._client.eval(script, len(keys), *keys, *arguments)
                return found
        except (ValkeyError, OSError, TimeoutError) as error:
            self._fail(error)
            return None

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def _fail(self, error: Exception) -> None:
        now = time.monotonic()
        self._down_until = now + PAUSE
        if now - self._told_at >= TOLD_EVERY:
            self._told_at = now
            why = error or type(error).__name__
            log.warning("Valkey does not answer (%s); meanwhile %s", why, MEANWHILE[self._when_down])
