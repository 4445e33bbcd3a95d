"""`reelkit access`: who wants a key, and what the operator says to it."""

from __future__ import annotations

import sys
from typing import Annotated, Literal

from cyclopts import Parameter

from reelkit.access.requests import REQUESTED
from reelkit.access.requests import approve as approve_request
from reelkit.catalog import access_requests, projects
from reelkit.catalog.scope import Scope
from reelkit.cli.database import opened
from reelkit.cli.failure import CommandFailed
from reelkit.cli.keys import EnvironmentOption, ProjectOption, TierOption
from reelkit.cli.options import JsonOption, SiteOption, open_site, print_json, print_table
from reelkit.cli.projects import owner_of

__all__ = ["approve", "list_requests", "refuse"]

IdArgument = Annotated[str, Parameter(name="ID", help="The request's id as `reelkit access list` shows it.")]


async def list_requests(
    *,
    site: SiteOption = None,
    project: ProjectOption = projects.DEFAULT,
    status: Annotated[Literal["waiting", "approved", "refused"] | None, Parameter(help="Only these.")] = None,
    json: JsonOption = False,
) -> None:
    """List the people who asked for a key, oldest first.

    For example:

        reelkit access list --site mysite --status waiting
    """
    async with opened(open_site(site)):
        owner = await owner_of(project)
        scopes = (Scope(owner, "production"), Scope(owner, "sandbox"))
        found = [request for scope in scopes for request in await access_requests.list_requests(scope, status)]
    if json:
        print_json(found)
        return
    if not found:
        print("Nobody has asked.")  # noqa: T201 - what a command is for
        return
    rows = [
        (each.id, each.name, each.email, each.environment, each.status, f"{each.created_at:%Y-%m-%d %H:%M}", each.purpose)
        for each in found
    ]
    # Strangers wrote these: nothing of them may steer the terminal.
    shown = [tuple("".join(c if c.isprintable() else "?" for c in text) for text in row) for row in rows]
    print_table(("ID", "NAME", "E-MAIL", "ENVIRONMENT", "STATUS", "ASKED", "FOR"), shown)


async def approve(
    id: IdArgument,
    /,
    *,
    site: SiteOption = None,
    project: ProjectOption = projects.DEFAULT,
    environment: EnvironmentOption = "production",
    tier: TierOption = "standard",
    scopes: Annotated[
        tuple[str, ...],
        Parameter(name="--scope", negative="", show_default=False, help="What the key may do; read and play by default."),
    ] = REQUESTED,
) -> None:
    """Give somebody the key they asked for. It is shown this once; send it to them.

    For example:

        reelkit access approve ar4Yk… --site mysite --tier partner
    """
    loaded = open_site(site)
    async with opened(loaded):
        try:
            made = await approve_request(loaded, Scope(await owner_of(project), environment), id, tier=tier, scopes=scopes)
        except ValueError as error:
            raise CommandFailed(str(error)) from None
    if made is None:
        raise CommandFailed(f"no request {id} waits in {environment}. See: reelkit access list")
    request, secret = made
    sys.stderr.write(f"Send this key to {ascii(request.email)[1:-1]}; it is not shown again.\n")
    print(secret)  # noqa: T201 - what a command is for


async def refuse(
    id: IdArgument,
    /,
    *,
    site: SiteOption = None,
    project: ProjectOption = projects.DEFAULT,
    environment: EnvironmentOption = "production",
) -> None:
    """Refuse somebody a key.

    For example:

        reelkit access refuse ar4Yk… --site mysite
    """
    async with opened(open_site(site)):
        refused = await access_requests.decide(Scope(await owner_of(project), environment), id, "refused")
    if refused is None:
        raise CommandFailed(f"no request {id} waits in {environment}. See: reelkit access list")
    print(f"Request {refused.id} is refused.")  # noqa: T201 - what a command is for
