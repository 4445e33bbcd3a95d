"""A plugin that would not be called as its author thinks is refused, with what was meant."""

from __future__ import annotations

from typing import Any

import pytest
from reelkit import hookspecs
from reelkit.plugins import PluginRefused
from reelkit.plugins.checking import hook_arguments

HERE = 'plugin "mine" (plugins/mine.py): '


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        (
            "@hookimpl\ndef register_stroage(site): ...",
            'there is no hook "register_stroage". Did you mean "register_storage"?',
        ),
        ("@hookimpl\ndef zzz(): ...", 'there is no hook "zzz".'),
        (
            "@hookimpl\ndef on_event(evnt): ...",
            'on_event takes "evnt", which on_event does not give. Did you mean "event"? It gives: event, site, settings.',
        ),
        (
            "@hookimpl\ndef on_event(event, setings=None): ...",
            'on_event takes "setings", which on_event does not give. Did you mean "settings"? '
            "It gives: event, site, settings.",
        ),
        (
            "@hookimpl\ndef on_event(*args): ...",
            "on_event takes *args; name the arguments it needs, of: event, site, settings.",
        ),
        (
            "@hookimpl\ndef on_event(**all): ...",
            "on_event takes **all; name the arguments it needs, of: event, site, settings.",
        ),
        (
            "@hookimpl\nasync def register_storage(): ...",
            "register_storage is async; register_storage is called before there is an event loop. Write it with def.",
        ),
        ("@hookimpl\ndef register_routes(): yield 1", "register_routes is a generator; a hook returns its answer."),
        (
            "@hookimpl(wrapper=True)\ndef on_event(event): yield",
            "on_event is a wrapper. Wrappers are not supported: one plugin must not stand around another's call.",
        ),
        (
            "def on_event(event): ...",
            "on_event is not marked. Write @hookimpl above it, or start its name with _ if it is not meant as the hook.",
        ),
        (
            "def on_events(event): ...",
            "on_events is not marked and is almost the hook on_event. Did you mean it? "
            "Then rename it and write @hookimpl above it, else start its name with _.",
        ),
        (
            "@hookimpl\ndef on_event(event): ...\n@hookimpl(specname='on_event')\ndef twice(event): ...",
            "on_event and twice both implement on_event. Keep one.",
        ),
        (
            "@hookimpl\ndef on_event(event): ...\nclass Settings: ...",
            "its Settings must be a msgspec.Struct.",
        ),
    ],
)
def test_a_misfit_is_refused_with_what_was_meant(folder: Any, code: str, fault: str) -> None:
    folder.plugin("mine", f"from reelkit import hookimpl\n{code}\n")
    with pytest.raises(PluginRefused) as refused:
        folder.load()
    assert refused.value.faults[0] == HERE + fault


def test_a_plugin_without_any_hook_is_refused(folder: Any) -> None:
    folder.plugin("mine", "x = 1")
    with pytest.raises(PluginRefused, match="implements no hook"):
        folder.load()


def test_a_removed_hook_says_what_to_use_instead(folder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(hookspecs.REMOVED, "on_upload", "since 0.2; use on_event with video.source.uploaded.")
    for marked in ("@hookimpl\n", ""):
        folder.plugin("mine", f"from reelkit import hookimpl\n{marked}def on_upload(event): ...\n")
        with pytest.raises(PluginRefused) as refused:
            folder.load()
        assert refused.value.faults[0] == (
            HERE + "the hook on_upload was removed: since 0.2; use on_event with video.source.uploaded."
        )


def test_an_entry_point_that_is_no_module_is_refused(folder: Any, install: Any) -> None:
    install("reelkit-theirs", "theirs", "class Plugin: ...", target=":Plugin")
    with pytest.raises(PluginRefused, match="its entry point must name a module, not type Plugin"):
        folder.load()


def test_helpers_with_other_names_are_left_alone(folder: Any) -> None:
    folder.plugin(
        "mine",
        """
        from reelkit import hookimpl
        from reelkit.hookspecs import register_routes  # imported, not its own
        def routes(): return []
        def _on_event(): ...
        @hookimpl
        def on_event(event): ...
        """,
    )
    assert "mine" in folder.load().names


def test_every_hook_says_since_when_and_what_a_failure_does() -> None:
    assert hook_arguments().keys() >= {"register_storage", "on_event", "register_commands"}
    for name in hook_arguments():
        text = getattr(hookspecs, name).__doc__ or ""
        assert "Since 0." in text, f"{name} does not say since which version it exists"
        assert "Fails: " in text, f"{name} does not say what a failure does"
        assert ("Fails: contained" in text) == (name in hookspecs.CONTAINED), f"{name}: CONTAINED and docstring disagree"
