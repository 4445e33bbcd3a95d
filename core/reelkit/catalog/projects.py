"""Projects: who owns videos, keys and everything else."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
from piccolo.columns import Text, Timestamptz

from reelkit.catalog.binding import Catalogued
from reelkit.catalog.ids import new_id
from reelkit.catalog.scope import unscoped

__all__ = ["DEFAULT", "Project", "all_projects", "create", "default", "get", "named"]

DEFAULT = "default"
"""Id and name of the project that every site has."""


class Project(msgspec.Struct, frozen=True):
    """An owner. name: unique in the site."""

    id: str
    name: str
    created_at: datetime


class ProjectRow(Catalogued, tablename="project"):
    """Table `project`."""

    id = Text(primary_key=True)
    name = Text()
    created_at = Timestamptz()


async def create(name: str) -> Project | None:
    """Create a project; None when the name is taken."""
    return await _insert(new_id("pr"), name)


async def default() -> Project:
    """Return the site's default project, made on the first call, whichever process makes it."""
    return await _insert(DEFAULT, DEFAULT) or await _present(DEFAULT)


async def get(id: str) -> Project | None:
    """Return a project by its id."""
    row = await unscoped(ProjectRow).one(ProjectRow.id == id)
    return None if row is None else Project(**row)


async def named(name: str) -> Project | None:
    """Return a project by its name."""
    row = await unscoped(ProjectRow).one(ProjectRow.name == name)
    return None if row is None else Project(**row)


async def all_projects() -> list[Project]:
    """Return every project, oldest first."""
    rows = await unscoped(ProjectRow).select().order_by(ProjectRow.created_at, ProjectRow.id)
    return [Project(**row) for row in rows]


async def _insert(id: str, name: str) -> Project | None:
    project = Project(id, name, datetime.now(UTC))
    insert = unscoped(ProjectRow).insert(id=id, name=name, created_at=project.created_at)
    created = await insert.on_conflict(action="DO NOTHING").returning(ProjectRow.id)
    return project if created else None


async def _present(id: str) -> Project:
    project = await get(id)
    if project is None:
        raise LookupError(f"Another project than {id!r} has its name.")
    return project
