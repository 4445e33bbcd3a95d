"""The default player as a plugin: settings, and what was built."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest
from reelkit.interfaces.player import Player
from reelkit_mediachrome import MediaChrome, Settings

ROOT = Path(__file__).resolve().parents[3]


def test_it_is_a_player_that_hands_its_settings_over() -> None:
    player = MediaChrome(msgspec.convert({"accent": "tomato", "rates": [1, 2]}, Settings))
    assert isinstance(player, Player)
    assert json.loads(msgspec.json.encode(player.assets().options)) == {"accent": "tomato", "rates": [1, 2]}


def test_a_player_that_is_not_built_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="make player"):
        MediaChrome(folder=tmp_path).assets()


def test_the_bundle_asks_nobody_else_and_carries_its_licences() -> None:
    folder = MediaChrome().assets().folder
    # Addresses that are names (of XML and metadata schemes), never fetched.
    names = ("http://www.w3.org/", "https://aomedia.org/emsg/", "https://developer.apple.com/", "http://aomedia")
    scripts = [*folder.glob("*.js")]
    assert scripts
    for script in scripts:
        hosts = set(re.findall(r"https?://[a-z0-9.-]+\.[a-z]{2,}[^\"'`\s)]*", script.read_text("utf-8")))
        assert not [host for host in hosts if not host.startswith(names)], script.name
    licences = (folder / "LICENSES.txt").read_text("utf-8")
    for part in json.loads((ROOT / "plugins/mediachrome/package.json").read_text())["dependencies"]:
        assert part in licences


def test_the_bundle_stays_small() -> None:
    folder = MediaChrome().assets().folder
    loaded = [folder / "player.js.br", folder / "player.css.br", *folder.glob("chunk-*.br")]
    assert sum(path.stat().st_size for path in loaded) < 180_000


@pytest.mark.parametrize("lock", ["plugins/mediachrome", "core/reelkit/testing/chromium", "tests/browser/axe"])
def test_locks_pin_every_package_by_hash_and_name_no_host(lock: str) -> None:
    text = (ROOT / lock / "package-lock.json").read_text("utf-8")
    packages = {name: entry for name, entry in json.loads(text)["packages"].items() if name}
    assert packages
    assert all("integrity" in entry for entry in packages.values())
    assert "://" not in re.sub(r'"(?:url|funding)": (?:"[^"]*"|\{[^}]*\}|\[[^]]*\])', "", text)
