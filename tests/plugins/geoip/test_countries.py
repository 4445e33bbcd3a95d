"""The plugin `geoip`: countries out of files as their makers write them, replaced and broken ones too."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from reelkit.access.countries import Countries
from reelkit.plugins import PluginRefused, load_plugins
from reelkit.site import Site
from reelkit.testing.clock import Clock
from reelkit_geoip.countries import CountryFile

from tests.plugins.geoip.mmdb import database

GEOLITE = {
    "2001:db8::/32": {"country": {"iso_code": "DE", "names": {"en": "Germany"}}},
    "198.51.100.0/24": {"country": {"iso_code": "FR"}, "registered_country": {"iso_code": "US"}},
    "198.51.100.128/25": {"registered_country": {"iso_code": "CH"}},
    "203.0.113.0/24": {"continent": {"code": "EU"}},
}
IPINFO = {"198.51.100.0/24": {"country_code": "FR", "country": "France"}, "192.0.2.0/24": {"country": "GB"}}


@pytest.mark.parametrize(
    ("networks", "address", "country"),
    [
        (GEOLITE, "198.51.100.7", "FR"),
        (GEOLITE, "::ffff:198.51.100.7", None),
        (GEOLITE, "198.51.100.200", "CH"),
        (GEOLITE, "2001:db8::7", "DE"),
        (GEOLITE, "203.0.113.9", None),
        (GEOLITE, "192.0.2.1", None),
        (GEOLITE, "nonsense", None),
        (GEOLITE, "", None),
        (IPINFO, "198.51.100.7", "FR"),
        (IPINFO, "192.0.2.1", "GB"),
    ],
)
def test_countries_are_read(tmp_path: Path, networks: dict[str, Any], address: str, country: str | None) -> None:
    (tmp_path / "c.mmdb").write_bytes(database(networks))
    assert CountryFile(tmp_path / "c.mmdb").country(address) == country


def test_a_file_that_takes_its_place_is_used_within_a_minute(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, clock = tmp_path / "c.mmdb", Clock()
    path.write_bytes(database(GEOLITE))
    file = CountryFile(path, clock)
    put = tmp_path / "new"
    put.write_bytes(database({"198.51.100.0/24": {"country": {"iso_code": "ES"}}}))
    put.replace(path)
    assert file.country("198.51.100.7") == "FR"
    clock.now += 60
    assert file.country("198.51.100.7") == "ES"
    put.write_bytes(b"not whole")
    put.replace(path)
    clock.now += 60
    with caplog.at_level(logging.WARNING):
        assert file.country("198.51.100.7") == "ES"
    assert "no file in the MaxMind DB format" in caplog.text
    path.unlink()
    clock.now += 60
    assert file.country("198.51.100.7") == "ES"


def test_a_site_that_names_a_file_knows_countries(tmp_path: Path) -> None:
    (tmp_path / "c.mmdb").write_bytes(database(GEOLITE))
    countries = Countries(load_plugins(Site(folder=tmp_path, plugins={"geoip": {"file": "c.mmdb"}})))
    assert countries.known
    assert [countries.of(address) for address in ("198.51.100.7", "192.0.2.1", "")] == ["FR", "", ""]


async def test_a_missing_or_broken_file_is_told_and_stops_nothing(tmp_path: Path) -> None:
    plugins = load_plugins(Site(folder=tmp_path, plugins={"geoip": {"file": "c.mmdb"}}))
    countries = Countries(plugins)
    assert not countries.known and countries.of("198.51.100.7") == ""
    (report,) = [report for report in plugins.report() if report.name == "geoip"]
    assert report.last_error is not None and "c.mmdb cannot be read" in report.last_error
    (check,) = [check for check in plugins.health_checks() if check.name == "countries"]
    with pytest.raises(RuntimeError, match="cannot be read"):
        await check.check()
    (tmp_path / "c.mmdb").write_bytes(database(GEOLITE)[:-30])
    with pytest.raises(RuntimeError, match="no file in the MaxMind DB format"):
        await check.check()


def test_a_site_that_names_no_file_loads_no_reader(tmp_path: Path) -> None:
    countries = Countries(load_plugins(Site(folder=tmp_path)))
    assert not countries.known
    with pytest.raises(PluginRefused, match="file"):
        load_plugins(Site(folder=tmp_path, plugins={"geoip": {"fiel": "c.mmdb"}}))
