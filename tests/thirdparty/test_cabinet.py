"""A storage that reelkit knows nothing of: its own distribution, chosen by name, held to the same promises."""

from __future__ import annotations

import importlib
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from reelkit.interfaces.storage import Storage
from reelkit.testing.storage import StorageConformance

Run = Callable[..., subprocess.CompletedProcess[str]]

USING = """
import asyncio, sys
from reelkit.plugins import load_plugins
from reelkit.site import load_site
from reelkit.testing.streams import content, joined, stream

async def main():
    plugins = load_plugins(load_site(sys.argv[1]))
    storage = plugins.storage()
    await storage.put("p/vi1/file", stream(content(3_000_000)))
    assert await joined(storage.read("p/vi1/file", 5)) == content(3_000_000)[5:]
    await storage.check()
    await storage.close()
    print(plugins.chosen("storage"), type(storage).__module__)

asyncio.run(main())
"""


class TestCabinet(StorageConformance):
    @pytest.fixture
    async def storage(self, tmp_path: Path, installed: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Storage]:
        monkeypatch.syspath_prepend(str(installed))
        cabinet = importlib.import_module("reelkit_cabinet")
        assert str(cabinet.__file__).startswith(str(installed))
        storage = cabinet.Cabinet(tmp_path / "media.sqlite")
        yield storage
        await storage.close()


def site(folder: Path, text: str) -> Path:
    (folder / "site.toml").write_text(text)
    return folder


def test_a_site_uses_it_by_its_name(run: Run, tmp_path: Path) -> None:
    folder = site(tmp_path, '[use]\nstorage = "cabinet"\n[plugins.cabinet]\nfile = "shelf/media.sqlite"\n')
    used = run("-c", USING, str(folder))
    assert used.stdout == "cabinet reelkit_cabinet.storage\n", used.stderr
    assert (folder / "shelf" / "media.sqlite").stat().st_size > 3_000_000
    assert not (folder / "data" / "media").exists()


def test_its_settings_are_checked_by_its_own_struct(run: Run, tmp_path: Path) -> None:
    folder = site(tmp_path, '[use]\nstorage = "cabinet"\n[plugins.cabinet]\nfiel = "x"\n')
    refused = run("-c", USING, str(folder))
    assert refused.returncode != 0
    assert "fiel" in refused.stderr
    assert 'Did you mean "plugins.cabinet.file"?' in refused.stderr


def test_a_misspelt_name_is_told_what_is_installed(run: Run, tmp_path: Path) -> None:
    refused = run("-c", USING, str(site(tmp_path, '[use]\nstorage = "cabinets"\n')))
    assert refused.returncode != 0
    assert "cabinets" in refused.stderr
    assert 'Did you mean "cabinet"?' in refused.stderr


def test_sites_that_do_not_name_it_are_left_alone(run: Run, tmp_path: Path) -> None:
    used = run("-c", USING, str(site(tmp_path, "")))
    assert used.stdout == "local reelkit_local.storage\n", used.stderr
