"""No query can forget whose rows it is about."""

from __future__ import annotations

import ast
import inspect
import sqlite3
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
import reelkit.catalog
from reelkit.catalog import binding, keys, player_themes, renditions, sources, summaries, text_tracks, videos, watermarks
from reelkit.catalog.database import Database
from reelkit.catalog.scope import Scope, Scoped
from reelkit.catalog.videos import NewVideo

FOLDER = Path(reelkit.catalog.__file__).parent
MODULES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")

UNSCOPED = {
    "expiry": None,  # as `work`, for the job that expires
    "playback": {"playback", "logo"},
    "work": None,  # every function
    "growing": {"finish_sound", "segments_of", "show_copy"},  # as `work`, for one job
    "keys": {"by_digest", "touch"},
    "projects": None,  # owners themselves
    "doomed": None,  # prefixes of storage, nobody's
    "live_streams": {"watched"},  # what viewers may see
    "webhook_deliveries": {"prune", "stranded"},  # as `work`, for the job that looks after them
    "untold": {"left"},  # likewise
    "transcripts": {"by_id", "waiting"},  # likewise
    "parts_sweep": None,  # as `work`, for uploads in parts
    "refresh_tokens": {"renew", "revoke"},  # likewise
    "upload_tokens": {"find"},  # the token is the credential
    "playback_tokens": {"forget_expired"},
}
"""Where `unscoped` may be said, and why nowhere else."""

QUERIES = {"select", "objects", "insert", "update", "delete", "count", "exists", "raw", "get_or_create", "save", "remove"}


def functions(module: str) -> Iterator[tuple[str, ast.AST]]:
    tree = ast.parse((FOLDER / f"{module}.py").read_text())
    for node in tree.body:
        name = node.name if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) else "the module"
        yield name, node


def tables_of(module: ModuleType) -> set[str]:
    return {
        name for name, value in vars(module).items() if isinstance(value, type) and issubclass(value, binding.Catalogued)
    }


@pytest.mark.parametrize("module", MODULES)
def test_tables_are_queried_through_scoped_or_unscoped_only(module: str) -> None:
    """`VideoRow.select()` is nowhere but in scope.py, where the WHERE is put in."""
    tables = tables_of(import_module(f"reelkit.catalog.{module}"))
    for name, node in functions(module):
        for call in ast.walk(node):
            if isinstance(call, ast.Attribute) and isinstance(call.value, ast.Name):
                direct = call.value.id in tables and call.attr in QUERIES
                assert not direct, f"{module}.{name}: {call.value.id}.{call.attr} at line {call.lineno}"


@pytest.mark.parametrize("module", sorted({*MODULES} - {"scope"}))
def test_looking_across_scopes_is_said_only_where_it_must_be(module: str) -> None:
    allowed = UNSCOPED.get(module, set())
    for name, node in functions(module):
        for call in ast.walk(node):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "unscoped":
                assert allowed is None or name in allowed, f"{module}.{name} is not scoped"


@pytest.mark.parametrize("module", sorted({*MODULES} - {"binding", "database", "postgres", "schema", "scope", "sqlite"}))
def test_no_resource_goes_around_by_sql_of_its_own(module: str) -> None:
    for name, node in functions(module):
        for part in ast.walk(node):
            around = isinstance(part, ast.Name) and part.id in {"Rows", "QueryString", "fetch"}
            around |= isinstance(part, ast.Attribute) and part.attr in {"fetch", "run_querystring", "run_ddl", "raw"}
            assert not around or (module, name) in {("videos", "_count"), ("parts", "the module")}, f"{module}.{name}"


@pytest.mark.parametrize("module", [keys, player_themes, renditions, sources, summaries, text_tracks, videos, watermarks])
def test_every_query_takes_a_scope_first(module: ModuleType) -> None:
    checked = 0
    for name, function in vars(module).items():
        public = inspect.iscoroutinefunction(function) and function.__module__ == module.__name__
        if public and name not in (UNSCOPED.get(module.__name__.rpartition(".")[2]) or set()):
            first = next(iter(inspect.signature(function).parameters.values()))
            assert first.name == "scope", f"{module.__name__}.{name}"
            checked += 1
    assert checked > 1


def test_every_table_of_tenants_has_a_project_and_an_environment() -> None:
    for module in MODULES:
        import_module(f"reelkit.catalog.{module}")
    unowned = {table._meta.tablename for table in binding._tables if not issubclass(table, Scoped)}
    assert unowned == {"project", "doomed_key", "scoped"} - {"scoped"}


async def test_the_database_itself_refuses_rows_that_point_into_another_scope(database: Database) -> None:
    video = await videos.create(Scope("a"), NewVideo(title="t"))
    columns = "id, project, environment, video_id, status, storage_key, filename, packageable, storyboard_keys"
    now = "'2026-01-01 00:00:00+00:00'"
    for project, environment in (("b", "production"), ("a", "sandbox")):
        with pytest.raises(Exception, match=r"(?i)foreign key"):
            await database.fetch(
                f"INSERT INTO source ({columns}, created_at, updated_at) VALUES ('so1', '{project}', '{environment}',"
                f" '{video.video_id}', 'uploading', 'k', '', false, '[]', {now}, {now})"
            )


async def test_every_statement_of_scoped_modules_names_both_columns(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What really reaches the engine, not what the source looks like."""
    sent: list[str] = []
    engine = binding.engine()
    fetch = type(engine).fetch  # type: ignore[attr-defined]  # both engines of ours have it

    async def recorded(self: object, sql: str, args: object = ()) -> object:
        sent.append(sql)
        return await fetch(self, sql, args)

    monkeypatch.setattr(type(engine), "fetch", recorded)
    scope = Scope("a")
    video = await videos.create(scope, NewVideo(title="t"))
    source = await sources.begin(scope, video.video_id)
    assert isinstance(source, sources.Source)
    await sources.beat(scope, source.id)
    await sources.uploaded(scope, source, 1, "")
    await sources.for_video(scope, video.video_id)
    await renditions.for_video(scope, video.video_id)
    await videos.page(scope, videos.VideoFilter(title="t", tags=("x",)))
    await videos.page(scope, sort_by="title")
    await videos.get(scope, video.video_id)
    await sources.remove(scope, source.id)
    await videos.delete(scope, video.video_id)
    key = await keys.insert(scope, name="n", prefix="p", digest="d", tier="t", scopes=())
    await keys.list_keys(scope)
    await keys.revoke(scope, key.id)

    ours = [sql for sql in sent if "doomed_key" not in sql and not sql.startswith(("BEGIN", "COMMIT"))]
    assert len(ours) > 20
    for sql in ours:
        if sql.startswith("INSERT"):
            assert '"project"' in sql and '"environment"' in sql, sql
        else:
            where = sql[sql.index(" WHERE ") :]
            assert '"project" = ' in where and '"environment" = ' in where, sql


def test_sqlite_is_new_enough() -> None:
    assert sqlite3.sqlite_version_info >= (3, 35), "RETURNING"
