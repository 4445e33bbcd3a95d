"""Whole stories over HTTP, on sites that are really served."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from reelkit.testing.played import Played, play
from reelkit.testing.served import ServedSite, served_site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedSite]:
    """A served site with every default, shared by the tests of a file."""
    with served_site(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., ServedSite]]:
    """Serve a site of one's own: serve(settings, workers=2) -> ServedSite."""
    with ExitStack() as stack:

        def start(settings: str = "", **options: Any) -> ServedSite:
            return stack.enter_context(served_site(tmp_path / "site", settings, **options))

        yield start


@pytest.fixture(scope="session")
def watch() -> Callable[[str], Played]:
    """Play an address to its end with ffmpeg, as a strict player."""
    return play
