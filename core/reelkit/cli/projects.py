"""`reelkit project`: owners of videos and keys, made and listed on the machine of the site."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from reelkit.catalog import projects
from reelkit.cli.database import opened
from reelkit.cli.failure import CommandFailed
from reelkit.cli.options import JsonOption, SiteOption, open_site, print_json, print_table

__all__ = ["create", "list_projects"]


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
    print_table(("ID", "NAME", "MADE"), [(each.id, each.name, f"{each.created_at:%Y-%m-%d}") for each in found])
