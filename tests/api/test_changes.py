"""Plugins see every change before it is made, may edit or refuse it, and follow it afterwards."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from reelkit.api.changes import Changing
from reelkit.catalog.scope import Scope
from reelkit.plugins import Plugins, load_plugins
from reelkit.problems import PluginFailed, Problem
from reelkit.site import load_site

SCOPE = Scope("p", "sandbox")


class Payload(msgspec.Struct, frozen=True, rename="camel"):
    """What a client sends; fields that it leaves out are unset."""

    long_title: str | msgspec.UnsetType = msgspec.UNSET
    tags: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET


class Thing(msgspec.Struct, frozen=True, rename="camel"):
    """What the API shows."""

    long_title: str


def load(folder: Path, **plugins: str) -> Plugins:
    (folder / "site.toml").touch()
    (folder / "plugins").mkdir()
    for name, code in plugins.items():
        head = "import asyncio\nimport reelkit\nfrom reelkit import hookimpl\nseen = []\n"
        (folder / "plugins" / f"{name}.py").write_text(head + code)
    return load_plugins(load_site(folder, {}), environ={})


def changing(plugins: Plugins, *arguments: Any, **named: Any) -> Changing:
    return Changing(SimpleNamespace(plugins=plugins), SCOPE, *arguments, **named)  # type: ignore[arg-type]  # all it takes


async def test_plugins_edit_in_turn_what_is_to_be_changed(tmp_path: Path) -> None:
    plugins = load(
        tmp_path,
        a="@hookimpl\ndef before_change(change):\n    return {'longTitle': change.after['longTitle'].upper()}\n",
        b="@hookimpl\nasync def before_change(change):\n    await asyncio.sleep(0)\n"
        "    return {'tags': [change.after['longTitle'], change.before['longTitle'], change.id]}\n",
    )
    edit = changing(plugins, "thing", "update", id="th1", before=Thing("before"))

    edited = await edit.propose(Payload(long_title="new"))

    assert edited == Payload("NEW", ("NEW", "before", "th1"))
    assert [call.plugin for call in plugins.calls if call.hook == "before_change"] == ["a", "b"]


async def test_what_nobody_edits_stays_unset(tmp_path: Path) -> None:
    plugins = load(tmp_path, a="@hookimpl\ndef before_change(change):\n    seen.append(change)\n")

    assert await changing(plugins, "thing", "create").propose(Payload(tags=("x",))) == Payload(tags=("x",))
    await changing(plugins, "thing", "delete", id="th1", before=Thing("gone")).propose(None)

    created, deleted = plugins._plugins["a"].module.seen
    assert (created.action, created.id, created.before, created.after) == ("create", "", None, {"tags": ["x"]})
    assert (created.project, created.environment) == ("p", "sandbox")
    assert (deleted.id, deleted.before, deleted.after) == ("th1", {"longTitle": "gone"}, None)


@pytest.mark.parametrize("head", ["def", "async def"])
async def test_a_plugin_refuses_with_a_problem_of_its_own(tmp_path: Path, head: str) -> None:
    code = f"""
class NoRude(reelkit.Problem):
    slug, status, title = "rude", 400, "That is rude."

@hookimpl
{head} before_change(change):
    raise NoRude(name="longTitle")
"""
    plugins = load(tmp_path, polite=code)

    with pytest.raises(Problem) as refused:
        await changing(plugins, "thing", "create").propose(Payload("damn"))

    assert (refused.value.status, refused.value.title, refused.value.name) == (400, "That is rude.", "longTitle")
    assert all(report.errors == 0 for report in plugins.report())


@pytest.mark.parametrize(
    "body",
    [
        "raise ValueError('broken')",
        "return {'longTitle': 5}",
        "return 'no dict'",
        "await asyncio.sleep(30)",
    ],
)
async def test_a_plugin_that_fails_lets_nothing_through_however_often(tmp_path: Path, body: str) -> None:
    (tmp_path / "site.toml").write_text("[plugins.guard]\ntime_limit = 0.05\n")
    plugins = load(tmp_path, guard=f"@hookimpl\nasync def before_change(change):\n    {body}\n")

    for _ in range(7):  # beyond the budget of a plugin whose failures are contained
        with pytest.raises(PluginFailed, match='"guard" failed') as failed:
            await changing(plugins, "thing", "create").propose(Payload("x"))
    assert failed.value.status == 500
    assert plugins.quarantined == ("guard",)


async def test_a_field_that_a_plugin_misspells_is_named(tmp_path: Path) -> None:
    plugins = load(tmp_path, guard="@hookimpl\ndef before_change(change):\n    return {'longTitel': 'x'}\n")
    with pytest.raises(PluginFailed):
        await changing(plugins, "thing", "create").propose(Payload("x"))
    (guard,) = [each for each in plugins.report() if each.name == "guard"]
    assert '"longTitel", which is no field. Did you mean "longTitle"? It has: longTitle' in (guard.last_error or "")


async def test_plugins_follow_changes_and_cannot_fail_them(tmp_path: Path) -> None:
    plugins = load(
        tmp_path,
        bad="@hookimpl\ndef after_change(change):\n    raise ValueError\n",
        good="@hookimpl\ndef after_change(change):\n    seen.append(change)\n",
    )

    await changing(plugins, "thing", "create").made(Thing("new"), id="th1")

    (change,) = plugins._plugins["good"].module.seen
    assert (change.resource, change.action, change.id, change.after) == ("thing", "create", "th1", {"longTitle": "new"})
