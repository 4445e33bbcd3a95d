"""The plugin `local`: what it offers and where it puts things."""

from __future__ import annotations

from pathlib import Path

import pytest
from reelkit import Site
from reelkit.testing.streams import stream
from reelkit_local import LocalStorage, Settings, register_storage


@pytest.mark.parametrize(("folder", "place"), [("data/media", "data/media"), ("/absolute", "/absolute")])
async def test_media_lie_below_the_site_unless_told_otherwise(tmp_path: Path, folder: str, place: str) -> None:
    outside = str(tmp_path / "elsewhere")
    settings = Settings(folder=folder.replace("/absolute", outside))
    offered = register_storage(Site(folder=tmp_path / "site"), settings)
    assert offered.name == "local"
    assert not (tmp_path / "site").exists()
    storage = offered.open()
    await storage.put("a/b", stream(b"x"))
    expected = tmp_path / "site" / place.replace("/absolute", outside)
    assert (expected / "objects" / "a" / "b").read_bytes() == b"x"
    assert isinstance(storage, LocalStorage)
    assert storage.local_path("a/b") == expected / "objects" / "a" / "b"
    await storage.close()


def test_the_default_folder_is_in_the_sites_data(tmp_path: Path) -> None:
    site = Site(folder=tmp_path)
    assert site.folder / Settings().folder == site.data / "media"
