"""`reelkit plugins`, and the commands that plugins add."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from reelkit.cli import plugins


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


def test_a_command_of_a_plugin_explains_itself(run: Any, greeting: Path) -> None:
    told = run("greet", "--help", "--site", greeting)
    assert told.returncode == 0, told.stderr
    assert "Usage: reelkit greet NAME" in told.stdout


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


MISTAKES = {
    "a route that is no handler": (
        "@reelkit.hookimpl\ndef register_routes(): return [len]\n",
        "plugin odd: a route of it is refused: ",
    ),
    "a route that is served already": (
        "from litestar import get\n@get('/videos')\nasync def own() -> str: return ''\n"
        "@reelkit.hookimpl\ndef register_routes(): return [own]\n",
        "plugin odd: a route of it is refused: GET /videos is served already",
    ),
    "a storage that is none": (
        "@reelkit.hookimpl\ndef register_storage(): return reelkit.Provides('odd', open=lambda: 5)\n",
        'plugin "odd": storage "odd" is no Storage: it lacks check, close, ',
    ),
    "a storage that cannot be made": (
        "@reelkit.hookimpl\ndef register_storage(): return reelkit.Provides('odd', open=5)\n",
        'open of Provides("odd", open=…) must be a function that makes the storage, not 5',
    ),
    "a player without files": (
        "class Own:\n    def assets(self): return None\n"
        "@reelkit.hookimpl\ndef register_player(): return reelkit.Provides('odd', open=Own)\n",
        'player "odd": assets() must return PlayerAssets, not NoneType',
    ),
    "a summarizer that is none": (
        "@reelkit.hookimpl\ndef register_summarizer(): return 5\n",
        "plugin odd: register_summarizer returned int, which is no Summarizer",
    ),
    "a captioner that is none": (
        "@reelkit.hookimpl\ndef register_captioner(): return 5\n",
        "plugin odd: register_captioner returned int, which is no Captioner",
    ),
    "a syntax error": ("def x(:\n", "cannot be imported: SyntaxError: invalid syntax (odd.py, line 2). Start without it"),
    "an unusable time limit": (
        "@reelkit.hookimpl\nasync def on_event(event): pass\n#time_limit = -1",
        'site.toml line 2: "plugins.odd.time_limit" must be a number greater than 0',
    ),
}


@pytest.fixture
def checked(site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[[str, str], str]:
    """Checks a site with one plugin, `odd`, in this process: (code, settings) → what is printed."""
    monkeypatch.setattr(logging.getLogger("reelkit.plugins"), "disabled", False)  # puts it back

    def check_odd(code: str, settings: str) -> str:
        (site / "plugins" / "odd.py").write_text(f"import reelkit\n{code}")
        (site / "site.toml").write_text(settings)
        plugins.check(site=site)
        printed = capsys.readouterr()
        assert printed.err == ""
        return printed.out

    return check_odd


@pytest.mark.parametrize("mistake", MISTAKES)
def test_check_tells_an_author_once_what_a_start_would_stumble_over(
    checked: Callable[[str, str], str], mistake: str
) -> None:
    code, told = MISTAKES[mistake]
    setting = code.rpartition("#")[2] if "#" in code else ""
    part = next((part for part in ("storage", "player") if part in mistake), None)
    use = f'[use]\n{part} = "odd"\n' if part else ""
    printed = checked(code, f"[plugins.odd]\n{setting}\n{use}")
    assert told in printed
    assert printed.endswith("1 to mend.\n")


def test_a_part_that_is_switched_off_is_no_unknown_one(checked: Callable[[str, str], str]) -> None:
    printed = checked("@reelkit.hookimpl\ndef register_routes(): return []\n", "[plugins.local]\nenabled = false\n")
    assert 'the storage "local" is switched off by [plugins.local] enabled' in printed


def test_check_says_what_an_idle_plugin_lacks(checked: Callable[[str, str], str]) -> None:
    code = "import msgspec\nclass Settings(msgspec.Struct):\n    word: str\n"
    printed = checked(f"{code}@reelkit.hookimpl\ndef register_routes(settings): return []\n", "")
    assert "plugin odd is idle: " in printed and "plugins.odd.word" in printed
    assert printed.endswith(" plugins fit.\n")
