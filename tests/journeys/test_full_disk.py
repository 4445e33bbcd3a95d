"""A disk that fills up while a file is uploaded."""

from __future__ import annotations

from pathlib import Path

from reelkit.testing.served import served_site


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
