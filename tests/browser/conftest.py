"""A real Chromium, a real stream, and what a test sees of a page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser
from reelkit.delivery.embed import EmbedPages
from reelkit.delivery.pages import template_environment
from reelkit.site import Site
from reelkit.testing.needs import unavailable
from reelkit.testing.npm import NpmFailed, installed
from reelkit.testing.shared import only_one, shared_folder
from reelkit_mediachrome import MediaChrome

from tests.browser.host import PlayerHost, run_host
from tests.browser.media import make_stream
from tests.browser.viewer import Viewers


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core."""
    try:
        return (installed(Path(__file__).parent / "axe") / "axe-core" / "axe.min.js").read_text("utf-8")
    except NpmFailed as failed:
        unavailable(f"no axe-core: {failed}")


@pytest.fixture(scope="session")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a real HLS stream, poster and storyboard. Read only: every worker of the run has the same."""
    folder = shared_folder(tmp_path_factory, "browser") / "stream"
    with only_one(folder):
        if not folder.is_dir():
            make_stream(tmp_path_factory.mktemp("stream")).rename(folder)
    return folder


@pytest.fixture
def host(stream: Path, tmp_path: Path) -> Iterator[PlayerHost]:
    """A server of real embed pages."""
    site = Site(folder=tmp_path)
    with run_host(PlayerHost(EmbedPages(site, "mediachrome", MediaChrome(), template_environment(site)), stream)) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def viewers(browser: Browser) -> AsyncIterator[Viewers]:
    """Opens pages: `viewer = await viewers(address, width=…)`. Every page must stay free of errors unless a test says so."""
    opened = Viewers(browser)
    yield opened
    await opened.close()
