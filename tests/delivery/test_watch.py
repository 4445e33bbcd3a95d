"""The list to watch from: what it says of pages with nothing on them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from reelkit.delivery.embed import EmbedVideo
from reelkit.delivery.pages import template_environment
from reelkit.delivery.watch import PAGE_SIZE, WatchPages, WatchVideo
from reelkit.site import Site

VIDEO = WatchVideo(
    embed=EmbedVideo(video_id="vi1", title="<b>A film</b>", state="playable", manifest="/vod/vi1/hls/manifest.m3u8"),
    description="",
    published_at=datetime(2026, 1, 2, tzinfo=UTC),
    duration=61.0,
)


@pytest.fixture
def watch(tmp_path: Path) -> WatchPages:
    site = Site(folder=tmp_path)
    return WatchPages(site, template_environment(site))


def test_a_site_without_videos_says_how_to_upload_one(watch: WatchPages) -> None:
    page = watch.list((), 1, 0).html
    assert "Upload the first video" in page
    assert 'rel="next"' not in page


@pytest.mark.parametrize(("number", "links"), [(1, ["/?page=2"]), (2, ["/?page=1"]), (99999, ["/?page=2"])])
def test_a_page_of_nothing_but_what_cannot_be_watched_leads_on(watch: WatchPages, number: int, links: list[str]) -> None:
    page = watch.list((), number, PAGE_SIZE + 1).html
    assert "There is nothing to watch on this page." in page
    assert "Upload the first video" not in page
    assert [link for link in ("/?page=1", "/?page=2", "/?page=3", "/?page=99998") if f'href="{link}"' in page] == links


def test_titles_are_text(watch: WatchPages) -> None:
    page = watch.list((VIDEO,), 1, 1).html
    assert "&lt;b&gt;A film&lt;/b&gt;" in page
    assert "</span>1:01</span>" in page
