"""Player themes over HTTP: colours, switches and the logo of players."""

from __future__ import annotations

import re
from typing import Any, Literal, cast
from urllib.parse import urlsplit

import msgspec
from litestar import Request, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from reelkit.access.principal import Principal
from reelkit.api.changes import Changing
from reelkit.api.decodable import receive_decodable
from reelkit.api.pagination import Pagination, paginate, requested_page
from reelkit.api.payloads import read_payload
from reelkit.api.queries import Query
from reelkit.api.removal import remove_soon
from reelkit.api.video_json import atom
from reelkit.catalog import player_themes
from reelkit.catalog.packing import storable
from reelkit.catalog.player_themes import Look, PlayerTheme, SortBy
from reelkit.catalog.scope import Scope
from reelkit.interfaces.change import Action
from reelkit.jobs.runtime import Runtime
from reelkit.jobs.transfer import store_bytes
from reelkit.problems import InvalidAttribute, NotFound, Problem, every

__all__ = ["HANDLERS", "LogoUpload", "NewThemePayload", "ThemeJson", "ThemeList", "ThemePayload", "check", "theme_json"]

NAME_LENGTH = 100
LINK_LENGTH = 2000
LOGO_BYTES, LOGO_WIDTH, LOGO_HEIGHT = 100 << 10, 200, 100
"""The contract's: 100 KiB, 200x100 pixels."""

Unset = msgspec.UnsetType

_ID = re.compile(r"pl[0-9A-Za-z]{1,62}", re.ASCII)
_COLOUR = re.compile(r"#(?:[0-9a-f]{3,4}){1,2}|(?:rgb|hsl)a?\([\d.,%/ a-z]{5,60}\)|[a-z]{3,24}", re.ASCII | re.IGNORECASE)
"""Enough of CSS colours (Color 4, section 4) that nothing else can be said by one."""


class NewThemePayload(Look, frozen=True, kw_only=True, rename="camel"):
    """The contract's `player-theme-creation-payload`."""

    name: str = ""


class ThemePayload(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The contract's `player-theme-update-payload`: what is absent stays."""

    name: str | Unset = msgspec.UNSET
    text: str | Unset = msgspec.UNSET
    link: str | Unset = msgspec.UNSET
    link_hover: str | Unset = msgspec.UNSET
    link_active: str | Unset = msgspec.UNSET
    track_played: str | Unset = msgspec.UNSET
    track_unplayed: str | Unset = msgspec.UNSET
    track_background: str | Unset = msgspec.UNSET
    background_top: str | Unset = msgspec.UNSET
    background_bottom: str | Unset = msgspec.UNSET
    background_text: str | Unset = msgspec.UNSET
    enable_api: bool | Unset = msgspec.UNSET
    enable_controls: bool | Unset = msgspec.UNSET
    force_autoplay: bool | Unset = msgspec.UNSET
    hide_title: bool | Unset = msgspec.UNSET
    force_loop: bool | Unset = msgspec.UNSET


class ThemeAssets(msgspec.Struct, frozen=True, omit_defaults=True):
    """The logo and where a click on it leads."""

    logo: str | None = None
    link: str | None = None


class ThemeJson(Look, frozen=True, kw_only=True, rename="camel"):
    """The contract's `player-theme`."""

    player_id: str
    name: str
    created_at: str
    updated_at: str
    assets: ThemeAssets


class ThemeList(msgspec.Struct, frozen=True):
    """The contract's `player-themes-list-response`."""

    data: tuple[ThemeJson, ...]
    pagination: Pagination


class LogoUpload(msgspec.Struct, frozen=True, rename="camel"):
    """What plugins are shown of a logo. link: where a click on it leads, for them to edit."""

    content_type: str
    size: int
    link: str | None = None


async def check(scope: Scope, id: str | Unset | None) -> None:
    """Return when a video or live stream may have a theme, or asks for none. Raises InvalidAttribute."""
    if isinstance(id, str) and not (_ID.fullmatch(id) and await player_themes.exists(scope, id)):
        raise InvalidAttribute(name="playerId", detail="There is no player theme of this id.")


def theme_json(theme: PlayerTheme, base_url: str) -> ThemeJson:
    """Return the JSON of a theme. base_url: of the site, without a trailing slash."""
    look = {name: getattr(theme, name) for name in Look.__struct_fields__}
    logo = None if theme.logo_key is None else f"{base_url}/player/{theme.id}/logo.png"
    return ThemeJson(
        **look,
        player_id=theme.id,
        name=theme.name,
        created_at=atom(theme.created_at),
        updated_at=atom(theme.updated_at),
        assets=ThemeAssets(logo, theme.logo_link),
    )


@post("/players", operation_id="POST_players", status_code=201)
async def create_theme(
    request: Request[Any, Any, Any], principal: NamedDependency[Principal], runtime: NamedDependency[Runtime]
) -> ThemeJson:
    """Create a theme; what is not given looks as in the default one."""
    edit = Changing(runtime, principal.scope, "player-theme", "create")
    given = await edit.propose(read_payload(await request.body(), NewThemePayload))
    values = msgspec.structs.asdict(given)
    check_values(values)
    made = await player_themes.create(principal.scope, values.pop("name"), Look(**values))
    shown = theme_json(made, runtime.site.site.base_url)
    await edit.made(shown, id=made.id)
    return shown


@get("/players", operation_id="GET_players")
async def list_themes(
    request: Request[Any, Any, Any], principal: NamedDependency[Principal], runtime: NamedDependency[Runtime]
) -> ThemeList:
    """List themes, newest first unless asked otherwise."""
    query = Query(request.scope["query_string"])
    page = requested_page(query)
    sort_by = cast("SortBy", query.one_of("sortBy", ("name", "createdAt", "updatedAt"), "createdAt"))
    order = cast("Literal['asc', 'desc']", query.one_of("sortOrder", ("asc", "desc"), "desc"))
    query.check()
    found = await player_themes.page(principal.scope, sort_by, order, page.number, page.size)
    data = tuple(theme_json(theme, runtime.site.site.base_url) for theme in found.items)
    return ThemeList(data, paginate("/players", query, page, len(data), found.total))


@get("/players/{player_id:str}", operation_id="GET_players-playerId")
async def get_theme(
    player_id: FromPath[str], principal: NamedDependency[Principal], runtime: NamedDependency[Runtime]
) -> ThemeJson:
    """Read one theme."""
    return theme_json(await find_theme(principal.scope, player_id), runtime.site.site.base_url)


@patch("/players/{player_id:str}", operation_id="PATCH_players-playerId")
async def update_theme(
    request: Request[Any, Any, Any],
    player_id: FromPath[str],
    principal: NamedDependency[Principal],
    runtime: NamedDependency[Runtime],
) -> ThemeJson:
    """Change a theme."""
    scope, base_url = principal.scope, runtime.site.site.base_url
    before = theme_json(await find_theme(scope, player_id), base_url)
    edit = Changing(runtime, scope, "player-theme", "update", id=player_id, before=before)
    given = await edit.propose(read_payload(await request.body(), ThemePayload))
    values = {name: value for name, value in msgspec.structs.asdict(given).items() if value is not msgspec.UNSET}
    check_values(values)
    changed = await player_themes.update(scope, player_id, values)
    if changed is None:
        raise NotFound(name="playerId")
    shown = theme_json(changed, base_url)
    await edit.made(shown)
    return shown


@delete("/players/{player_id:str}", operation_id="DELETE_players-playerId", status_code=204)
async def delete_theme(
    player_id: FromPath[str], principal: NamedDependency[Principal], runtime: NamedDependency[Runtime]
) -> None:
    """Delete a theme; the videos that have it are shown in the default one."""
    scope = principal.scope
    before = theme_json(await find_theme(scope, player_id), runtime.site.site.base_url)
    edit = Changing(runtime, scope, "player-theme", "delete", id=player_id, before=before)
    await edit.propose(None)
    if await player_themes.remove(scope, player_id) is None:
        raise NotFound(name="playerId")
    await edit.made()


@post(
    "/players/{player_id:str}/logo", operation_id="POST_players-playerId-logo", status_code=201, request_max_body_size=None
)
async def upload_logo(
    request: Request[Any, Any, Any],
    player_id: FromPath[str],
    principal: NamedDependency[Principal],
    runtime: NamedDependency[Runtime],
) -> ThemeJson:
    """Take a small JPEG or PNG picture, and where a click on it leads: a field before or after the file."""
    scope, base_url = principal.scope, runtime.site.site.base_url
    before = theme_json(await find_theme(scope, player_id), base_url)
    received = await receive_decodable(request, bytes=LOGO_BYTES, width=LOGO_WIDTH, height=LOGO_HEIGHT)
    action: Action = "update" if before.assets.logo else "create"
    edit = Changing(
        runtime, scope, "player-logo", action, id=player_id, before=before.assets if before.assets.logo else None
    )
    asked = LogoUpload(received.picture.type, len(received.content), received.fields.get("link") or None)
    given = await edit.propose(asked)
    check_link(given.link)
    key = player_themes.new_logo_key(scope, player_id)
    await store_bytes(runtime.storage, key, received.content)
    try:
        changed = await player_themes.set_logo(scope, player_id, key=key, type=received.picture.type, link=given.link)
    except BaseException:
        remove_soon(runtime.storage, key)
        raise
    if changed is None:
        raise NotFound(name="playerId")
    shown = theme_json(changed, base_url)
    await edit.made(shown.assets)
    return shown


@delete("/players/{player_id:str}/logo", operation_id="DELETE_players-playerId-logo", status_code=204)
async def delete_logo(
    player_id: FromPath[str], principal: NamedDependency[Principal], runtime: NamedDependency[Runtime]
) -> None:
    """Take the logo off a theme; one without a logo stays as it is."""
    scope, base_url = principal.scope, runtime.site.site.base_url
    before = theme_json(await find_theme(scope, player_id), base_url)
    edit = Changing(runtime, scope, "player-logo", "delete", id=player_id, before=before.assets)
    await edit.propose(None)
    if await player_themes.set_logo(scope, player_id, key=None, type=None, link=None) is None:
        raise NotFound(name="playerId")
    await edit.made()


async def find_theme(scope: Scope, player_id: str) -> PlayerTheme:
    """Return a theme of the caller's. Raises NotFound, also for one that belongs to somebody else."""
    theme = await player_themes.get(scope, player_id) if _ID.fullmatch(player_id) else None
    if theme is None:
        raise NotFound(name="playerId")
    return theme


def check_values(values: dict[str, Any]) -> None:
    """Raise one Problem that tells of a name that is too long and of everything that is no colour."""
    faults: list[Problem] = []
    name = values.get("name", "")
    if len(name) > NAME_LENGTH or not storable(name):
        faults.append(InvalidAttribute(name="name", detail=f"The name may have at most {NAME_LENGTH} characters."))
    for field in msgspec.structs.fields(Look):
        value = values.get(field.name)
        if isinstance(value, str) and not _COLOUR.fullmatch(value):
            detail = 'Write a colour as CSS does: "rgba(88, 131, 255, .95)", "#5883ff".'
            faults.append(InvalidAttribute(name=field.encode_name, detail=detail))
    if faults:
        raise every(faults)


def check_link(link: str | None) -> None:
    """Raise InvalidAttribute for what would not lead a browser to a page of the web, such as a script."""
    if link is None:
        return
    try:
        parts = urlsplit(link)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        fine = False
    if not fine or len(link) > LINK_LENGTH or not link.isprintable() or not storable(link):
        raise InvalidAttribute(name="link", detail="Give an address that begins with https:// or http://.")


HANDLERS = (create_theme, list_themes, get_theme, update_theme, delete_theme, upload_logo, delete_logo)
