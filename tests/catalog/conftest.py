"""Nouns of the catalog's tests."""

from __future__ import annotations

from fractions import Fraction

import pytest
from reelkit.catalog.scope import Scope
from reelkit.interfaces.media import AudioStream, Probe, VideoStream


@pytest.fixture
def scope() -> Scope:
    """The production environment of one project."""
    return Scope("default", "production")


@pytest.fixture
def strangers() -> list[Scope]:
    """Everybody else: the sandbox of the same project, and another project."""
    return [Scope("default", "sandbox"), Scope("other", "production")]


@pytest.fixture
def probe() -> Probe:
    """What a minute of NTSC video with sound is."""
    return Probe(
        container="mov",
        duration=60.06,
        size=12_345_678,
        video=VideoStream("h264", 1920, 1080, 1920, 1088, Fraction(30000, 1001), 1_500_000),
        audio=(AudioStream("aac", 2, 48000),),
    )
