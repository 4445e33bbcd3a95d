"""Plugins are found, put in order, given their settings, or refused with every fault named."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from reelkit.plugins import PluginRefused
from reelkit.site import Site

ON_EVENT = "from reelkit import hookimpl\n@hookimpl\ndef on_event(event): ...\n"


def faults(folder: Any, **options: Any) -> tuple[str, ...]:
    with pytest.raises(PluginRefused) as refused:
        folder.load(**options)
    return refused.value.faults


def test_files_and_distributions_are_found(folder: Any, install: Callable[..., None]) -> None:
    folder.plugin("mine", ON_EVENT)
    folder.plugin("_notes", "raise RuntimeError")
    install("reelkit-theirs", "theirs", ON_EVENT)
    plugins = folder.load()
    assert plugins.names == ("mine", "parts", "theirs")
    assert {report.name: report.origin for report in plugins.report() if report.state == "working"} == {
        "mine": "plugins/mine.py",
        "parts": "plugins/parts.py",
        "theirs": "reelkit-theirs 1.0",
    }
    assert {report.name for report in plugins.report() if report.state == "disabled"} == {
        "ffmpeg",
        "geoip",
        "local",
        "mediachrome",
        "s3",
        "streamproxy",
    }


def test_the_chosen_parts_are_opened_once(folder: Any) -> None:
    plugins = folder.load()
    assert plugins.storage() is plugins.storage()
    assert plugins.transcoder().can(None)
    assert type(plugins.player()).__name__ == "Screen"
    assert plugins.chosen("storage") == "memory"


def test_plugins_are_called_by_order_then_name(folder: Any) -> None:
    for name in ("b", "a", "last", "first"):
        folder.plugin(name, ON_EVENT)
    folder.toml("[plugins.last]\norder = 10\n[plugins.first]\norder = -1\n")
    assert folder.load().names == ("first", "a", "b", "parts", "last")


def test_tryfirst_goes_before_order(folder: Any) -> None:
    route = "from reelkit import hookimpl\n@hookimpl{}\ndef register_routes(): return ['{}']\n"
    folder.plugin("a", route.format("", "a"))
    folder.plugin("b", route.format("(tryfirst=True)", "b"))
    assert folder.load().collect("register_routes") == [["b"], ["a"]]


def test_a_disabled_plugin_is_not_even_imported(folder: Any) -> None:
    folder.plugin("broken", "raise RuntimeError('imported')")
    folder.toml("[plugins.broken]\nenabled = false\n")
    assert "broken" not in folder.load().names


def test_settings_reach_the_hook_typed(folder: Any) -> None:
    folder.plugin(
        "mine",
        """
        import msgspec, reelkit
        class Settings(msgspec.Struct):
            prefix: str
            depth: int = 1
            hosts: tuple[str, ...] = ()
        @reelkit.hookimpl
        def register_routes(settings, site):
            return [settings, site]
        """,
    )
    folder.toml('[plugins.mine]\nprefix = "p"\norder = 3\n')
    plugins = folder.load(environ={"REELKIT_PLUGINS__MINE__DEPTH": "7", "REELKIT_PLUGINS__MINE__HOSTS": '["a"]'})
    ((settings, site),) = plugins.collect("register_routes")
    assert (settings.prefix, settings.depth, settings.hosts) == ("p", 7, ("a",))
    assert isinstance(site, Site)


SETTINGS = """
import msgspec, reelkit
class Settings(msgspec.Struct):
    bucket: str
    parts: int = 1
@reelkit.hookimpl
def register_storage(settings):
    return reelkit.Provides("mine", lambda: settings)
"""


def test_wrong_settings_are_named_with_their_lines(folder: Any) -> None:
    folder.plugin("mine", SETTINGS)
    folder.toml('[plugins.mine]\nbuckt = "x"\nparts = "many"\n')
    assert faults(folder) == (
        'site.toml line 4: "plugins.mine.bucket" is missing; it is "text in quotes"',
        'site.toml line 5: unknown setting "plugins.mine.buckt". Did you mean "plugins.mine.bucket"?',
        'site.toml line 6: "plugins.mine.parts" must be a whole number, not text',
    )


def test_a_setting_of_a_plugin_that_has_none_is_refused(folder: Any) -> None:
    folder.plugin("mine", ON_EVENT)
    folder.toml("[plugins.mine]\nordr = 1\n")
    assert faults(folder) == ('site.toml line 5: unknown setting "plugins.mine.ordr". Did you mean "plugins.mine.order"?',)


def test_a_section_of_no_plugin_is_refused(folder: Any) -> None:
    folder.toml("[plugins.prats]\n")
    assert faults(folder) == ('site.toml line 4: unknown plugin "plugins.prats". Did you mean "plugins.parts"?',)


def test_an_installed_plugin_that_nobody_configured_waits(folder: Any) -> None:
    folder.plugin("mine", SETTINGS)
    plugins = folder.load()
    assert {report.name: report.state for report in plugins.report()}["mine"] == "not configured"


def test_choosing_a_plugin_without_its_settings_says_which_are_missing(folder: Any) -> None:
    folder.plugin("mine", SETTINGS)
    folder.toml("", use='[use]\nstorage = "mine"\ntranscoder = "copier"\n')
    assert faults(folder) == ('site.toml: "plugins.mine.bucket" is missing; it is "text in quotes"',)


def test_an_unknown_storage_is_named_with_what_is_installed(folder: Any) -> None:
    folder.toml("", use='[site]\nname = "x"\n[use]\nstorage = "Memry"\ntranscoder = "copier"\n')
    assert faults(folder) == ('site.toml line 4: unknown storage "Memry". Installed: memory. Did you mean "memory"?',)


def test_a_missing_player_falls_back_to_the_default_and_says_so(folder: Any) -> None:
    folder.toml("", use='[use]\nstorage = "memory"\ntranscoder = "copier"\nplayer = "shaka"\n')
    plugins = folder.load()
    assert type(plugins.player()).__name__ == "Screen"
    assert plugins.warnings == (
        'site.toml line 4: unknown player "shaka". Installed: mediachrome. Meanwhile "mediachrome" plays.',
    )


def test_a_player_that_cannot_be_opened_falls_back_to_the_default(folder: Any) -> None:
    folder.plugin(
        "shaka",
        """
        import reelkit
        def _open(): raise FileNotFoundError("run make player")
        @reelkit.hookimpl
        def register_player(): return reelkit.Provides("shaka", _open)
        """,
    )
    folder.toml("", use='[use]\nstorage = "memory"\ntranscoder = "copier"\nplayer = "shaka"\n')
    plugins = folder.load()
    assert plugins.chosen("player") == "mediachrome"
    assert type(plugins.player()).__name__ == "Screen"
    (report,) = (report for report in plugins.report() if report.name == "shaka")
    assert "run make player" in (report.last_error or "")


def test_two_storages_of_one_name_are_refused(folder: Any) -> None:
    folder.plugin(
        "other", "import reelkit\n@reelkit.hookimpl\ndef register_storage(): return reelkit.Provides('memory', dict)\n"
    )
    assert faults(folder) == (
        'two plugins offer a storage named "memory": other (plugins/other.py) and parts (plugins/parts.py). '
        "Leave one out: [plugins.parts] enabled = false",
    )


def test_two_plugins_of_one_name_are_refused(folder: Any, install: Callable[..., None]) -> None:
    install("reelkit-parts", "parts", ON_EVENT)
    install("reelkit-parts-too", "parts", ON_EVENT)
    assert faults(folder) == (
        'two plugins are named "parts": plugins/parts.py and reelkit-parts 1.0. Rename or remove one.',
        'two plugins are named "parts": plugins/parts.py and reelkit-parts-too 1.0. Rename or remove one.',
    )


def test_a_part_that_lacks_methods_is_refused_by_name(folder: Any) -> None:
    folder.plugin(
        "half", "import reelkit\n@reelkit.hookimpl\ndef register_storage(): return reelkit.Provides('half', dict)\n"
    )
    folder.toml("", use='[use]\nstorage = "half"\ntranscoder = "copier"\n')
    with pytest.raises(PluginRefused, match=r'plugin "half": storage "half" is no Storage: it lacks check, close, delete'):
        folder.load().storage()


def test_a_register_hook_that_raises_stops_the_start(folder: Any) -> None:
    folder.plugin("bad", "import reelkit\n@reelkit.hookimpl\ndef register_storage():\n    raise OSError('no disk')\n")
    assert faults(folder) == ('plugin "bad" (plugins/bad.py): register_storage failed: OSError: no disk (bad.py line 4)',)


def test_a_register_hook_that_returns_something_else_stops_the_start(folder: Any) -> None:
    folder.plugin("bad", "import reelkit\n@reelkit.hookimpl\ndef register_storage(): return 'local'\n")
    assert faults(folder) == ('plugin "bad" (plugins/bad.py): register_storage must return reelkit.Provides, not str',)


def test_a_plugin_that_cannot_be_imported_is_named_and_how_to_start_without_it(folder: Any) -> None:
    folder.plugin("bad", "import nonsense_that_is_not_installed\n")
    (fault,) = faults(folder)
    assert fault.startswith('plugin "bad" (plugins/bad.py) cannot be imported: ModuleNotFoundError: No module named')
    assert fault.endswith("Start without it: [plugins.bad] enabled = false")


def test_without_third_parties_only_reelkits_own_are_loaded(folder: Any, install: Callable[..., None]) -> None:
    install("reelkit-theirs", "theirs", "raise RuntimeError")
    folder.plugin("broken", "raise RuntimeError")
    for options in ({"third_party": False}, {"environ": {"REELKIT_NO_PLUGINS": "1"}}):
        (fault,) = faults(folder, **options)
        assert fault == (
            'site.toml line 2: unknown storage "memory". Installed: none. Third-party plugins are left out (--no-plugins).'
        )


def test_all_plugins_faults_are_told_at_once(folder: Any) -> None:
    folder.plugin("a", "import nonsense")
    folder.plugin("b", "")
    folder.toml("[plugins.parts]\nenabled = 3\n")
    assert len(faults(folder)) == 3


def test_reelkits_own_plugins_fit_and_import_nothing_heavy(tmp_path: Any) -> None:
    (tmp_path / "site.toml").write_text("")
    code = (
        "import sys; from reelkit.plugins import load_plugins; from reelkit.site import load_site\n"
        "plugins = load_plugins(load_site(sys.argv[1], {}), environ={})\n"
        "print(*sorted(plugins.names), *(plugins.chosen(part) for part in ('storage', 'transcoder', 'player')))\n"
        "print([name for name in ('obstore', 'av', 'numpy', 'litestar', 'cyclopts', 'piccolo') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines() == ["ffmpeg geoip local mediachrome s3 streamproxy local ffmpeg mediachrome", "[]"]
