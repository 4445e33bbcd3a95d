"""What handlers are handed: who is asking, and what the process works with."""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.datastructures import State
from litestar.di import Provide

from reelkit.access.keys import KeyRing
from reelkit.access.principal import Principal
from reelkit.jobs.runtime import Runtime

__all__ = ["DEPENDENCIES"]


async def principal(request: Request[Any, Any, Any], state: State) -> Principal:
    """Return who is asking. Raises a Problem of status 401 or 403."""
    keys: KeyRing = state.key_ring
    return await keys.authenticate(request.scope["headers"])


def runtime(state: State) -> Runtime:
    """Return what the process works with."""
    found: Runtime = state.runtime
    return found


DEPENDENCIES = {
    "principal": Provide(principal),
    "runtime": Provide(runtime, sync_to_thread=False),
}
