"""Projects: who owns videos, keys and everything else."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
from piccolo.columns import Text, Timestamptz

from reelkit.catalog.binding import Catalogued
from reelkit.catalog.ids import new_id
from reelkit.catalog.scope import unscoped

__all__ = ["DEFAULT", "Project", "all_projects", "create", "default", "get", "named", "set_suspended", "suspended"]

DEFAULT = "default"
"""Id and name of the project that every site has."""


class Project(msgspec.Struct, frozen=True):
    """An owner. name: unique in the site; suspended_at: since when its credentials open nothing, None when they do."""

    id: str
    name: str
    created_at: datetime
    suspended_at: datetime | None = None


class ProjectRow(Catalogued, tablename="project"):
    """Table `project`."""

    id = Text(primary_key=True)
    name = Text()
    created_at = Timestamptz()
    suspended_at = Timestamptz(null=True, default=None)


async def create(name: str) -> Project | None:
    """Create a project; None when the name is taken, as that of the default project always is."""
    return None if name == DEFAULT else await _insert(new_id("pr"), name)


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


async def suspended() -> frozenset[str]:
    """Return the ids of the projects that are suspended."""
    rows = await unscoped(ProjectRow).select(ProjectRow.id).where(ProjectRow.suspended_at.is_not_null())
    return frozenset(row["id"] for row in rows)


async def set_suspended(id: str, is_suspended: bool) -> Project:
    """Suspend a project or let it act again, and return it; again is no error and keeps the first time.

    Raises LookupError when there is none of that id.
    """
    since = ProjectRow.suspended_at
    update = unscoped(ProjectRow).update({since: datetime.now(UTC) if is_suspended else None})
    await update.where(ProjectRow.id == id, since.is_null() if is_suspended else since.is_not_null())
    return await _present(id)


async def _insert(id: str, name: str) -> Project | None:
    project = Project(id, name, datetime.now(UTC))
    insert = unscoped(ProjectRow).insert(id=id, name=name, created_at=project.created_at)
    created = await insert.on_conflict(action="DO NOTHING").returning(ProjectRow.id)
    return project if created else None


async def _present(id: str) -> Project:
    project = await get(id)
    if project is None:
        raise LookupError(f"There is no project of the id {id!r}.")
    return project
