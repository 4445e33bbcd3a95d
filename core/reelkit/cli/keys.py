"""`reelkit keys`: API keys made, listed, revoked on the machine of the site."""

from __future__ import annotations

import contextlib
import re
import sys
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

import msgspec
from cyclopts import Parameter

from reelkit.access.keys import create_key
from reelkit.catalog import keys, projects
from reelkit.catalog.keys import ApiKey
from reelkit.catalog.scope import Scope
from reelkit.cli.database import opened
from reelkit.cli.failure import CommandFailed
from reelkit.cli.options import JsonOption, SiteOption, open_site, print_json, print_table

__all__ = ["EnvironmentOption", "ProjectOption", "TierOption", "create", "list_keys", "owner_of", "revoke"]

Environment = Literal["production", "sandbox"]
UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
TierOption = Annotated[str, Parameter(help="How often it may ask: public, standard, partner, or one of your site.toml.")]
EnvironmentOption = Annotated[Environment, Parameter(help="Sandbox videos are short, watermarked and gone after a day.")]
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
    key: str | None = None


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
    until = None if expires is None else datetime.now(UTC) + _duration(expires)
    async with opened(loaded):
        scope = Scope(await owner_of(project), environment)
        try:
            made, secret = await create_key(loaded, scope, name, tier=tier, scopes=scopes, expires_at=until)
        except ValueError as error:
            raise CommandFailed(str(error)) from None
    if json:
        print_json(_line(made, secret))
        return
    sys.stderr.write(f'Key {made.id} "{made.name}" ({environment}, tier {tier}). Keep it: it is not shown again.\n')
    print(secret)  # noqa: T201 - what a command is for


async def list_keys(*, site: SiteOption = None, project: ProjectOption = projects.DEFAULT, json: JsonOption = False) -> None:
    """List the API keys of a project, revoked ones too.

    For example:

        reelkit keys list --site mysite
    """
    async with opened(open_site(site)):
        owner = await owner_of(project)
        found = [key for each in ("production", "sandbox") for key in await keys.list_keys(Scope(owner, each))]
    if json:
        print_json([_line(key) for key in found])
        return
    if not found:
        print("No keys yet. Make one with: reelkit keys create --name NAME")  # noqa: T201 - what a command is for
        return
    rows: list[tuple[str, ...]] = []
    for key in found:
        times = _day(key.created_at), _day(key.last_used_at)
        rows.append((key.id, key.name, f"{key.prefix}…", key.environment, key.tier, *times, _state(key)))
    print_table(("ID", "NAME", "KEY", "ENVIRONMENT", "TIER", "MADE", "LAST USED", "STATE"), rows)


async def revoke(
    id: Annotated[str, Parameter(name="ID", help="The key's id as `reelkit keys list` shows it, or the key itself.")],
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
    from reelkit.access.keys import digest_of

    async with opened(open_site(site)):
        owner = await owner_of(project)
        if id.startswith("rk_") and (presented := await keys.by_digest(digest_of(id))) is not None:
            id = presented.id
        ended = None
        for environment in ("production", "sandbox"):
            ended = ended or await keys.revoke(Scope(owner, environment), id)
    if ended is None:
        shown = f"{id[:8]}…" if id.startswith("rk_") else id
        raise CommandFailed(f"project {project} has no key {shown}. See: reelkit keys list")
    if json:
        print_json(_line(ended))
    else:
        print(f'Key {ended.id} "{ended.name}" is revoked.')  # noqa: T201 - what a command is for


async def owner_of(name: str) -> str:
    """Return the id of a project. Raises CommandFailed."""
    if name == projects.DEFAULT:
        return (await projects.default()).id
    if (found := await projects.named(name)) is None:
        known = ", ".join(project.name for project in await projects.all_projects()) or projects.DEFAULT
        raise CommandFailed(f'there is no project "{name}". This site has: {known}')
    return found.id


def _duration(text: str) -> timedelta:
    if match := re.fullmatch(r"(\d+)([mhdw])", text):
        with contextlib.suppress(OverflowError):
            return timedelta(**{UNITS[match[2]]: int(match[1])})
    raise CommandFailed(f'--expires "{text}" is no duration. Write a number and m, h, d or w: 30d', exit_code=2)


def _line(key: ApiKey, secret: str | None = None) -> KeyLine:
    known = msgspec.structs.asdict(key)
    return KeyLine(**{name: known[name] for name in KeyLine.__struct_fields__ if name in known}, key=secret)


def _state(key: ApiKey) -> str:
    if key.revoked_at is not None:
        return f"revoked {_day(key.revoked_at)}"
    if key.expires_at is not None:
        return f"{'expired' if key.expires_at <= datetime.now(UTC) else 'until'} {_day(key.expires_at)}"
    return "works"


def _day(moment: datetime | None) -> str:
    return "never" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M")
