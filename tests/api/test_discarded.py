"""Where a site restores videos, a deleted one is out of sight and can come back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from reelkit.testing.served import ServedSite, served_site


@pytest.fixture(scope="module")
def restoring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedSite]:
    """A site that keeps deleted videos."""
    with served_site(tmp_path_factory.mktemp("restoring"), "[videos]\nrestore = true\nrestore_days = 10\n") as site:
        yield site


def test_a_discarded_video_is_out_of_sight_until_it_is_restored(restoring: ServedSite, sample_h264: Path) -> None:
    client = restoring.client
    video = restoring.new_film(sample_h264, "Kept", tags=["keep"], metadata=[{"key": "k", "value": "v"}])
    manifest = f"/vod/{video}/hls/manifest.m3u8"
    assert client.get(manifest).status_code == 200
    before = client.get(f"/videos/{video}").json()

    total = client.get("/videos").json()["pagination"]["itemsTotal"]
    assert client.delete(f"/videos/{video}").status_code == 204

    assert client.get(f"/videos/{video}").status_code == client.get(f"/videos/{video}/status").status_code == 404
    assert client.patch(f"/videos/{video}", json={"title": "x"}).status_code == 404
    assert client.delete(f"/videos/{video}").status_code == 404
    assert client.get("/videos").json()["pagination"]["itemsTotal"] == total - 1
    for query in ({"tags[]": "keep"}, {"metadata[k]": "v"}, {"title": "kept"}):
        assert client.get("/videos", params=query).json()["data"] == []
        assert len(client.get("/discarded/videos", params=query).json()["data"]) == 1
    assert client.get("/tags").json()["data"] == []
    wait_until_gone(restoring, manifest)

    shown = client.get(f"/discarded/videos/{video}").json()
    assert (shown["discarded"], shown["assets"], shown["title"]) == (True, None, "Kept")
    discarded, deletes = (datetime.fromisoformat(shown[name]) for name in ("discardedAt", "deletesAt"))
    assert deletes - discarded == timedelta(days=10)
    listed = client.get("/discarded/videos?pageSize=1").json()
    assert listed["data"] == [shown]
    assert listed["pagination"]["links"][0]["uri"] == "/discarded/videos?currentPage=1&pageSize=1"

    refused = client.patch(f"/discarded/videos/{video}", json={"discarded": True})
    assert (refused.status_code, refused.json()["name"]) == (400, "discarded")
    assert refused.json()["detail"] == "Value must be false."
    back = client.patch(f"/discarded/videos/{video}", json={"discarded": False})
    assert back.status_code == 200
    assert back.json() == before == client.get(f"/videos/{video}").json()
    assert client.get(f"/discarded/videos/{video}").status_code == 404
    assert client.get("/discarded/videos").json()["data"] == []
    assert client.get("/tags").json()["data"] == [{"value": "keep", "videoCount": 1}]
    assert [each["videoId"] for each in client.get("/videos?metadata[k]=v").json()["data"]] == [video]
    restoring.wait(video, lambda status: client.get(manifest).status_code == 200)


def wait_until_gone(site: ServedSite, path: str) -> None:
    """Wait until viewers have noticed."""
    deadline = time.monotonic() + 30
    while (answer := site.client.get(path)).status_code != 404:
        assert time.monotonic() < deadline, answer
        time.sleep(0.1)


def test_what_was_never_discarded_is_not_found_there(restoring: ServedSite) -> None:
    video = restoring.new_video()
    for method in ("GET", "PATCH"):
        answer = restoring.client.request(method, f"/discarded/videos/{video}", json={"discarded": False})
        assert (answer.status_code, answer.json()["name"]) == (404, "videoId")
