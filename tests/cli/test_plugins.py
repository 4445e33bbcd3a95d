"""`reelkit plugins`, and the commands that plugins add."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest


@pytest.fixture
def greeting(site: Path) -> Path:
    """A site with a plugin that adds `reelkit greet`."""
    (site / "plugins" / "greeting.py").write_text(
        dedent(
            """
            import msgspec, reelkit

            class Settings(msgspec.Struct):
                word: str = "Hello"

            @reelkit.hookimpl
            def register_commands(commands, settings, site):
                @commands.command
                def greet(name: str):
                    "Greet somebody."
                    print(f"{settings.word}, {name}, from {site.site.name}")
            """
        )
    )
    return site


def test_the_list_shows_what_is_loaded_and_provided(run: Any, greeting: Path) -> None:
    listed = {each["name"]: each for each in json.loads(run("plugins", "list", "--site", greeting, "--json").stdout)}
    assert listed["local"]["provides"] == ["storage local"]
    assert listed["local"]["first_party"] is True
    assert listed["greeting"]["origin"] == "plugins/greeting.py"
    assert listed["greeting"]["commands"] == ["greet"]
    table = run("plugins", "list", "--site", greeting).stdout
    assert "reelkit greet" in table


def test_a_plugins_command_runs_with_its_settings(run: Any, greeting: Path) -> None:
    with (greeting / "site.toml").open("a") as file:
        file.write('\n[plugins.greeting]\nword = "Welcome"\n')
    assert run("greet", "Ada", cwd=greeting).stdout == "Welcome, Ada, from site\n"
    assert run("greet", "Ada", REELKIT_SITE=str(greeting)).stdout == "Welcome, Ada, from site\n"
    assert run("greet", "Ada", "--site", greeting).stdout == "Welcome, Ada, from site\n"
    assert run("greet", f"--site={greeting}", "Ada").stdout == "Welcome, Ada, from site\n"


def test_a_plugins_command_is_gone_without_third_party_plugins(run: Any, greeting: Path) -> None:
    assert run("greet", "Ada", cwd=greeting, REELKIT_NO_PLUGINS="1").returncode == 2


def test_a_plugin_cannot_take_a_command_of_reelkits(run: Any, greeting: Path) -> None:
    file = greeting / "plugins" / "greeting.py"
    file.write_text(file.read_text().replace("def greet(", "def serve("))
    checked = run("plugins", "check", "--site", greeting)
    assert checked.returncode == 1
    assert checked.stdout == 'plugin greeting: the command "serve" is taken\n1 to mend.\n'


def test_a_plugin_that_fails_half_way_adds_no_command(run: Any, greeting: Path) -> None:
    file = greeting / "plugins" / "greeting.py"
    file.write_text(file.read_text() + "    raise OSError('half-way')\n")
    assert run("greet", "Ada", cwd=greeting).returncode == 2
    checked = run("plugins", "check", "--site", greeting)
    assert "plugin greeting: register_commands failed: OSError: half-way (greeting.py line " in checked.stdout


def test_check_names_every_fault(run: Any, greeting: Path) -> None:
    (greeting / "plugins" / "broken.py").write_text("import reelkit\n@reelkit.hookimpl\ndef on_evnt(): ...\n")
    (greeting / "plugins" / "empty.py").write_text("")
    checked = run("plugins", "check", "--site", greeting)
    assert checked.returncode == 1
    assert 'there is no hook "on_evnt". Did you mean "on_event"?' in checked.stdout
    assert checked.stdout.endswith("2 to mend.\n")
    assert json.loads(run("plugins", "check", "--site", greeting, "--json").stdout)["ok"] is False


def test_trace_shows_who_is_called_at_a_start(run: Any, greeting: Path) -> None:
    calls = json.loads(run("plugins", "trace", "--site", greeting, "--json").stdout)
    called = [(call["hook"], call["plugin"]) for call in calls]
    assert ("register_transcoder", "ffmpeg") in called
    assert ("register_commands", "greeting") in called
    assert "register_storage" in run("plugins", "trace", "--site", greeting).stdout
