"""Operations over HTTP, on one site that is really served."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from reelkit.testing.served import ServedSite, served_site


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedSite]:
    """A served site with every default, shared by these tests."""
    with served_site(tmp_path_factory.mktemp("site")) as site:
        yield site
