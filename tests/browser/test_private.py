"""A private video in a browser: its player's address works once, and the page that it opened may be loaded again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.bench.instance import Instance, run_instance
from tests.browser.viewer import Viewers

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """A running site without videos."""
    with run_instance(tmp_path_factory.mktemp("private-site")) as running:
        yield running


async def test_a_private_video_plays_and_may_be_loaded_again(
    instance: Instance, sample_h264: Path, viewers: Viewers
) -> None:
    with httpx.Client(base_url=instance.url, headers=instance.authorization, timeout=60) as client:
        video = client.post("/videos", json={"title": "For you alone", "public": False}).json()["videoId"]
        with sample_h264.open("rb") as opened:
            assert client.post(f"/videos/{video}/source", files={"file": ("a.mp4", opened)}).status_code == 201
        player = client.get(f"/videos/{video}").json()["assets"]["player"]
    viewer = await viewers(f"{player}&autoplay&muted")
    await viewer.playing_from(0.5)
    address = await viewer.page.evaluate("location.href")
    assert "token=" not in address and "avh=" in address
    await viewer.page.reload()
    await viewer.playing_from(0.5)
    assert viewer.errors == []
    late = await viewers(player)
    assert "avh=" not in await late.page.content()
