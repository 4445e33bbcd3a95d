"""The embed page `/embed/vod/{id}`: one video in a frame, played by the plugin that the site uses.

`EmbedPages` knows nothing of HTTP beyond headers, so that it can be tested and mounted anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import gcd
from pathlib import Path
from typing import Any, Literal

import jinja2
import msgspec
from markupsafe import Markup, escape

from reelkit.catalog.playback import Playback
from reelkit.catalog.player_themes import PlayerTheme
from reelkit.delivery.assets import Asset, AssetFolder
from reelkit.delivery.embed_words import LANGUAGES, choose_language
from reelkit.delivery.looks import Chapters, EmbedTheme, chapters_for, embed_chapters, embed_theme
from reelkit.delivery.pages import Page, content_security_policy, new_nonce
from reelkit.delivery.private import with_query
from reelkit.interfaces.player import Player, PlayerAssets
from reelkit.plugins import PluginRefused
from reelkit.site import Site

__all__ = [
    "RUNTIME",
    "EmbedOptions",
    "EmbedPages",
    "EmbedVideo",
    "embed_snippet",
    "embed_video",
    "read_options",
    "seconds",
    "shape",
]

RUNTIME = Path(__file__).parent / "player_runtime"


class EmbedVideo(msgspec.Struct, frozen=True, kw_only=True):
    """What the page needs of a video; addresses are of this site.

    width, height: pixels as displayed; duration: seconds; 0 when unknown.
    """

    video_id: str
    title: str
    state: Literal["playable", "waiting", "failed"]
    reason: str | None = None
    """Why it failed, a sentence for people."""
    manifest: str
    poster: str | None = None
    storyboard: str | None = None
    width: int = 0
    height: int = 0
    duration: float = 0.0
    chapters: tuple[Chapters, ...] = ()
    theme: EmbedTheme | None = None
    session: str | None = None
    """What opens a private video; the addresses above carry it already."""


class EmbedOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the embedding page asks for in the query. start: seconds; language: of the controls, None: the viewer's."""

    start: float = 0.0
    autoplay: bool = False
    muted: bool = False
    loop: bool = False
    hide_title: bool = False
    hide_controls: bool = False
    language: str | None = None


def embed_video(playback: Playback, session: str | None = None, theme: PlayerTheme | None = None) -> EmbedVideo:
    """Return what the page needs of a video as viewers see it. session: of a private one."""
    video, source = playback.video, playback.source
    root = f"/vod/{video.video_id}"
    state: Literal["playable", "waiting", "failed"] = "playable" if playback.playable else "waiting"
    if playback.failure is not None:
        state = "failed"
    picture = source.probe.video if source is not None and source.probe is not None else None
    return EmbedVideo(
        video_id=video.video_id,
        title=video.title,
        state=state,
        reason=playback.failure or None,
        manifest=with_query(f"{root}/hls/manifest.m3u8", session),
        poster=with_query(f"{root}/thumbnail.jpg", session) if source is not None and source.poster_key else None,
        storyboard=with_query(f"{root}/storyboard/storyboard.vtt", session)
        if source is not None and source.storyboard_vtt_key
        else None,
        width=picture.width if picture is not None else 0,
        height=picture.height if picture is not None else 0,
        duration=source.probe.duration if source is not None and source.probe is not None else 0.0,
        chapters=embed_chapters(playback, session),
        theme=None if theme is None else embed_theme(theme),
        session=session,
    )


def seconds(text: str) -> float | None:
    """Read `90`, `90.5`, `1:30`, `1:02:03` or `1h2m3s`; None for anything else. The runtime's JavaScript does the same."""
    if match := re.fullmatch(r"(?:(\d{1,6}):)?(?:(\d{1,6}):)?(\d{1,9}(?:\.\d{1,9})?)s?", text, re.ASCII):
        first, second, last = match.groups()
        hours, minutes = (first, second) if second is not None else (None, first)
    elif match := re.fullmatch(r"(?=.)(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,9}(?:\.\d{1,9})?)s)?", text, re.ASCII):
        hours, minutes, last = match.groups()
    else:
        return None
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(last or 0)


def read_options(query: Mapping[str, str]) -> EmbedOptions:
    """Read a query. What is not understood is left out: a typo in an embed must not take the video away."""

    def asked(*names: str) -> bool:
        return any(name in query and query[name].lower() not in ("false", "0", "no") for name in names)

    language = query.get("lang", "")
    return EmbedOptions(
        start=seconds(query.get("t", "")) or 0.0,
        autoplay=asked("autoplay"),
        muted=asked("muted"),
        loop=asked("loop"),
        hide_title=asked("hideTitle", "hide-title"),
        hide_controls=asked("hideControls", "hide-controls"),
        language=choose_language(language) if language else None,
    )


def shape(video: EmbedVideo) -> tuple[int, int]:
    """Return the aspect ratio of the picture in lowest terms; 16 to 9 while it is unknown."""
    common = gcd(video.width, video.height)
    return (video.width // common, video.height // common) if video.width and video.height else (16, 9)


def embed_snippet(site: Site, video: EmbedVideo) -> str:
    """Return the HTML that people paste into their pages: a frame that keeps the video's shape at any width."""
    width, height = shape(video)
    address = escape(f"{site.site.base_url.rstrip('/')}/embed/vod/{video.video_id}")
    title = escape(video.title)
    return (
        f'<iframe src="{address}" title="{title}" style="width:100%;aspect-ratio:{width}/{height};border:0" '
        'allow="autoplay; fullscreen; picture-in-picture" allowfullscreen loading="lazy"></iframe>'
    )


class EmbedPages:
    """Renders embed pages and serves what they load.

    player_name: as [use] chose it, part of its assets' address.
    Raises FileNotFoundError when the player is not built, PluginRefused when it is none.
    """

    def __init__(self, site: Site, player_name: str, player: Player, templates: jinja2.Environment) -> None:
        assets = player.assets()
        if not isinstance(assets, PlayerAssets):
            answered = type(assets).__name__
            raise PluginRefused([f'player "{player_name}": assets() must return PlayerAssets, not {answered}'])
        self.site = site
        self.templates = templates
        self.options = assets.options
        self.runtime = AssetFolder("reelkit", RUNTIME)
        self.player = AssetFolder(player_name, assets.folder)
        self.urls = {"module": self.player.url(assets.module), "style": self.player.url(assets.style)}
        self.runtime_urls = {"module": self.runtime.url("embed.js"), "style": self.runtime.url("embed.css")}

    def asset(self, name: str, hash: str, file: str) -> Asset | None:
        """Return a file of the player or of the core's runtime."""
        folder = next((folder for folder in (self.runtime, self.player) if folder.name == name), None)
        return folder.find(hash, file) if folder is not None else None

    def render(
        self,
        video: EmbedVideo,
        options: EmbedOptions,
        accept_language: str = "",
        domains: tuple[str, ...] | None = None,
    ) -> Page:
        """Return the page of a video. No cookie, no storage, nothing from another host.

        domains: whose pages may embed it, None: all.
        """
        language = options.language or choose_language(accept_language)
        words = LANGUAGES[language]
        theme = video.theme
        chapters = chapters_for(language, video.chapters)
        config = {
            "id": video.video_id,
            "title": video.title,
            "state": video.state,
            "reason": video.reason,
            "manifest": video.manifest,
            "poster": video.poster,
            "storyboard": video.storyboard,
            "session": video.session,
            "chapters": None if chapters is None else msgspec.to_builtins(chapters),
            "theme": None if theme is None else msgspec.to_builtins(theme),
            "lang": language,
            "start": options.start,
            "duration": video.duration,
            "autoplay": options.autoplay or (theme is not None and theme.autoplay),
            "muted": options.muted,
            "loop": options.loop or (theme is not None and theme.loop),
            "hideTitle": options.hide_title or (theme is not None and theme.hide_title),
            "hideControls": options.hide_controls or (theme is not None and not theme.controls),
            "module": self.urls["module"],
            "options": self.options,
            "words": msgspec.to_builtins(words),
        }
        return self.page(
            "embed/page.html",
            language,
            domains=domains,
            title=video.title,
            poster=video.poster,
            config=Markup(json_in_html(config)),  # noqa: S704 - json_in_html leaves no markup
            player=self.urls,
        )

    def missing(self, accept_language: str = "") -> Page:
        """Return the page for a video that does not exist or is not for everybody: readable inside any frame."""
        language = choose_language(accept_language)
        return self.page("errors/embed.html", language, status=404, said=LANGUAGES[language].gone)

    def refused(self, status: int, accept_language: str = "") -> Page:
        """Return the page for a viewer whom a plugin does not let through. status: of the plugin's problem."""
        language = choose_language(accept_language)
        words = LANGUAGES[language]
        return self.page("errors/embed.html", language, status=status, said=words.denied if status < 500 else words.network)

    def page(
        self, template: str, language: str, status: int = 200, domains: tuple[str, ...] | None = None, **context: Any
    ) -> Page:
        """Render a template of a frame with its own nonce. domains: whose pages may embed it, None: all."""
        nonce = new_nonce()
        html = self.templates.get_template(template).render(
            lang=language,
            words=LANGUAGES[language],
            nonce=nonce,
            runtime=self.runtime_urls,
            site_name=self.site.site.name,
            **context,
        )
        framed_by = None if domains is None else " ".join(("'self'", *domains))
        policy = content_security_policy(nonce, framed_by=framed_by, own=False)
        headers = policy | {"Vary": "Accept-Language"}
        return Page(html, headers, status)


def json_in_html(value: Any) -> str:
    """Return JSON that can stand inside a script element: no character of it can end the element or open a comment."""
    text = msgspec.json.encode(value).decode()
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
