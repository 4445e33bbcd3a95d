"""A plugin that fails, hangs or leaves is contained, named and, at last, left alone."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from datetime import UTC, datetime
from textwrap import indent
from typing import Any

import pytest
from reelkit.interfaces.event import VideoPlayable
from reelkit.plugins.budget import Budget

EVENT = VideoPlayable(project="p", environment="production", video_id="vi1", at=datetime(2026, 1, 1, tzinfo=UTC))


def plugin(body: str, head: str = "def") -> str:
    start = "import asyncio, sys, time\nfrom reelkit import hookimpl\nseen = []\n@hookimpl\n"
    return start + f"{head} on_event(event, settings, site):\n" + indent(body, "    ") + "\n"


def report(plugins: Any, name: str) -> Any:
    return next(each for each in plugins.report() if each.name == name)


def seen(plugins: Any, name: str) -> list[Any]:
    found: list[Any] = plugins._plugins[name].module.seen
    return found


async def test_every_plugin_is_told_sync_or_async(folder: Any) -> None:
    folder.plugin("plain", plugin("seen.append(event.video_id)"))
    folder.plugin("later", plugin("await asyncio.sleep(0)\nseen.append(event.video_id)", "async def"))
    folder.plugin("handed", plugin("async def go(): seen.append(event.video_id)\nreturn go()"))
    plugins = folder.load()
    await plugins.notify("on_event", event=EVENT)
    assert [seen(plugins, name) for name in ("plain", "later", "handed")] == [["vi1"]] * 3
    assert [report(plugins, name).errors for name in ("plain", "later", "handed")] == [0, 0, 0]


@pytest.mark.parametrize(
    ("body", "head", "error"),
    [
        ("raise ValueError('bad')", "def", "on_event failed: ValueError: bad (bad.py line 6)"),
        ("raise ValueError('bad')", "async def", "on_event failed: ValueError: bad (bad.py line 6)"),
        ("sys.exit(3)", "async def", "on_event failed: SystemExit: 3 (bad.py line 6)"),
        ("sys.exit(3)", "def", "on_event failed: SystemExit: 3 (bad.py line 6)"),
        ("raise asyncio.CancelledError", "async def", "on_event failed: cancelled itself"),
        ("time.sleep(30)", "def", "on_event did not end within 0.2 s"),
        ("await asyncio.sleep(30)", "async def", "on_event did not end within 0.2 s"),
        (
            "try: await asyncio.sleep(30)\nexcept asyncio.CancelledError: await asyncio.sleep(0.3)",
            "async def",
            "on_event did not end within 0.2 s",
        ),
        ("async def go(): await asyncio.sleep(30)\nreturn go()", "def", "on_event did not end within 0.2 s"),
    ],
)
async def test_a_failing_plugin_is_contained_and_named(folder: Any, body: str, head: str, error: str) -> None:
    folder.plugin("bad", plugin(body, head))
    folder.plugin("good", plugin("seen.append(1)"))
    folder.toml("[plugins.bad]\ntime_limit = 0.2\n")
    plugins = folder.load()
    start = time.monotonic()
    await plugins.notify("on_event", event=EVENT)
    assert time.monotonic() - start < 15
    assert seen(plugins, "good") == [1]
    assert report(plugins, "bad").errors == 1
    assert report(plugins, "bad").last_error.startswith(error.rpartition(" within ")[0] or error)


async def test_an_async_plugin_that_blocks_the_loop_is_measured(folder: Any) -> None:
    folder.plugin("bad", plugin("time.sleep(0.3)", "async def"))
    folder.toml("[plugins.bad]\ntime_limit = 0.1\n")
    plugins = folder.load()
    await plugins.notify("on_event", event=EVENT)
    told = r"on_event took \d+\.[3-9] s, 0\.1 s are allowed; it blocks the event loop\. Write it with def, .*"
    assert re.fullmatch(told, report(plugins, "bad").last_error or "")


async def test_a_plain_plugin_that_blocks_does_not_hold_up_the_loop(folder: Any) -> None:
    folder.plugin("slow", plugin("time.sleep(2)"))
    plugins = folder.load()
    telling = asyncio.ensure_future(plugins.notify("on_event", event=EVENT))
    longest = 0.0
    while not telling.done():
        before = time.monotonic()
        await asyncio.sleep(0.005)
        longest = max(longest, time.monotonic() - before)
    assert longest < 1


async def test_the_caller_can_be_cancelled(folder: Any) -> None:
    folder.plugin("slow", plugin("try: await asyncio.sleep(30)\nfinally: seen.append('left')", "async def"))
    plugins = folder.load()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(plugins.notify("on_event", event=EVENT), 0.1)
    deadline = time.monotonic() + 30
    while seen(plugins, "slow") != ["left"]:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def test_five_errors_quarantine_a_plugin_by_name(folder: Any, caplog: pytest.LogCaptureFixture) -> None:
    folder.plugin("bad", plugin("seen.append(1)\nraise ValueError('bad')"))
    plugins = folder.load()
    with caplog.at_level(logging.WARNING, "reelkit.plugins"):
        for _ in range(8):
            await plugins.notify("on_event", event=EVENT)
    assert len(seen(plugins, "bad")) == 5
    assert plugins.quarantined == ("bad",)
    assert report(plugins, "bad").state == "quarantined"
    assert (
        sum("plugin bad is quarantined after 5 errors; the last: on_event failed" in line for line in caplog.messages) == 1
    )
    assert [call.outcome for call in plugins.calls if call.plugin == "bad"] == ["failed"] * 5 + ["quarantined"] * 3


def test_errors_that_lie_far_apart_do_not_quarantine() -> None:
    now = 0.0
    budget = Budget(errors_allowed=3, window=60, clock=lambda: now)
    for now in (0, 40, 80, 120):  # noqa: B007  # the clock reads it
        assert not budget.spend("bad")
    assert not budget.quarantined
    assert [budget.spend("bad") for now in (121, 122)] == [True, False]
    assert budget.errors == 6


def test_a_contained_register_hook_that_fails_is_left_out(folder: Any) -> None:
    folder.plugin("bad", "from reelkit import hookimpl\n@hookimpl\ndef register_routes(): raise ValueError\n")
    folder.plugin("odd", "from reelkit import hookimpl\n@hookimpl\ndef register_routes(): return 3\n")
    folder.plugin("good", "from reelkit import hookimpl\n@hookimpl\ndef register_routes(): return ['a', 'b']\n")
    plugins = folder.load()
    assert plugins.routes() == [("good", "a"), ("good", "b")]
    assert report(plugins, "bad").errors == 1
    assert report(plugins, "odd").last_error == "register_routes returned int, not a list of handlers"


async def test_health_checks_of_a_failing_plugin_say_so(folder: Any) -> None:
    folder.plugin(
        "good",
        """
        import reelkit
        async def _check(): ...
        @reelkit.hookimpl
        def register_health_check(): return reelkit.HealthCheck("disk", _check)
        """,
    )
    folder.plugin("bad", "import reelkit\n@reelkit.hookimpl\ndef register_health_check(): raise ValueError('no')\n")
    plugins = folder.load()
    checks = {check.name: check.check for check in plugins.health_checks()}
    await checks["disk"]()
    with pytest.raises(RuntimeError, match="register_health_check failed: ValueError: no"):
        await checks["bad"]()


async def test_the_trace_tells_who_was_called_in_which_order(folder: Any, caplog: pytest.LogCaptureFixture) -> None:
    folder.plugin("b", plugin("pass"))
    folder.plugin("a", plugin("return asyncio.sleep(0, 1)"))
    plugins = folder.load(environ={"REELKIT_TRACE": "1"})
    with caplog.at_level(logging.INFO, "reelkit.plugins"):
        await plugins.notify("on_event", event=EVENT)
    registered = [(call.hook, call.plugin, call.outcome, call.detail) for call in plugins.calls[:3]]
    assert registered == [
        ("register_storage", "parts", "answered", "memory"),
        ("register_transcoder", "parts", "answered", "copier"),
        ("register_player", "parts", "answered", "mediachrome"),
    ]
    assert {(call.hook, call.plugin, call.outcome) for call in plugins.calls[3:]} == {
        ("on_event", "a", "answered"),
        ("on_event", "b", "declined"),
    }
    assert any(line.startswith("on_event → a: answered in ") for line in caplog.messages)


async def test_a_call_without_an_argument_of_the_hook_is_our_own_mistake(folder: Any) -> None:
    folder.plugin("mine", plugin("pass"))
    with pytest.raises(TypeError, match="on_event is called without event"):
        await folder.load().notify("on_event")
