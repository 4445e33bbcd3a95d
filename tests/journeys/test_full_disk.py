"""A disk that fills up while a file is uploaded."""

from __future__ import annotations

import os
from pathlib import Path

from reelkit.testing.served import served_site

from tests.api.pictures import png


def test_a_full_disk_is_said_and_nothing_stays(tmp_path: Path, small_disk: Path, sample_h264: Path) -> None:
    def kept() -> int:
        return sum(path.stat().st_size for path in small_disk.rglob("*") if path.is_file())

    settings = f'[plugins.local]\nfolder = "{small_disk}/media"\nkeep_free = 1000000\n'
    with served_site(tmp_path / "site", settings) as site:
        video = site.new_video()
        before = kept()
        for content in (b"x" * 40_000_000, iter([b"x" * 1_000_000] * 40)):
            answer = site.client.post(f"/videos/{video}/source", content=content, headers={"Content-Type": "video/mp4"})
            assert answer.status_code == 507, answer.text
            assert answer.json()["type"].endswith("/insufficient-storage")
            assert "ingest" not in site.status(video)
        assert kept() == before
        assert site.upload(video, sample_h264).status_code == 201

        player = site.client.post("/players", json={}).json()["playerId"]
        live = site.client.post("/live-streams", json={"name": "l"}).json()["liveStreamId"]
        (small_disk / "others").write_bytes(bytes(room_on(small_disk) - 500_000))
        for path, file in (
            (f"/videos/{video}/captions/en", b"WEBVTT\n"),
            (f"/videos/{video}/thumbnail", png(64, 36)),
            (f"/live-streams/{live}/thumbnail", png(64, 36)),
            (f"/players/{player}/logo", png(64, 36)),
            ("/watermarks", png(64, 36)),
        ):
            answer = site.client.post(path, files={"file": ("file", file)})
            assert (answer.status_code, answer.json()["name"]) == (507, "file"), f"{path}: {answer.text}"


def room_on(folder: Path) -> int:
    """Bytes that are free."""
    free = os.statvfs(folder)
    return free.f_bavail * free.f_frsize
