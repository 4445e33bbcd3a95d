"""Places of viewers in Valkey, for every worker of every machine: exact, by Valkey's own clock."""

from __future__ import annotations

from reelkit.access.shared_calls import SharedCalls
from reelkit.access.streams import LEASE, LocalLeases

__all__ = ["SharedLeases"]

HOLD = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local limit, lease = tonumber(ARGV[2]), tonumber(ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZSCORE', KEYS[1], ARGV[1]) or redis.call('ZCARD', KEYS[1]) < limit then
  redis.call('ZADD', KEYS[1], now + lease, ARGV[1])
  redis.call('PEXPIRE', KEYS[1], lease)
  return {0}
end
return {redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2] - now}
"""
"""KEYS: the leases of one key. ARGV: viewer, limit, ms of a lease. Returns 0, or the ms until a place is free."""


class SharedLeases:
    """Leases in Valkey; while it does not answer, what the site says of that time holds for them too."""

    def __init__(self, shared: SharedCalls) -> None:
        self._shared = shared
        self._local = LocalLeases()

    async def hold(self, name: str, viewer: str, limit: int) -> float:
        """Take or renew a place. Raises NotReady."""
        if not self._shared.down:
            arguments = (viewer, limit, int(LEASE * 1000))
            found = await self._shared.call(HOLD, [f"reelkit:streams:{name}"], arguments)
            if found is not None:
                return float(found[0]) / 1000
        return self._local.take(name, viewer, limit) if self._shared.counts_without() else 0.0
