"""A Valkey that counts for several processes."""

from __future__ import annotations

import pytest


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for Valkey however busy the machine is; usually a process counts by itself after 0.25 s."""
    monkeypatch.setattr("reelkit.access.shared_calls.TIMEOUT", 30.0)
