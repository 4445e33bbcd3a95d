"""Countries by plugins: the first that knows is believed for a while, whoever fails is blamed and asked less and less."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from reelkit.access import countries as countries_module
from reelkit.access.countries import SLOW, Countries
from reelkit.plugins import load_plugins
from reelkit.site import Site
from reelkit.testing.clock import Clock

PLUGIN = """
import time
from reelkit import hookimpl

asked = []

class Map:
    def country(self, address):
        asked.append(address)
        if address == "192.0.2.1":
            raise RuntimeError("torn")
        if address == "192.0.2.2":
            return "Germany"
        if address == "192.0.2.3":
            time.sleep(0.06)
        return {"192.0.2.3": "fr", "192.0.2.4": None}.get(address, NAME)

@hookimpl
def register_geolocator():
    return Map()
"""


@pytest.fixture
def countries(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Countries:
    """Asks two plugins, `first` and `second`; on a busy machine, either may take longer than it should."""
    monkeypatch.setattr(countries_module, "SLOW", 5.0)
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "first.py").write_text(PLUGIN.replace("NAME", '"DE"'))
    (tmp_path / "plugins" / "second.py").write_text(
        PLUGIN.replace("raise RuntimeError", "return 'CH' #").replace("NAME", '"GB"')
    )
    return Countries(load_plugins(Site(folder=tmp_path)), clock)


def errors(countries: Countries, plugin: str) -> int:
    return next(report.errors for report in countries._plugins.report() if report.name == plugin)


def test_the_first_that_knows_is_believed_and_not_asked_again_for_a_while(countries: Countries, clock: Clock) -> None:
    assert [countries.of("192.0.2.9") for _ in range(3)] == ["DE"] * 3
    asked = countries._all()[0][1].country.__globals__["asked"]
    assert asked == ["192.0.2.9"]
    clock.now += countries_module.SECONDS
    countries.of("192.0.2.9")
    assert asked == ["192.0.2.9"] * 2
    assert countries.of("") == ""


def test_one_that_fails_or_makes_no_sense_is_blamed_and_the_next_one_asked(countries: Countries) -> None:
    assert countries.of("192.0.2.1") == "CH"
    assert countries.of("192.0.2.2") == ""
    assert (errors(countries, "first"), errors(countries, "second")) == (2, 1)
    # A failure may be over at the next request, so it is not remembered; five and it is left alone.
    for _ in range(10):
        countries.of("192.0.2.1")
    assert errors(countries, "first") == 5
    assert countries.of("192.0.2.9") == "GB"


def test_one_that_holds_up_everybody_is_blamed(countries: Countries, monkeypatch: pytest.MonkeyPatch) -> None:
    assert SLOW < 0.06
    monkeypatch.setattr(countries_module, "SLOW", SLOW)
    assert countries.of("192.0.2.3") == "FR"
    assert errors(countries, "first") == 1


def test_the_memory_is_bounded_and_quick(countries: Countries, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(countries_module, "REMEMBERED", 10)
    for number in range(30):
        countries.of(f"198.51.100.{number}")
    assert len(countries._known) == 10
    started = time.process_time()
    for _ in range(1000):
        countries.of("198.51.100.29")
    assert (time.process_time() - started) / 1000 < 100e-6  # 0.4e-6 on an idle machine


def test_what_is_no_geolocator_is_blamed(tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    text = "from reelkit import hookimpl\n@hookimpl\ndef register_geolocator():\n    return 7\n"
    (tmp_path / "plugins" / "odd.py").write_text(text)
    countries = Countries(load_plugins(Site(folder=tmp_path)))
    assert not countries.known
    assert errors(countries, "odd") == 1
