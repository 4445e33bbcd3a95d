"""Videos are changed by merge patch, and what is too much or makes no sense is refused by name."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from reelkit.testing.served import ServedSite


def faults(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 400, answer.text
    body = answer.json()
    return {fault["name"]: fault["type"].rpartition("/")[2] for fault in body["problems"]}


def test_a_patch_changes_what_it_names_and_nothing_else(site: ServedSite) -> None:
    whole = {
        "title": "before",
        "description": "d",
        "playerId": site.client.post("/players", json={}).json()["playerId"],
        "tags": ["a", "b"],
        "metadata": [{"key": "k", "value": "v"}],
        "language": "fr",
        "panoramic": True,
    }
    before = site.client.post("/videos", json=whole).json()
    path = f"/videos/{before['videoId']}"

    assert site.client.patch(path, json={}).json() | {"updatedAt": ""} == before | {"updatedAt": ""}
    after = site.client.patch(path, json={"title": "Äfter", "tags": ["c"], "metadata": []}).json()
    assert (after["title"], after["tags"], after["metadata"]) == ("Äfter", ["c"], [])
    same = set(before) - {"title", "tags", "metadata", "updatedAt"}
    assert {name: after[name] for name in same} == {name: before[name] for name in same}
    assert site.client.get(path).json() == after

    detached = site.client.patch(path, json={"playerId": None, "language": None, "mp4Support": False}).json()
    assert "playerId" not in detached
    assert (detached["language"], detached["languageOrigin"]) == (None, None)
    assert "mp4" not in detached["assets"] and detached["mp4Support"] is False


NEVER_NULL = (
    "title", "description", "public", "panoramic", "mp4Support", "tags", "metadata",
    "transcript", "transcriptSummary", "transcriptSummaryAttributes",
)  # fmt: skip


def test_null_is_refused_where_it_would_change_nothing(site: ServedSite) -> None:
    video = site.new_video("kept", tags=["a"])
    theme = site.client.post("/players", json={"name": "n"}).json()["playerId"]
    stream = site.client.post("/live-streams", json={"name": "n"}).json()["liveStreamId"]
    for path, names in (
        (f"/videos/{video}", NEVER_NULL),
        (f"/players/{theme}", ("name", "text", "enableApi")),
        (f"/live-streams/{stream}", ("name", "public", "restreams")),
    ):
        answer = site.client.patch(path, json={"playerId": None, **dict.fromkeys(names)})
        assert faults(answer) == dict.fromkeys(names, "invalid-attribute")
        assert answer.json()["title"] == "This value should not be null."
    kept = site.client.get(f"/videos/{video}").json()
    assert (kept["title"], kept["tags"]) == ("kept", ["a"])


def test_a_changed_video_is_found_by_what_it_became(site: ServedSite) -> None:
    video = site.new_video("patched list", tags=["patched-old", "patched"], metadata=[{"key": "p", "value": "1"}])
    time.sleep(0.01)
    later = site.new_video("patched later", tags=["patched"])
    change = {"title": "Zebra", "tags": ["patched-new", "patched"], "metadata": [{"key": "p", "value": "2"}]}
    assert site.client.patch(f"/videos/{video}", json=change).status_code == 200

    def found(**query: str) -> list[str]:
        return [each["videoId"] for each in site.client.get("/videos", params=query).json()["data"]]

    assert found(**{"tags[]": "patched-old"}) == found(**{"metadata[p]": "1"}) == []
    assert found(**{"tags[]": "patched-new"}) == found(**{"metadata[p]": "2"}) == [video]
    assert found(**{"tags[]": "patched", "sortBy": "title"}) == [video, later]
    assert found(**{"tags[]": "patched", "sortBy": "createdAt"}) == [later, video]
    assert found(**{"tags[]": "patched", "sortBy": "updatedAt"}) == [video, later]


def test_the_mp4_file_comes_and_goes_with_its_switch(site: ServedSite, sample_h264: Path) -> None:
    video = site.new_film(sample_h264)
    path = f"/vod/{video}/mp4/source.mp4"

    for wanted, answered in ((False, 404), (True, 200)):
        shown = site.client.patch(f"/videos/{video}", json={"mp4Support": wanted}).json()
        assert ("mp4" in shown["assets"]) is wanted
        deadline = time.monotonic() + 30
        while site.client.get(path).status_code != answered:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        kinds = {quality["type"] for quality in site.status(video)["encoding"]["qualities"]}
        assert ("mp4" in kinds) is wanted


def test_what_a_video_is_created_with_for_good_is_refused(site: ServedSite) -> None:
    video = site.new_video()
    given: dict[str, Any] = {"source": "https://example.com/a.mp4", "clip": {}, "watermark": {"id": "x"}, "videoId": "vi1"}

    assert faults(site.client.patch(f"/videos/{video}", json=given)) == dict.fromkeys(given, "invalid-attribute")


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"title": "x" * 501}, "title"),
        ({"title": "\ufdfa" * 200}, "title"),
        ({"description": "x" * 50_001}, "description"),
        ({"tags": [str(n) for n in range(501)]}, "tags"),
        ({"tags": ["ok", "x" * 256]}, "tags[1]"),
        ({"metadata": [{"key": str(n), "value": ""} for n in range(10_000)]}, "metadata"),
        ({"metadata": [{"key": "x" * 256, "value": ""}]}, "metadata[0][key]"),
        ({"metadata": [{"key": "", "value": "x" * 5001}]}, "metadata[0][value]"),
    ],
)
def test_too_much_is_refused_with_its_limit(given: dict[str, Any], name: str, site: ServedSite) -> None:
    video = site.new_video()
    for answer in (
        site.client.post("/videos", json={"title": "t", **given}),
        site.client.patch(f"/videos/{video}", json=given),
    ):
        assert faults(answer) == {name: "invalid-attribute"}
        assert answer.json()["range"]["min"] == 0 < answer.json()["range"]["max"]
        assert str(answer.json()["range"]["max"]) in answer.json()["detail"]


def test_the_most_that_is_allowed_is_kept(site: ServedSite) -> None:
    given = {
        "title": "🎬" * 500,
        "tags": [f"{n:03}" + "é" * 252 for n in range(500)],
        "metadata": [{"key": str(n), "value": "v" * 400} for n in range(1000)],
    }
    answer = site.client.post("/videos", json=given)
    assert answer.status_code == 201, answer.text
    video = answer.json()
    assert {name: video[name] for name in given} == given
    assert site.client.get("/tags", params={"value": "499ee"}).json()["data"] == [
        {"value": given["tags"][499], "videoCount": 1}
    ]
    assert site.client.delete(f"/videos/{video['videoId']}").status_code == 204
    assert site.client.get("/tags", params={"value": "499ee"}).json()["data"] == []


@pytest.mark.parametrize(
    ("clip", "name"),
    [
        ({"startTimecode": "1:00:00"}, "clip[startTimecode]"),
        ({"endTimecode": "00:61:00"}, "clip[endTimecode]"),
        ({"startTimecode": "-5"}, "clip[startTimecode]"),
        ({"startTimecode": "00:00:10", "endTimecode": "5"}, "clip[endTimecode]"),
        ({"endTimecode": "0"}, "clip[endTimecode]"),
        ({"startTimecode": "00:00:01:20", "endTimecode": "00:00:01:20"}, "clip[endTimecode]"),
    ],
)
def test_a_clip_that_makes_no_sense_is_refused(clip: dict[str, str], name: str, site: ServedSite) -> None:
    answer = site.client.post("/videos", json={"title": "t", "clip": clip})
    assert faults(answer) == {name: "invalid-attribute"}


@pytest.mark.parametrize("clip", [("00:00:01:59", "00:00:02:00"), ("00:00:01.500", "00:00:01:20"), ("00:00:01:50", "2")])
def test_a_clip_by_frames_is_taken_at_every_frame_rate(clip: tuple[str, str], site: ServedSite) -> None:
    start, end = clip
    assert site.new_video(clip={"startTimecode": start, "endTimecode": end})


def test_a_watermark_that_makes_no_sense_is_refused(site: ServedSite) -> None:
    mark = {"id": "", "top": "5", "bottom": "5px", "width": "wide", "opacity": "120%"}
    assert faults(site.client.post("/videos", json={"title": "t", "watermark": {**mark, "top": "5%"}})) == {
        "watermark[id]": "attribute-required",
        "watermark[width]": "invalid-attribute",
        "watermark[opacity]": "invalid-attribute",
        "watermark[bottom]": "invalid-attribute",
    }


def test_nobody_changes_what_is_not_theirs(site: ServedSite) -> None:
    video = site.new_video("mine")
    stranger = {"X-API-Key": site.new_key(environment="sandbox")}
    for path in (f"/videos/{video}", "/videos/viNOSUCH", f"/discarded/videos/{video}"):
        answer = httpx.patch(site.url + path, json={"title": "theirs", "discarded": False}, headers=stranger)
        assert (answer.status_code, answer.json()["name"]) == (404, "videoId")
    assert site.client.get(f"/videos/{video}").json()["title"] == "mine"


def test_tags_are_listed_with_their_numbers(site: ServedSite) -> None:
    for some in (["ttZoo", "ttÄpfel"], ["ttzoo", "ttÄpfel"], ["ttZoo", "ttÄpfel", "ttZoo"], ["tt100%"]):
        site.new_video("tagged", tags=some)

    def tags(**query: Any) -> list[tuple[str, int]]:
        answer = site.client.get("/tags", params={"value": "TT", **query}).json()
        assert answer["pagination"]["currentPageItems"] == len(answer["data"])
        return [(tag["value"], tag["videoCount"]) for tag in answer["data"]]

    assert sorted(tags()) == [("tt100%", 1), ("ttZoo", 2), ("ttzoo", 1), ("ttÄpfel", 3)]
    assert [value.lower() for value, _ in tags()] == ["tt100%", "ttäpfel", "ttzoo", "ttzoo"]
    assert tags(value="TAPF") == [("ttÄpfel", 3)]
    assert tags(value="tt100%") == [("tt100%", 1)]
    assert [number for _, number in tags(sortBy="videoCount", sortOrder="desc")] == [3, 2, 1, 1]
    assert tags(pageSize=1, currentPage=2) == [("ttÄpfel", 3)]
    assert site.client.get("/tags?value=tt&pageSize=1").json()["pagination"]["pagesTotal"] == 4
    assert site.client.get("/tags?sortBy=size").status_code == 400
