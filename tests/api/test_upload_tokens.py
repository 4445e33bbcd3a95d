"""Upload tokens, and uploads with them instead of a key, as the official clients send them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from reelkit.api import upload
from reelkit.api.parts_rules import content_range
from reelkit.api.receiving import RawUpload
from reelkit.api.upload_spool import spooled
from reelkit.catalog import parts, upload_tokens
from reelkit.catalog.parts import PartialUpload
from reelkit.catalog.scope import Scope
from reelkit.jobs.runtime import running
from reelkit.plugins import load_plugins
from reelkit.site import Site
from reelkit.testing.served import ServedSite

MIB = 1 << 20


@pytest.fixture(scope="module")
def film(sample_h264: Any) -> bytes:
    """A playable MP4 of 12 MiB."""
    content: bytes = sample_h264.read_bytes()
    missing = 12 * MIB - len(content)
    return content + missing.to_bytes(4, "big") + b"free" + bytes(missing - 8)


def new_token(site: ServedSite, ttl: int = 0) -> str:
    answer = site.client.post("/upload-tokens", json={"ttl": ttl})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["token"])


def refused(answer: httpx.Response, slug: str, status: int = 400) -> dict[str, Any]:
    problem: dict[str, Any] = answer.json()
    assert (answer.status_code, problem["type"].rpartition("/")[2]) == (status, slug), problem
    return problem


def send(
    site: ServedSite,
    token: str | None,
    content: bytes,
    *,
    name: str = "holiday.mp4",
    part: str | None = None,
    before: str | None = None,
    behind: str | None = None,
) -> httpx.Response:
    """Send a form without any key: videoId before or behind the file. Node sends an empty Authorization along."""
    pieces = [b""]
    for where in ("before", "file", "behind"):
        if where == "file":
            pieces.append(
                b'Content-Disposition: form-data; name="%b"; filename="%b"\r\n\r\n' % ((name.encode(),) * 2) + content
            )
        elif video := {"before": before, "behind": behind}[where]:
            pieces.append(b'Content-Disposition: form-data; name="videoId"\r\n\r\n' + video.encode())
    form = b"\r\n--b\r\n".join(pieces)[2:] + b"\r\n--b--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=b", "Authorization": ""}
    if part is not None:
        headers["Content-Range"] = part
    params = {} if token is None else {"token": token}
    return httpx.post(f"{site.url}/upload", params=params, content=form, headers=headers, timeout=60)


def whole(site: ServedSite, video: str, content: bytes) -> None:
    site.wait(video, lambda status: bool(status["encoding"]["playable"]))
    assert httpx.get(f"{site.url}/vod/{video}/mp4/source.mp4").content == content


def test_a_token_is_made_read_listed_and_removed(site: ServedSite) -> None:
    made = site.client.post("/upload-tokens", json={"ttl": 3600}).json()
    assert made["token"].startswith("to") and made["ttl"] == 3600
    assert made["createdAt"][-6:] == made["expiresAt"][-6:] == "+00:00" and made["createdAt"] < made["expiresAt"]
    assert site.client.get(f"/upload-tokens/{made['token']}").json() == made
    forever = site.client.post("/upload-tokens").json()
    assert (forever["ttl"], forever["expiresAt"]) == (0, None)
    answer = site.client.get("/upload-tokens", params={"sortBy": "ttl", "sortOrder": "desc", "pageSize": 1}).json()
    assert answer["pagination"]["itemsTotal"] >= 2 and answer["pagination"]["currentPageItems"] == 1
    newest = site.client.get("/upload-tokens").json()["data"]
    assert [token["createdAt"] for token in newest] == sorted((token["createdAt"] for token in newest), reverse=True)
    sandbox = site.as_key(site.new_key(environment="sandbox"))
    assert made not in sandbox.get("/upload-tokens", params={"pageSize": 100}).json()["data"]
    empty = site.as_key(site.new_key(project=site.new_project(), environment="sandbox"))
    assert empty.get("/upload-tokens").json()["pagination"]["itemsTotal"] == 0
    for method in ("GET", "DELETE"):
        other = sandbox.request(method, f"/upload-tokens/{made['token']}")
        assert refused(other, "resource-not-found", 404)["name"] == "uploadToken"
    assert site.client.delete(f"/upload-tokens/{made['token']}").status_code == 204
    assert site.client.delete(f"/upload-tokens/{made['token']}").status_code == 404
    refused(send(site, made["token"], b"x"), "authentication-invalid-upload-token", 401)


@pytest.mark.parametrize("ttl", [-1, 2**31, "soon", 1.5, None, True])
def test_a_life_that_no_token_can_have(site: ServedSite, ttl: Any) -> None:
    answer = site.client.post("/upload-tokens", json={"ttl": ttl})
    if ttl is None:
        assert answer.json()["ttl"] == 0
    else:
        assert refused(answer, "invalid-attribute")["name"] == "ttl"


@pytest.mark.parametrize("query", ["sortBy=title", "sortOrder=up", "pageSize=0", "currentPage=x"])
def test_a_list_that_cannot_be(site: ServedSite, query: str) -> None:
    refused(site.client.get(f"/upload-tokens?{query}"), "invalid-query-parameter")


def test_a_token_opens_nothing_when_it_is_missing_wrong_or_expired(site: ServedSite) -> None:
    refused(send(site, None, b"x"), "authentication-missing-upload-token", 401)
    refused(send(site, "", b"x"), "authentication-missing-upload-token", 401)
    for wrong in ("tonothing", "\0", "to'--", "x" * 3000):
        refused(send(site, wrong, b"x"), "authentication-invalid-upload-token", 401)
    short = new_token(site, ttl=1)
    time.sleep(1.1)
    refused(send(site, short, b"x"), "authentication-invalid-upload-token", 401)


def test_a_file_makes_a_video_that_has_its_name(site: ServedSite, film: bytes) -> None:
    answer = send(site, new_token(site), film, name="holiday.mp4")
    assert answer.status_code == 201, answer.text
    assert answer.json()["title"] == "holiday.mp4"
    whole(site, answer.json()["videoId"], film)


@pytest.mark.parametrize("where", ["before", "behind"])
def test_a_file_goes_into_the_video_that_is_named(site: ServedSite, film: bytes, where: str) -> None:
    video = site.new_video("A title of its own")
    answer = send(site, new_token(site), film, **{where: video})
    assert (answer.status_code, answer.json()["videoId"], answer.json()["title"]) == (201, video, "A title of its own")
    whole(site, video, film)


@pytest.mark.parametrize("where", ["before", "behind"])
def test_parts_name_their_video(site: ServedSite, film: bytes, where: str) -> None:
    """As the uploader, PHP and the progressive sessions do, the first part names none."""
    token = new_token(site)
    first = send(site, token, film[: 6 * MIB], part="part 1/*")
    video = first.json()["videoId"]
    assert (first.status_code, first.json()["title"]) == (201, "holiday.mp4")
    second = send(site, token, film[6 * MIB :], part="part 2/2", **{where: video})
    assert (second.status_code, second.json()["videoId"]) == (201, video), second.text
    whole(site, video, film)


def test_parts_that_name_no_video_join_the_one_of_their_token_and_name(site: ServedSite, film: bytes) -> None:
    """Python 1.4.7 and Node 2.6.8 send them so. Another browser's file of another name or token is not touched."""
    token, other_token = new_token(site), new_token(site)
    others = [
        send(site, token, film[: 6 * MIB], part="part 1/2", name="other.mp4").json()["videoId"],
        send(site, other_token, film[: 6 * MIB], part="part 1/2").json()["videoId"],
        send(site, token, film[: 6 * MIB], part="part 1/3").json()["videoId"],
    ]
    first = send(site, token, film[: 6 * MIB], part="part 1/2").json()["videoId"]
    again = send(site, token, film[6 * MIB :], part="part 2/2")
    assert again.json()["videoId"] == first and first not in others
    whole(site, first, film)
    for other in others:
        assert site.status(other)["ingest"]["receivedParts"]["parts"] == [1]


def test_the_last_part_of_a_recording_may_have_no_bytes(site: ServedSite, film: bytes) -> None:
    token = new_token(site)
    refused(send(site, token, b"", part="part 1/2"), "uploaded-file-empty")
    video = send(site, token, film, part="part 1/*").json()["videoId"]
    assert send(site, token, b"", part="part 2/2").json()["videoId"] == video
    whole(site, video, film)


def test_two_files_of_one_name_are_never_mixed(site: ServedSite, film: bytes) -> None:
    token = new_token(site)
    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(lambda data: send(site, token, data, part="part 1/2"), [film[: 6 * MIB], bytes(6 * MIB)]))
    videos = {answer.json()["videoId"] for answer in answers}
    assert len(videos) == 2
    assert refused(send(site, token, film[6 * MIB :], part="part 2/2"), "attribute-required")["name"] == "videoId"
    mine = answers[0].json()["videoId"]
    assert send(site, token, film[6 * MIB :], part="part 2/2", behind=mine).status_code == 201
    whole(site, mine, film)


def test_a_range_that_overlaps_what_is_here_is_refused(site: ServedSite, film: bytes) -> None:
    token = new_token(site)
    total = len(film)
    video = send(site, token, film[: 6 * MIB], part=f"bytes 0-{6 * MIB - 1}/{total}").json()["videoId"]
    start = 11 * MIB // 2
    across = send(site, token, film[start : start + 6 * MIB], part=f"bytes {start}-{start + 6 * MIB - 1}/{total}")
    refused(across, "video-content-range-by-bytes-range-overlap")
    rest = send(site, token, film[6 * MIB :], part=f"bytes {6 * MIB}-{total - 1}/{total}")
    assert rest.json()["videoId"] == video
    whole(site, video, film)


async def test_a_part_whose_place_another_file_has_just_taken_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def sent(content: bytes) -> str:
        async def chunks() -> AsyncIterator[bytes]:
            yield content

        async with spooled(RawUpload(chunks(), "holiday.mp4", 2**30), tmp_path, may_be_empty=True) as aside:
            return (await upload._take(runtime, token, content_range("part 1/2", 2**30), aside, None)).video_id

    async def stale(*asked: Any) -> PartialUpload | None:
        # As it was before the other file's part was there.
        monkeypatch.setattr(upload, "_begun", real)
        return (await parts.of_token(token.scope, token.token, "holiday.mp4", "part"))[0]

    real, site = upload._begun, Site(folder=tmp_path / "site")
    async with running(site, load_plugins(site)) as runtime:
        token = await upload_tokens.create(Scope("default", "production"))
        first = await sent(b"a" * 6 * MIB)
        monkeypatch.setattr(upload, "_begun", stale)
        assert await sent(b"b" * 6 * MIB) != first
        monkeypatch.setattr(upload, "_begun", stale)
        assert await sent(b"a" * 6 * MIB) == first


def test_what_is_refused_leaves_no_video(site: ServedSite) -> None:
    token = new_token(site)
    before = site.client.get("/videos").json()["pagination"]["itemsTotal"]
    refused(send(site, token, b"Dear reader", name="letter.mp4"), "uploaded-file-invalid-file")
    refused(send(site, token, b"", name="empty.mp4"), "uploaded-file-empty")
    refused(send(site, token, b"x" * 1000, part="part 1/2"), "video-content-range-by-part-uploaded-file-too-small")
    refused(send(site, token, b"x", before="viNothing"), "resource-not-found", 404)
    refused(send(site, token, b"x", behind="viNothing"), "resource-not-found", 404)
    assert site.client.get("/videos").json()["pagination"]["itemsTotal"] == before


def test_a_token_reaches_only_videos_of_its_own_environment(site: ServedSite) -> None:
    sandbox = {"Authorization": f"Bearer {site.new_key(environment='sandbox')}"}
    token = httpx.post(f"{site.url}/upload-tokens", headers=sandbox).json()["token"]
    refused(send(site, token, b"x", before=site.new_video()), "resource-not-found", 404)
