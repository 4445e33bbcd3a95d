"""Watermarks over HTTP: only pictures that decode are taken; what a video carries outlives its deletion."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import httpx
import pytest
from reelkit.media.pictures import BadPicture, read_picture
from reelkit.testing.served import ServedSite

from tests.api.pictures import jpeg, png
from tests.api.test_videos import problem


@pytest.fixture
def sandbox(site: ServedSite) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=site.url, headers={"X-API-Key": site.new_key(environment="sandbox")}, timeout=30) as client:
        yield client


def send(client: httpx.Client, data: bytes, name: str = "mark.png") -> httpx.Response:
    return client.post("/watermarks", files={"anything": (name, data)})


def files(site: ServedSite, watermark: str) -> int:
    return len([file for file in (site.folder / "data").rglob("*") if watermark in str(file) and file.is_file()])


def test_a_watermark_is_taken_listed_and_deleted(site: ServedSite) -> None:
    project = site.new_project()
    sandbox, production = (
        site.as_key(site.new_key(project=project, environment=environment)) for environment in ("sandbox", "production")
    )
    answer = send(sandbox, png(64, 32))

    assert answer.status_code == 200, answer.text
    mark = answer.json()
    assert set(mark) == {"watermarkId", "createdAt"}
    assert re.fullmatch(r"watermark_[0-9A-Za-z]{22}", mark["watermarkId"])
    second = send(sandbox, jpeg(64, 32), "mark.jpg").json()
    listed = sandbox.get("/watermarks?sortBy=createdAt&sortOrder=asc").json()
    assert listed["data"] == [mark, second]
    assert sandbox.get("/watermarks?pageSize=1").json()["data"] == [second]
    assert files(site, mark["watermarkId"]) == 1
    problem(sandbox.get("/watermarks?sortBy=name"), 400, "invalid-query-parameter")
    for stranger in (production, site.client):
        problem(stranger.delete(f"/watermarks/{mark['watermarkId']}"), 404, "resource-not-found")
    assert sandbox.delete(f"/watermarks/{mark['watermarkId']}").status_code == 204
    assert problem(sandbox.delete(f"/watermarks/{mark['watermarkId']}"), 404, "resource-not-found")["name"] == "watermarkId"
    assert sandbox.get("/watermarks").json()["data"] == [second]


@pytest.mark.parametrize(
    ("data", "slug"),
    [
        (b"", "uploaded-file-empty"),
        (b"GIF89a not taken", "uploaded-file-extension-invalid"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "uploaded-file-extension-invalid"),
        (
            b"RIFF\x24\0\0\0WEBPVP8L\x17\0\0\0\x2f\0\0\0\x10\x07\x10\x11\x11\x88\x88\xfe\x07\0",
            "uploaded-file-extension-invalid",
        ),
        (png(8, 8)[:40], "uploaded-file-invalid-file"),
        (png(8, 8, declared=(4000, 4000)), "uploaded-file-invalid-file"),
        (png(8, 8, declared=(100_000, 100_000)), "uploaded-file-invalid-file"),
        (png(5000, 1), "uploaded-file-invalid-file"),
        (b"\x89PNG" + b"x" * (9 << 20), "uploaded-file-too-large"),
    ],
    ids=["empty", "gif", "svg", "webp", "cut off", "lying", "bomb", "wide", "large"],
)
def test_what_is_no_usable_picture_is_refused(site: ServedSite, sandbox: httpx.Client, data: bytes, slug: str) -> None:
    before = sandbox.get("/watermarks").json()["pagination"]["itemsTotal"]
    problem(send(sandbox, data), 400, slug)
    assert sandbox.get("/watermarks").json()["pagination"]["itemsTotal"] == before


@pytest.mark.parametrize("marker", [b"\xff", b"\xff\x01", b"\xff\xe0\0\2"], ids=["fill", "alone", "empty"])
def test_a_jpeg_of_countless_markers_is_given_up_early(marker: bytes) -> None:
    with pytest.raises(BadPicture, match="damaged"):
        read_picture(b"\xff\xd8\xff" + marker * 100_000)
    with pytest.raises(BadPicture, match="ends before"):
        read_picture(b"\xff\xd8\xff" + marker * 1000)


def test_a_video_carries_only_a_watermark_of_its_own_scope(site: ServedSite, sandbox: httpx.Client) -> None:
    mine = send(site.client, png(16, 16)).json()["watermarkId"]
    theirs = send(sandbox, png(16, 16)).json()["watermarkId"]
    place = {"top": "10px", "left": "5%", "opacity": "50%"}
    assert site.client.post("/videos", json={"title": "t", "watermark": {"id": mine, **place}}).status_code == 201
    for id in (theirs, "watermark_unknown", "x"):
        answer = site.client.post("/videos", json={"title": "t", "watermark": {"id": id, **place}})
        assert problem(answer, 400, "invalid-attribute")["name"] == "watermark[id]"


def test_a_deleted_watermark_stays_for_the_videos_that_carry_it_and_for_no_others(site: ServedSite) -> None:
    carried, idle = (send(site.client, png(16, 16)).json()["watermarkId"] for _ in range(2))
    body = {"title": "t", "watermark": {"id": carried, "top": "1px", "left": "1px"}}
    assert site.client.post("/videos", json=body).status_code == 201

    for id in (carried, idle):
        assert site.client.delete(f"/watermarks/{id}").status_code == 204

    listed = site.client.get("/watermarks?pageSize=100").text
    assert carried not in listed and idle not in listed
    deadline = time.monotonic() + 30
    while files(site, idle) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert (files(site, carried), files(site, idle)) == (1, 0)
    problem(site.client.post("/videos", json=body), 400, "invalid-attribute")
