"""`reelkit keys`: API keys made, listed, moved to other tiers, measured and revoked on the machine of the site."""

from __future__ import annotations

import contextlib
import re
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

import msgspec
from cyclopts import Parameter

from reelkit.access.keys import PUBLIC_ID, check_tier, create_key, digest_of
from reelkit.access.metering import month_of
from reelkit.access.scopes import OBJECTS
from reelkit.catalog import keys, projects, usage
from reelkit.catalog.keys import ApiKey
from reelkit.catalog.scope import Scope
from reelkit.cli.database import opened
from reelkit.cli.failure import CommandFailed
from reelkit.cli.options import JsonOption, SiteOption, open_site, print_json, print_table
from reelkit.cli.projects import owner_of
from reelkit.site_check import did_you_mean

__all__ = ["EnvironmentOption", "ProjectOption", "TierOption", "create", "list_keys", "revoke", "tier", "used"]

Environment = Literal["production", "sandbox"]
ENVIRONMENTS: tuple[Environment, ...] = ("production", "sandbox")
UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
IdArgument = Annotated[str, Parameter(name="ID", help="The key's id as `reelkit keys list` shows it, or the key itself.")]
TierOption = Annotated[str, Parameter(help="How often it may ask: public, standard, partner, or one of your site.toml.")]
EnvironmentOption = Annotated[Environment, Parameter(help="Sandbox videos are cut at 30 s and gone after a day.")]
ProjectOption = Annotated[str, Parameter(name="--project", help="The project that owns the key's videos.")]


class KeyLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """A key as it is shown. key: the key itself, only once, when it is made. Times are UTC."""

    id: str
    name: str
    prefix: str
    tier: str
    project: str
    environment: Environment
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None
    bytes_this_month: int | None = None
    key: str | None = None


class UsageLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a key took in a month (UTC). monthly_bytes: what its tier allows, if it says."""

    key_id: str
    name: str
    environment: Environment
    month: str
    bytes: int
    monthly_bytes: int | None = None


async def create(
    *,
    name: Annotated[str, Parameter(help="What the key is for; you will know it by this.")],
    site: SiteOption = None,
    tier: TierOption = "standard",
    environment: EnvironmentOption = "production",
    project: ProjectOption = projects.DEFAULT,
    scopes: Annotated[
        tuple[str, ...],
        Parameter(
            name="--scope", negative="", show_default=False, help="What it may do, e.g. videos:write; everything by default."
        ),
    ] = ("*",),
    expires: Annotated[str | None, Parameter(help="For how long it works, e.g. 12h, 30d, 8w; for ever by default.")] = None,
    json: JsonOption = False,
) -> None:
    """Make an API key. It is shown this once: only its digest is stored.

    The key alone is written to stdout, so that a shell can take it. Examples:

        reelkit keys create --site mysite --name "our website"
        export REELKIT_KEY=$(reelkit keys create --site mysite --name ci --tier partner --expires 30d)
    """
    loaded = open_site(site)
    until = None if expires is None else _ends(expires)
    async with opened(loaded):
        scope = Scope(await owner_of(project), environment)
        try:
            made, secret = await create_key(loaded, scope, name, tier=tier, scopes=scopes, expires_at=until)
        except ValueError as error:
            raise CommandFailed(str(error)) from None
    for thing in dict.fromkeys(what.partition(":")[0] for what in scopes):
        if thing not in ("*", *OBJECTS):
            meant = did_you_mean(thing, OBJECTS) or f" Known: {', '.join(OBJECTS)}."
            sys.stderr.write(f'reelkit: nothing of reelkit\'s own is about "{thing}".{meant}\n')
    if json:
        print_json(_line(made, secret))
        return
    sys.stderr.write(f'Key {made.id} "{made.name}" ({environment}, tier {tier}). Keep it: it is not shown again.\n')
    print(secret)  # noqa: T201 - what a command is for


async def list_keys(*, site: SiteOption = None, project: ProjectOption = projects.DEFAULT, json: JsonOption = False) -> None:
    """List the API keys of a project, revoked ones too, with the bytes of media that each took this month.

    For example:

        reelkit keys list --site mysite
    """
    month = month_of(time.time())
    async with opened(open_site(site)):
        owner = await owner_of(project)
        scopes = (Scope(owner, "production"), Scope(owner, "sandbox"))
        found = [key for scope in scopes for key in await keys.list_keys(scope)]
        took = {each.key_id: each.bytes for scope in scopes for each in await usage.of_scope(scope, month=month)}
    if json:
        print_json([_line(key, took=took.get(key.id, 0)) for key in found])
        return
    if not found:
        print("No keys yet. Make one with: reelkit keys create --name NAME")  # noqa: T201 - what a command is for
        return
    rows: list[tuple[str, ...]] = []
    for key in found:
        times = _day(key.created_at), _day(key.last_used_at)
        volume = readable(took.get(key.id, 0))
        rows.append((key.id, key.name, f"{key.prefix}…", key.environment, key.tier, *times, volume, _state(key)))
    print_table(("ID", "NAME", "KEY", "ENVIRONMENT", "TIER", "MADE", "LAST USED", "THIS MONTH", "STATE"), rows)


async def tier(
    id: IdArgument,
    to: Annotated[str, Parameter(name="TIER", help="The new tier: public, standard, partner, or one of your site.toml.")],
    /,
    *,
    site: SiteOption = None,
    project: ProjectOption = projects.DEFAULT,
    json: JsonOption = False,
) -> None:
    """Move an API key to another tier. On running servers it holds within 5 s, for its tokens and sessions too.

    For example:

        reelkit keys tier ke4Yk… partner --site mysite
    """
    loaded = open_site(site)
    try:
        check_tier(loaded, to)
    except ValueError as error:
        raise CommandFailed(str(error)) from None
    async with opened(loaded):
        scope, id = await _found(project, id)
        moved = await keys.set_tier(scope, id, to)
    if moved is None:
        raise CommandFailed(f"project {project} has no key {id}. See: reelkit keys list")
    if json:
        print_json(_line(moved))
    else:
        print(f'Key {moved.id} "{moved.name}" is of the tier {moved.tier}.')  # noqa: T201 - what a command is for


async def used(
    id: Annotated[str | None, Parameter(name="ID", show_default=False, help="Only this key; all by default.")] = None,
    /,
    *,
    site: SiteOption = None,
    project: ProjectOption = projects.DEFAULT,
    month: Annotated[str | None, Parameter(help="Only this month, e.g. 2026-11; all by default.")] = None,
    json: JsonOption = False,
) -> None:
    """Show how many bytes of media keys took, month by month (UTC). Running servers write what they count every 5 s.

    For example:

        reelkit keys usage --site mysite --month 2026-11
    """
    if month is not None and not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", month):
        raise CommandFailed(f'--month "{month}" is no month. Write a year and a month: 2026-11', exit_code=2)
    loaded = open_site(site)
    async with opened(loaded):
        owner = await owner_of(project)
        if id is not None and id != PUBLIC_ID:
            id = (await _found(project, id))[1]
        lines: list[UsageLine] = []
        for environment in ENVIRONMENTS:
            scope = Scope(owner, environment)
            known = {key.id: key for key in await keys.list_keys(scope)}
            for each in await usage.of_scope(scope, id, month):
                key = known.get(each.key_id)
                named = "public_api_key" if each.key_id == PUBLIC_ID else ""
                tier = loaded.tiers.get("public" if key is None else key.tier)
                allowed = tier.monthly_bytes if tier is not None and (key is not None or named) else None
                name = named if key is None else key.name
                lines.append(UsageLine(each.key_id, name, environment, each.month, each.bytes, allowed))
    if json:
        print_json(lines)
        return
    if not lines:
        print("No key took any media yet.")  # noqa: T201 - what a command is for
        return
    rows = [
        (line.key_id, line.name, line.environment, line.month, readable(line.bytes), _of(line.monthly_bytes))
        for line in lines
    ]
    print_table(("ID", "NAME", "ENVIRONMENT", "MONTH", "TOOK", "OF"), rows)


async def revoke(
    id: IdArgument,
    /,
    *,
    site: SiteOption = None,
    project: ProjectOption = projects.DEFAULT,
    json: JsonOption = False,
) -> None:
    """End an API key for good. Running servers refuse it within 5 s.

    For example:

        reelkit keys revoke ke4Yk… --site mysite
    """
    async with opened(open_site(site)):
        scope, id = await _found(project, id)
        ended = await keys.revoke(scope, id)
    if ended is None:
        raise CommandFailed(f"project {project} has no key {id}. See: reelkit keys list")
    if json:
        print_json(_line(ended))
    else:
        print(f'Key {ended.id} "{ended.name}" is revoked.')  # noqa: T201 - what a command is for


async def _found(project: str, id: str) -> tuple[Scope, str]:
    """Return where a key of a project is, and its id. id: that, or the key itself. Raises CommandFailed."""
    owner, given = await owner_of(project), id
    if id.startswith("rk_") and (presented := await keys.by_digest(digest_of(id))) is not None:
        id = presented.id
    for environment in ENVIRONMENTS:
        if await keys.get(Scope(owner, environment), id) is not None:
            return Scope(owner, environment), id
    shown = f"{given[:8]}…" if given.startswith("rk_") else given
    if given == PUBLIC_ID:
        raise CommandFailed("the public key is a setting: [access] public_api_key in site.toml. Empty it to switch it off")
    raise CommandFailed(f"project {project} has no key {shown}. See: reelkit keys list")


def readable(count: int) -> str:
    """Return a number of bytes as people read it, e.g. `1.5 GB`."""
    value, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while value >= 999.5 and len(units) > 1:
        value /= 1000
        units.pop(0)
    return f"{value:.3g} {units[0]}" if value < 1000 else f"{value:.0f} {units[0]}"


def _of(limit: int | None) -> str:
    return "" if limit is None else readable(limit)


def _ends(text: str) -> datetime:
    if match := re.fullmatch(r"(\d+)([mhdw])", text, re.ASCII):
        with contextlib.suppress(OverflowError):
            return datetime.now(UTC) + timedelta(**{UNITS[match[2]]: int(match[1])})
    raise CommandFailed(f'--expires "{text}" is no duration. Write a number and m, h, d or w: 30d', exit_code=2)


def _line(key: ApiKey, secret: str | None = None, took: int | None = None) -> KeyLine:
    known = msgspec.structs.asdict(key)
    shown = {name: known[name] for name in KeyLine.__struct_fields__ if name in known}
    return KeyLine(**shown, key=secret, bytes_this_month=took)


def _state(key: ApiKey) -> str:
    if key.revoked_at is not None:
        return f"revoked {_day(key.revoked_at)}"
    if key.expires_at is not None:
        return f"{'expired' if key.expires_at <= datetime.now(UTC) else 'until'} {_day(key.expires_at)}"
    return "works"


def _day(moment: datetime | None) -> str:
    return "never" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M")
