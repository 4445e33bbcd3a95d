"""`reelkit doctor` finds what is wrong with a site and says how to mend it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


def findings(run: Any, site: Path, **variables: str) -> tuple[int, dict[str, dict[str, str]]]:
    ran = run("doctor", "--site", site, "--json", **variables)
    return ran.returncode, {finding["name"]: finding for finding in json.loads(ran.stdout)}


def test_a_new_site_is_well(run: Any, site: Path) -> None:
    code, found = findings(run, site)
    assert code == 0, found
    looked_at = "address secrets plugins ffmpeg encoding disk_space disk_speed database storage clock"
    assert list(found) == [name.replace("_", " ") for name in looked_at.split()]
    assert "libx264" in found["ffmpeg"]["found"]
    assert not list((site / "data").glob(".doctor*"))
    told = run("doctor", "--site", site).stdout
    assert "ok" in told
    assert "FAIL" not in told


def test_secrets_that_others_can_read_fail_with_the_command(run: Any, site: Path) -> None:
    (site / "data" / "secrets.json").chmod(0o644)
    code, found = findings(run, site)
    assert code == 1
    assert found["secrets"]["state"] == "fail"
    assert found["secrets"]["mend"] == f"chmod 600 {site / 'data' / 'secrets.json'}"


def test_an_ffmpeg_without_codecs_fails(run: Any, site: Path, tmp_path: Path) -> None:
    program = tmp_path / "ffmpeg"
    program.write_text("#!/bin/sh\necho ffmpeg version 1.0\n")
    program.chmod(0o755)
    code, found = findings(run, site, IMAGEIO_FFMPEG_EXE=str(program))
    assert code == 1
    assert "lacks libx264, aac" in found["ffmpeg"]["found"]


def test_an_ffmpeg_that_does_not_run_fails(run: Any, site: Path, tmp_path: Path) -> None:
    program = tmp_path / "ffmpeg"
    program.write_text("#!/bin/sh\necho no such codec >&2; exit 1\n")
    program.chmod(0o755)
    code, found = findings(run, site, IMAGEIO_FFMPEG_EXE=str(program))
    assert code == 1
    assert "no such codec" in found["ffmpeg"]["found"]


def test_a_valkey_that_is_named_must_answer(run: Any, site: Path) -> None:
    code, found = findings(run, site, REELKIT_VALKEY__URL="valkey://127.0.0.1:1", IMAGEIO_FFMPEG_EXE="/nowhere")
    assert code == 1
    assert found["valkey"]["state"] == "fail"
    assert "Meanwhile each process counts rate limits by itself." in found["valkey"]["found"]
    assert found["ffmpeg"]["mend"] == "Unset IMAGEIO_FFMPEG_EXE, or point it at an ffmpeg that runs."


def test_a_plugin_that_does_not_fit_fails(run: Any, site: Path) -> None:
    (site / "plugins" / "bad.py").write_text("import reelkit\n@reelkit.hookimpl\ndef on_evnt(): ...\n")
    code, found = findings(run, site)
    assert code == 1
    assert 'Did you mean "on_event"?' in found["plugins"]["found"]


def test_a_plugins_own_check_is_asked(run: Any, site: Path) -> None:
    (site / "plugins" / "tape.py").write_text(
        "import reelkit\nasync def _check(): raise RuntimeError('the tape is torn')\n"
        "@reelkit.hookimpl\ndef register_health_check(): return reelkit.HealthCheck('tape', _check)\n"
    )
    code, found = findings(run, site)
    assert code == 1
    assert found["plugin tape"]["found"] == "the tape is torn"


def test_countries_that_nobody_tells_are_a_fault(run: Any, site: Path) -> None:
    code, found = findings(run, site, REELKIT_PLAYBACK__ALLOWED_COUNTRIES='["DE"]')
    assert code == 1
    assert "geoip" in found["countries"]["mend"]


def test_a_database_that_is_down_fails(run: Any, site: Path) -> None:
    code, found = findings(run, site, REELKIT_DATABASE__URL="postgresql://me:hunter2@127.0.0.1:9/x")
    assert code == 1
    assert found["database"]["state"] == "fail"
    assert "hunter2" not in json.dumps(found)


def test_postgres_is_asked_for_its_clock_and_schema(run: Any, site: Path, postgres_url: str) -> None:
    code, found = findings(run, site, REELKIT_DATABASE__URL=postgres_url)
    assert code == 1
    assert found["database"]["mend"] == "Run: reelkit migrate"
    assert "the database's" in found["clock"]["found"]


@pytest.mark.parametrize(("url", "state"), [("http://video.example.org", "warn"), ("https://video.example.org", "ok")])
def test_an_address_without_tls_is_a_warning(run: Any, site: Path, url: str, state: str) -> None:
    code, found = findings(run, site, REELKIT_SITE__BASE_URL=url)
    assert (code, found["address"]["state"]) == (0, state)


def test_a_wrong_site_is_a_finding_a_line(run: Any, site: Path) -> None:
    (site / "site.toml").write_text("[databse]\nurl = 'x'\n")
    ran = run("doctor", "--site", site, "--json")
    assert ran.returncode == 1
    fault = 'site.toml line 2: unknown setting "databse.url". Did you mean "database.url"?'
    assert [finding["found"] for finding in json.loads(ran.stdout)] == [fault]
