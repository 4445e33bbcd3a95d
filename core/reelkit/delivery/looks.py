"""How the player of one video looks and what it offers beside the picture: its theme, and its chapters."""

from __future__ import annotations

from typing import Any

import msgspec

from reelkit.catalog.playback import Playback
from reelkit.catalog.player_themes import Look, PlayerTheme
from reelkit.delivery.private import with_query

__all__ = ["Chapters", "EmbedTheme", "chapters_for", "embed_chapters", "embed_theme"]


class Chapters(msgspec.Struct, frozen=True, kw_only=True):
    """A file of chapters. src: of this site; label: what the language calls itself."""

    src: str
    language: str
    label: str


class EmbedTheme(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A theme as the page needs it. colours: CSS, by the contract's names; logo: an address of this site."""

    colours: dict[str, str]
    api: bool = True
    controls: bool = True
    autoplay: bool = False
    loop: bool = False
    hide_title: bool = False
    logo: str | None = None
    logo_link: str | None = None


def embed_theme(theme: PlayerTheme) -> EmbedTheme:
    """Return what the page needs of a theme."""
    values: dict[str, Any] = {field.encode_name: getattr(theme, field.name) for field in msgspec.structs.fields(Look)}
    return EmbedTheme(
        colours={name: value for name, value in values.items() if isinstance(value, str)},
        api=theme.enable_api,
        controls=theme.enable_controls,
        autoplay=theme.force_autoplay,
        loop=theme.force_loop,
        hide_title=theme.hide_title,
        # The address stays when the logo changes; the query does not.
        logo=None if theme.logo_key is None else f"/player/{theme.id}/logo.png?v={theme.logo_key.rpartition('-')[2]}",
        logo_link=theme.logo_link,
    )


def embed_chapters(playback: Playback, session: str | None) -> tuple[Chapters, ...]:
    """Return the chapters of a video by language. session: of a private one."""
    root = f"/vod/{playback.video.video_id}/chapters"
    return tuple(
        Chapters(src=with_query(f"{root}/{track.language}.vtt", session), language=track.language, label=track.language_name)
        for track in playback.texts_of("chapter")
    )


def chapters_for(language: str, chapters: tuple[Chapters, ...]) -> Chapters | None:
    """Return the chapters that a viewer reads best, since players show one file of them: the same tag, the same language."""
    base = language.partition("-")[0]

    def fit(one: Chapters) -> tuple[bool, bool]:
        return one.language.lower() == language.lower(), one.language.partition("-")[0] == base

    return max(chapters, key=fit, default=None)
