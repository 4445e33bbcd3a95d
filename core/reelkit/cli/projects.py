"""`reelkit project`: owners of videos and keys, made, listed and suspended on the machine of the site."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from reelkit.catalog import projects
from reelkit.catalog.projects import Project
from reelkit.cli.database import opened
from reelkit.cli.failure import CommandFailed
from reelkit.cli.options import JsonOption, SiteOption, open_site, print_json, print_table

__all__ = ["create", "list_projects", "owner_of", "resume", "suspend"]

NameArgument = Annotated[str, Parameter(name="NAME", help="What it is called, as `reelkit project list` shows it.")]


async def create(
    name: Annotated[str, Parameter(name="NAME", help="What it is called; unique in the site.")],
    /,
    *,
    site: SiteOption = None,
    json: JsonOption = False,
) -> None:
    """Make a project: its keys see its own videos and nobody else's.

    For example:

        reelkit project create "our shop" --site mysite
        reelkit keys create --project "our shop" --name website --site mysite
    """
    if not name.strip():
        raise CommandFailed("a project needs a name")
    async with opened(open_site(site)):
        made = await projects.create(name.strip())
    if made is None:
        raise CommandFailed(f'there is a project "{name.strip()}" already. reelkit project list shows them all')
    if json:
        print_json(made)
        return
    print(made.id)  # noqa: T201 - what a command is for


async def list_projects(*, site: SiteOption = None, json: JsonOption = False) -> None:
    """List the projects of a site, oldest first.

    For example:

        reelkit project list --site mysite
    """
    async with opened(open_site(site)):
        await projects.default()
        found = await projects.all_projects()
    if json:
        print_json(found)
        return
    rows = [(each.id, each.name, f"{each.created_at:%Y-%m-%d}", _state(each)) for each in found]
    print_table(("ID", "NAME", "MADE", "STATE"), rows)


async def suspend(name: NameArgument, /, *, site: SiteOption = None, json: JsonOption = False) -> None:
    """Suspend a project: its keys, and all tokens that were got with them, are answered 403 until it is resumed.

    Running servers do so within 5 s. Nothing is deleted. Public videos go on playing where nobody needs a credential.

    For example:

        reelkit project suspend "our shop" --site mysite
    """
    await _set_suspended(name, True, site, json)


async def resume(name: NameArgument, /, *, site: SiteOption = None, json: JsonOption = False) -> None:
    """Let a suspended project act again: its keys and tokens work as before, on running servers within 5 s.

    For example:

        reelkit project resume "our shop" --site mysite
    """
    await _set_suspended(name, False, site, json)


async def owner_of(name: str) -> str:
    """Return the id of a project. Raises CommandFailed."""
    if name == projects.DEFAULT:
        return (await projects.default()).id
    if (found := await projects.named(name)) is None:
        known = ", ".join(project.name for project in await projects.all_projects()) or projects.DEFAULT
        raise CommandFailed(f'there is no project "{name}". This site has: {known}. New ones: reelkit project create')
    return found.id


async def _set_suspended(name: str, is_suspended: bool, site: Path | None, as_json: bool) -> None:
    async with opened(open_site(site)):
        project = await projects.set_suspended(await owner_of(name), is_suspended)
    if as_json:
        print_json(project)
    else:
        print(f'Project {project.id} "{project.name}": {_state(project)}.')  # noqa: T201 - what a command is for


def _state(project: Project) -> str:
    since = project.suspended_at
    return "works" if since is None else f"suspended since {since.astimezone(UTC):%Y-%m-%d %H:%M}"
