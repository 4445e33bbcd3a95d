"""A Valkey that counts for several processes, and a key."""

from __future__ import annotations

import pytest
import pytest_asyncio
from reelkit.access.keys import create_key
from reelkit.catalog.database import Database
from reelkit.catalog.scope import Scope
from reelkit.site import Site


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for Valkey however busy the machine is; usually a process counts by itself after 0.25 s."""
    monkeypatch.setattr("reelkit.access.shared_calls.TIMEOUT", 30.0)


@pytest_asyncio.fixture
async def secret(database: Database, database_site: Site) -> str:
    """A key of the tier `partner` that may read videos."""
    _, secret = await create_key(
        database_site, Scope("default", "production"), "test", tier="partner", scopes=("videos:read",)
    )
    return secret
