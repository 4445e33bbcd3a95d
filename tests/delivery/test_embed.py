"""The embed page without a browser: what it says, what it lets in, what it refuses to be tricked into."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest
from reelkit.delivery.embed import EmbedOptions, EmbedPages, EmbedVideo, embed_snippet, read_options, seconds, shape
from reelkit.delivery.embed_words import LANGUAGES, choose_language
from reelkit.delivery.pages import Page, template_environment
from reelkit.interfaces.player import PlayerAssets
from reelkit.site import Identity, Site

VIDEO = EmbedVideo(video_id="vi1", title="A film", state="playable", manifest="/vod/vi1/hls/manifest.m3u8")


class TinyPlayer:
    """A player of two files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "play.js").write_text("export const createPlayer = () => {};")
        (folder / "play.css").write_text("video { color: red }")
        (folder / "play.js.br").write_bytes(b"packed")
        (folder / "secret.key").write_text("no")

    def assets(self) -> PlayerAssets:
        return PlayerAssets(folder=self.folder, module="play.js", style="play.css", options={"accent": "</script>"})


@pytest.fixture
def site(tmp_path: Path) -> Site:
    folder = tmp_path / "site"
    folder.mkdir()
    return Site(folder=folder, site=Identity(name="Cinema", base_url="https://video.example"))


@pytest.fixture
def player(tmp_path: Path) -> TinyPlayer:
    folder = tmp_path / "player"
    folder.mkdir()
    return TinyPlayer(folder)


@pytest.fixture
def pages(site: Site, player: TinyPlayer) -> EmbedPages:
    return EmbedPages(site, "tiny", player, template_environment(site))


def config(page: Page) -> dict[str, object]:
    """Read the configuration as a browser does: up to the first end tag."""
    match = re.search(r'<script type="application/json" id="reelkit-config">(.*?)</script', page.html, re.DOTALL)
    assert match is not None
    read: dict[str, object] = json.loads(match[1])
    return read


def policy(page: Page) -> dict[str, str]:
    rules = (rule.partition(" ") for rule in page.headers["Content-Security-Policy"].split("; "))
    return {name: sources for name, _, sources in rules}


def test_scripts_and_styles_run_by_a_nonce_that_is_new_every_time(pages: EmbedPages) -> None:
    first, second = (pages.render(VIDEO, EmbedOptions()) for _ in range(2))
    nonce = policy(first)["script-src"].removeprefix("'nonce-").removesuffix("'")
    assert policy(first)["default-src"] == "'none'"
    assert len(nonce) >= 22
    assert policy(second)["script-src"] != policy(first)["script-src"]
    for tag in re.findall(r'<(?:script(?! type="application/json")|link|style)[^>]*>', first.html):
        assert f'nonce="{nonce}"' in tag
    assert "unsafe" not in first.headers["Content-Security-Policy"]


def test_any_page_may_frame_it_and_no_cookie_is_set(pages: EmbedPages) -> None:
    page = pages.render(VIDEO, EmbedOptions())
    assert "frame-ancestors" not in policy(page)
    assert "Set-Cookie" not in page.headers
    assert "X-Frame-Options" not in page.headers
    assert page.headers["Referrer-Policy"] == "strict-origin-when-cross-origin"
    assert page.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "hostile",
    ["</script><script>alert(1)</script>", "<!--<script>", '"><img src=x onerror=alert(1)>', "a\u2028b\u2029c", "{{ 7*7 }}"],
)
def test_hostile_text_stays_text(pages: EmbedPages, hostile: str) -> None:
    video = msgspec.structs.replace(VIDEO, title=hostile, state="failed", reason=hostile, poster=f"/{hostile}")
    page = pages.render(video, EmbedOptions())
    assert config(page)["title"] == hostile
    assert config(page)["reason"] == hostile
    assert page.html.count("<script") == 2
    assert "<img src=x" not in page.html


def test_a_template_of_the_site_comes_before_the_packaged_one(site: Site, player: TinyPlayer) -> None:
    (site.folder / "templates" / "errors").mkdir(parents=True)
    (site.folder / "templates" / "errors" / "embed.html").write_text("Nothing at {{ site_name }}")
    pages = EmbedPages(site, "tiny", player, template_environment(site))
    assert pages.missing().html == "Nothing at Cinema"
    assert pages.missing().status == 404
    assert "A film" in pages.render(VIDEO, EmbedOptions()).html


def test_assets_are_named_by_their_content(pages: EmbedPages, site: Site, player: TinyPlayer) -> None:
    url = pages.urls["module"]
    _, _, _, name, hash, file = url.split("/")
    asset = pages.asset(name, hash, file)
    assert asset is not None
    assert asset.choose("gzip, br")[0] == b"packed"
    body, headers = asset.choose("identity")
    assert body == (player.folder / "play.js").read_bytes()
    assert "immutable" in headers["Cache-Control"]
    assert headers["Content-Type"].startswith("text/javascript")
    assert "Content-Encoding" not in asset.choose("br;q=0, deflate")[1]
    assert pages.asset(name, "0" * 16, file) is None
    assert pages.asset("other", hash, file) is None
    (player.folder / "play.js").write_text("export const createPlayer = null;")
    assert EmbedPages(site, "tiny", player, template_environment(site)).urls["module"] != url


@pytest.mark.parametrize("file", ["secret.key", "play.js.br", "../player/play.js", "", "."])
def test_nothing_but_scripts_styles_and_pictures_is_served(pages: EmbedPages, file: str) -> None:
    assert pages.asset("tiny", pages.player.hash, file) is None


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("90", 90),
        ("90.5", 90.5),
        ("90s", 90),
        ("1:30", 90),
        ("1:02:03", 3723),
        ("1h2m3s", 3723),
        ("2m", 120),
        ("1h", 3600),
        ("", None),
        ("-5", None),
        ("soon", None),
        ("1e9", None),
        ("٣", None),
        ("inf", None),
        ("9" * 400, None),
    ],
)
def test_start_times_are_read_as_people_write_them(text: str, wanted: float | None) -> None:
    assert seconds(text) == wanted


def test_options_are_read_leniently() -> None:
    read = read_options(
        {"t": "1:30", "autoplay": "", "muted": "true", "loop": "0", "hide-title": "1", "lang": "pt-BR", "x": "y"}
    )
    assert read == EmbedOptions(start=90, autoplay=True, muted=True, hide_title=True, language="pt")
    assert read_options({"t": "later", "autoplay": "false"}) == EmbedOptions()


@pytest.mark.parametrize(
    ("accepted", "wanted"),
    [
        ("", "en"),
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("xx, fr;q=0.4, es;q=0.7", "es"),
        ("zh-HK", "zh-TW"),
        ("zh-Hant-TW", "zh-TW"),
        ("zh", "zh-CN"),
        ("*;q=0.5", "en"),
        ("de;q=0, fr", "fr"),
        ("de;q=much, fr", "fr"),
    ],
)
def test_the_viewers_language_is_chosen(accepted: str, wanted: str) -> None:
    assert choose_language(accepted) == wanted


def test_every_language_says_everything() -> None:
    for words in LANGUAGES.values():
        assert all(msgspec.structs.astuple(words))


def test_the_snippet_keeps_the_shape_and_escapes_the_title(site: Site) -> None:
    video = msgspec.structs.replace(VIDEO, title='"><script>', width=1080, height=1920)
    assert shape(video) == (9, 16)
    snippet = embed_snippet(site, video)
    assert 'src="https://video.example/embed/vod/vi1"' in snippet
    assert "aspect-ratio:9/16" in snippet
    assert "<script>" not in snippet
    assert shape(VIDEO) == (16, 9)
