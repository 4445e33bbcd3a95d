"""`reelkit site new` makes a site that works as it is."""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import Any

from reelkit.site import Site, load_site


def test_a_new_site_works_and_explains_itself(run: Any, tmp_path: Path) -> None:
    made = run("site", "new", "films", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    folder = tmp_path / "films"
    ready, public = made.stdout.splitlines()
    assert ready == f"{folder} is ready. Serve it with: reelkit serve --site {folder}"
    assert f": {load_site(folder, {}).access.public_api_key} (" in public
    assert load_site(folder, {}).site.name == "films"
    assert stat.S_IMODE((folder / "data" / "secrets.json").stat().st_mode) == 0o600
    assert run("plugins", "check", "--site", folder).returncode == 0


def test_every_default_that_the_skeleton_shows_is_the_default(site: Path) -> None:
    text = (site / "site.toml").read_text()
    assert text.count("\n# ") > 10
    shown = [
        line.removeprefix("# ") if line.startswith("# ") and (" = " in line or line.startswith("# [")) else line
        for line in text.partition("\n# [plugins")[0].splitlines()
    ]
    (site / "site.toml").write_text("\n".join(line for line in shown if not line.startswith("# ")))
    read, default = load_site(site, {}), Site(folder=site)
    for section in ("database", "valkey", "use", "network", "playback", "limits", "videos", "sandbox", "jobs", "tiers"):
        assert getattr(read, section) == getattr(default, section)
    assert read.site.base_url == default.site.base_url


def test_the_skeleton_names_every_setting(site: Path) -> None:
    sections = re.split(r"^\[(\w+)[\w.]*\]$", (site / "site.toml").read_text(), flags=re.MULTILINE)
    shown = dict(zip(sections[1::2], sections[2::2], strict=True))
    for section in set(Site.__struct_fields__) - {"folder", "origins", "plugins", "tiers"}:
        for name in getattr(Site(folder=site), section).__struct_fields__:
            assert re.search(rf"^(# )?{name} = ", shown[section], re.MULTILINE), f"[{section}] {name}"


def test_a_site_is_never_overwritten(run: Any, site: Path, tmp_path: Path) -> None:
    again = run("site", "new", site)
    assert again.returncode == 1
    assert again.stderr == f"reelkit: {site} is a site already. Serve it with: reelkit serve --site {site}\n"
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear")
    full = run("site", "new", tmp_path / "full")
    assert full.returncode == 1
    assert "is not empty" in full.stderr
    assert sorted(path.name for path in (tmp_path / "full").iterdir()) == ["letter.txt"]
