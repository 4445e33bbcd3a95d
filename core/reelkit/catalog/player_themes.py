"""Player themes: colours, switches and the logo of players."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from piccolo.columns import Boolean, Column, Text, Timestamptz

from reelkit.catalog import doomed
from reelkit.catalog.binding import transaction
from reelkit.catalog.ids import new_id
from reelkit.catalog.live_streams import LiveStreamRow
from reelkit.catalog.packing import fold, storable
from reelkit.catalog.scope import Environment, Scope, Scoped, scoped
from reelkit.catalog.video_pages import Page
from reelkit.catalog.video_rows import VideoRow

__all__ = [
    "Look",
    "PlayerTheme",
    "PlayerThemeRow",
    "SortBy",
    "create",
    "exists",
    "get",
    "new_logo_key",
    "page",
    "remove",
    "set_logo",
    "theme_of",
    "update",
]

SortBy = Literal["name", "createdAt", "updatedAt"]

_WHITE = "rgba(255, 255, 255, 1)"


class Look(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a player looks like and does. Colours as CSS writes them; the defaults are the contract's."""

    text: str = _WHITE
    link: str = _WHITE
    link_hover: str = _WHITE
    link_active: str = _WHITE
    track_played: str = "rgba(88, 131, 255, .95)"
    track_unplayed: str = "rgba(255, 255, 255, .35)"
    track_background: str = "rgba(255, 255, 255, .2)"
    background_top: str = "rgba(0, 0, 0, .7)"
    background_bottom: str = "rgba(0, 0, 0, .7)"
    background_text: str = _WHITE
    enable_api: bool = True
    enable_controls: bool = True
    force_autoplay: bool = False
    hide_title: bool = False
    force_loop: bool = False


class PlayerTheme(Look, frozen=True, kw_only=True):
    """A theme. logo_type: content type of the logo; logo_link: where a click on it leads."""

    id: str
    project: str
    environment: Environment
    name: str
    logo_key: str | None = None
    logo_type: str | None = None
    logo_link: str | None = None
    created_at: datetime
    updated_at: datetime


class PlayerThemeRow(Scoped, tablename="player_theme"):
    """Table `player_theme`."""

    id = Text(primary_key=True)
    name = Text()
    name_folded = Text()
    text = Text()
    link = Text()
    link_hover = Text()
    link_active = Text()
    track_played = Text()
    track_unplayed = Text()
    track_background = Text()
    background_top = Text()
    background_bottom = Text()
    background_text = Text()
    enable_api = Boolean()
    enable_controls = Boolean()
    force_autoplay = Boolean()
    hide_title = Boolean()
    force_loop = Boolean()
    logo_key = Text(null=True, default=None)
    logo_type = Text(null=True, default=None)
    logo_link = Text(null=True, default=None)
    created_at = Timestamptz()
    updated_at = Timestamptz()


SORT: dict[SortBy, Column] = {
    "name": PlayerThemeRow.name_folded,
    "createdAt": PlayerThemeRow.created_at,
    "updatedAt": PlayerThemeRow.updated_at,
}


async def create(scope: Scope, name: str, look: Look) -> PlayerTheme:
    """Create a theme without a logo."""
    now = datetime.now(UTC)
    theme = PlayerTheme(
        **msgspec.structs.asdict(look),
        id=new_id("pl"),
        project=scope.project,
        environment=scope.environment,
        name=name,
        created_at=now,
        updated_at=now,
    )
    await scoped(PlayerThemeRow, scope).insert(**msgspec.structs.asdict(theme), name_folded=fold(name))
    return theme


async def get(scope: Scope, id: str) -> PlayerTheme | None:
    """Return a theme by its id."""
    row = await scoped(PlayerThemeRow, scope).one(PlayerThemeRow.id == id) if storable(id) else None
    return None if row is None else theme_of(row)


async def exists(scope: Scope, id: str) -> bool:
    """Tell whether a video or live stream may have a theme."""
    return await get(scope, id) is not None


async def page(
    scope: Scope,
    sort_by: SortBy = "createdAt",
    sort_order: Literal["asc", "desc"] = "desc",
    current_page: int = 1,
    page_size: int = 25,
) -> Page[PlayerTheme]:
    """Return themes in a total order; names without case and accents."""
    total = await scoped(PlayerThemeRow, scope).count()
    query = scoped(PlayerThemeRow, scope).select()
    ordered = query.order_by(SORT[sort_by], PlayerThemeRow.id, ascending=sort_order == "asc")
    skip = (current_page - 1) * page_size
    rows = await ordered.limit(page_size).offset(skip) if skip < total else []
    return Page(tuple(theme_of(row) for row in rows), total)


async def update(scope: Scope, id: str, values: dict[str, Any]) -> PlayerTheme | None:
    """Change a theme and return it as it is then; None when there is none. values: by field of PlayerTheme."""
    if "name" in values:
        values = {**values, "name_folded": fold(values["name"])}
    return await _change(scope, id, values)


def new_logo_key(scope: Scope, id: str) -> str:
    """Return a key of storage for a logo that is to come; each upload has its own."""
    return f"{scope.project}/{id}/{new_id('logo-')}"


async def set_logo(scope: Scope, id: str, *, key: str | None, type: str | None, link: str | None) -> PlayerTheme | None:
    """Give a theme a stored logo, or take it off; what is replaced, or not wanted, is doomed. None: no such theme."""
    async with transaction():
        row = await scoped(PlayerThemeRow, scope).one(PlayerThemeRow.id == id, lock=True) if storable(id) else None
        if row is None:
            await doomed.doom([key] if key else [])
            return None
        await doomed.doom([row["logo_key"]] if row["logo_key"] else [])
        return await _change(scope, id, {"logo_key": key, "logo_type": type, "logo_link": link})


async def remove(scope: Scope, id: str) -> PlayerTheme | None:
    """Delete a theme, which takes it off the videos and live streams that have it, and return what it was."""
    async with transaction():
        removed = scoped(PlayerThemeRow, scope).delete().where(PlayerThemeRow.id == id)
        rows = await removed.returning(*PlayerThemeRow.all_columns()) if storable(id) else []
        if not rows:
            return None
        found = theme_of(rows[0])
        detach = scoped(VideoRow, scope).update({VideoRow.player_id: None})
        await detach.where(VideoRow.player_id.is_not_null(), VideoRow.player_id == id)
        await scoped(LiveStreamRow, scope).update({LiveStreamRow.player_id: None}).where(LiveStreamRow.player_id == id)
        await doomed.doom([found.logo_key] if found.logo_key else [])
    return found


def theme_of(row: dict[str, Any]) -> PlayerTheme:
    """Return the PlayerTheme of a row."""
    return PlayerTheme(**{name: value for name, value in row.items() if name != "name_folded"})


async def _change(scope: Scope, id: str, values: dict[str, Any]) -> PlayerTheme | None:
    if not storable(id):
        return None
    changed = scoped(PlayerThemeRow, scope).update({**values, "updated_at": datetime.now(UTC)})
    rows = await changed.where(PlayerThemeRow.id == id).returning(*PlayerThemeRow.all_columns())
    return theme_of(rows[0]) if rows else None
