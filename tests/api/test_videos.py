"""Videos over HTTP: the fields, enums and status codes of the contract."""

from __future__ import annotations

import re
import socket
from datetime import datetime
from typing import Any

import httpx
import pytest
from reelkit.testing.served import ServedSite

ATOM = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00")


@pytest.fixture
def sandbox(site: ServedSite) -> httpx.Client:
    """A client with a key of its own environment, which no other test fills."""
    key = site.new_key(environment="sandbox")
    return httpx.Client(base_url=site.url, headers={"X-API-Key": key}, timeout=30)


def problem(answer: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    found: dict[str, Any] = answer.json()
    assert found["type"] == f"https://docs.api.video/reference/{slug}"
    assert found["status"] == status
    return found


def test_a_created_video_has_the_fields_of_the_contract(site: ServedSite) -> None:
    answer = site.client.post("/videos", json={"title": "Só um título 🎬"})
    assert answer.status_code == 201
    assert answer.headers["content-type"] == "application/json"
    video = answer.json()
    id = video["videoId"]
    assert re.fullmatch(r"vi[0-9A-Za-z]{22}", id)
    assert video["title"] == "Só um título 🎬"
    assert (video["public"], video["panoramic"], video["mp4Support"]) == (True, False, True)
    assert (video["tags"], video["metadata"], video["description"]) == ([], [], "")
    assert (video["language"], video["languageOrigin"]) == (None, None)
    assert "playerId" not in video
    assert video["source"] == {"uri": f"/videos/{id}/source", "type": "upload"}
    for moment in ("createdAt", "publishedAt", "updatedAt"):
        assert ATOM.fullmatch(video[moment])
        assert abs(datetime.fromisoformat(video[moment]).timestamp() - datetime.now().timestamp()) < 60
    assert video["assets"]["hls"] == f"{site.url}/vod/{id}/hls/manifest.m3u8"
    assert video["assets"]["mp4"] == f"{site.url}/vod/{id}/mp4/source.mp4"
    assert video["assets"]["thumbnail"] == f"{site.url}/vod/{id}/thumbnail.jpg"
    assert video["assets"]["player"] == f"{site.url}/embed/vod/{id}"
    assert video["assets"]["iframe"] == (
        f'<iframe src="{site.url}/embed/vod/{id}" width="100%" height="100%" frameborder="0" scrolling="no" '
        'allowfullscreen="true"></iframe>'
    )
    assert site.client.get(f"/videos/{id}").json() == video


def test_every_attribute_is_kept(site: ServedSite) -> None:
    given = {
        "title": "t",
        "description": "d",
        "public": False,
        "panoramic": True,
        "mp4Support": False,
        "playerId": site.client.post("/players", json={}).json()["playerId"],
        "tags": ["a", "b c"],
        "metadata": [{"key": "k", "value": "v"}],
        "language": "no",
    }
    video = site.client.post("/videos", json=given).json()
    assert {name: video[name] for name in given} == given
    assert video["languageOrigin"] == "api"
    assert "mp4" not in video["assets"]


def test_json_is_read_whatever_its_content_type_and_unknown_fields_are_ignored(site: ServedSite) -> None:
    body = b'{"title": "t", "unheardOf": {"x": 1}, "description": null}'
    answer = site.client.post("/videos", content=body, headers={"Content-Type": "text/plain;charset=UTF-8"})
    assert answer.status_code == 201
    made = site.client.get(f"/videos/{answer.json()['videoId']}").json()
    assert (made["title"], made["description"], "unheardOf" in made) == ("t", "", False)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"\xff\xfe", b"[" * 100_000, b'{"title": "\\ud800"}'])
def test_what_is_no_json_object_is_an_invalid_payload(body: bytes, site: ServedSite) -> None:
    problem(site.client.post("/videos", content=body), 400, "invalid-payload")


def test_every_fault_is_told_by_name(site: ServedSite) -> None:
    given = {"public": "yes", "tags": ["a", 5], "metadata": [{"key": "k"}], "language": "xx", "description": "a\0b"}
    found = problem(site.client.post("/videos", json=given), 400, "attribute-required")
    assert found["name"] == "title"
    names = {fault["name"]: fault["type"].rpartition("/")[2] for fault in found["problems"]}
    assert names == {
        "title": "attribute-required",
        "public": "invalid-attribute",
        "tags[1]": "invalid-attribute",
        "metadata[0][value]": "attribute-required",
        "language": "invalid-attribute",
        "description": "invalid-attribute",
    }
    details = {fault["name"]: fault.get("detail", "") for fault in found["problems"]}
    assert details["language"].startswith("This must be one of ar, ca, ") and details["language"].endswith(", zh.")


@pytest.mark.parametrize("name", ["tags", "metadata", "transcriptSummaryAttributes"])
def test_what_should_be_an_array_is_said_in_the_words_of_the_contract(name: str, site: ServedSite) -> None:
    values: tuple[object, ...] = ("x", {}, 5)
    for given in values:
        found = problem(site.client.post("/videos", json={"title": "t", name: given}), 400, "invalid-attribute")
        assert (found["title"], found["name"]) == ("This attribute must be an array.", name)


@pytest.mark.parametrize("title", ["", "   ", None])
def test_a_title_is_required(title: str | None, site: ServedSite) -> None:
    assert problem(site.client.post("/videos", json={"title": title}), 400, "attribute-required")["name"] == "title"


def test_a_body_that_is_no_upload_is_small(site: ServedSite) -> None:
    answer = site.client.post("/videos", json={"title": "x" * 2_000_000})
    assert problem(answer, 413, "invalid-payload")["detail"] == "This takes bodies of at most 1048576 bytes."


@pytest.mark.parametrize("id", ["viNOSUCHVIDEO", "x", "vi%00", "..%2f..%2fetc", "vi' OR 1=1 --", "vi" + "a" * 500])
def test_an_unknown_video_is_not_found(id: str, site: ServedSite) -> None:
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/status"), ("POST", "/source")):
        answer = site.client.request(method, f"/videos/{id}{path}")
        assert answer.status_code == 404, answer.text
        assert answer.json()["status"] == 404


def test_nobody_sees_a_video_of_another_environment(site: ServedSite, sandbox: httpx.Client) -> None:
    video = site.new_video("mine")
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/status")):
        found = problem(sandbox.request(method, f"/videos/{video}{path}"), 404, "resource-not-found")
        assert found["name"] == "videoId"
    assert video not in [other["videoId"] for other in sandbox.get("/videos").json()["data"]]
    assert site.client.get(f"/videos/{video}").status_code == 200


def test_without_a_key_nothing_is_told(site: ServedSite) -> None:
    for method, path in (("GET", "/videos"), ("POST", "/videos"), ("GET", "/videos/x/status"), ("DELETE", "/videos/x")):
        problem(httpx.request(method, site.url + path), 401, "authentication-missing-authorization-header")
    for name, value, slug in (
        ("Authorization", "Bearer rk_live_wrong", "access-token"),
        ("Authorization", "Basic cmtfbGl2ZV93cm9uZzo=", "api-key"),
        ("X-API-Key", "rk_live_wrong", "api-key"),
        ("X-Session-Token", "wrong", "session-token"),
        ("Authorization", "Digest username=me", "authorization-header-value"),
    ):
        problem(httpx.get(f"{site.url}/videos", headers={name: value}), 401, f"authentication-invalid-{slug}")
    basic = httpx.get(f"{site.url}/videos", auth=(site.key, ""))
    assert basic.status_code == 200


def test_unknown_paths_and_methods_are_problems_too(site: ServedSite) -> None:
    problem(site.client.get("/nothing/here"), 404, "unrecognized-request-url")
    problem(site.client.put("/videos", json={}), 405, "method-not-allowed")
    problem(site.client.patch("/videos"), 405, "method-not-allowed")


def test_a_list_comes_in_pages_with_links(sandbox: httpx.Client) -> None:
    for number in range(7):
        sandbox.post("/videos", json={"title": f"Video {number}", "tags": ["Ünï", "all"]})
    first = sandbox.get("/videos", params={"pageSize": 3, "sortBy": "title", "sortOrder": "asc", "tags[]": "all"})
    assert [video["title"] for video in first.json()["data"]] == ["Video 0", "Video 1", "Video 2"]
    pagination = first.json()["pagination"]
    links = {link["rel"]: link["uri"] for link in pagination.pop("links")}
    assert pagination == {"itemsTotal": 7, "pagesTotal": 3, "pageSize": 3, "currentPage": 1, "currentPageItems": 3}
    assert set(links) == {"self", "first", "last", "next"}
    # RFC 3986 has no brackets in a query, and parsers exist that go by it.
    assert links["next"] == "/videos?sortBy=title&sortOrder=asc&tags%5B%5D=all&currentPage=2&pageSize=3"
    second = sandbox.get(links["next"]).json()
    assert [video["title"] for video in second["data"]] == ["Video 3", "Video 4", "Video 5"]
    last = sandbox.get(links["last"]).json()
    assert [video["title"] for video in last["data"]] == ["Video 6"]
    assert {link["rel"] for link in last["pagination"]["links"]} == {"self", "first", "last", "previous"}
    beyond = sandbox.get("/videos?currentPage=99").json()
    assert beyond["data"] == [] and beyond["pagination"]["currentPageItems"] == 0
    newest = sandbox.get("/videos").json()["data"]
    assert newest[0]["title"] == "Video 6", "the newest comes first"


def test_filters_narrow_a_list(sandbox: httpx.Client) -> None:
    sandbox.post("/videos", json={"title": "Ärger im Zoo", "description": "Ein Bär", "tags": ["zoo", "bär"]})
    pairs = [("a[b]", "1&2"), ("twice", "1"), ("twice", "2")]
    metadata = [{"key": key, "value": value} for key, value in pairs]
    sandbox.post("/videos", json={"title": "Other", "tags": ["zoo"], "metadata": metadata})

    def titles(**query: str) -> list[str]:
        return [video["title"] for video in sandbox.get("/videos", params=query).json()["data"]]

    assert titles(title="arger") == ["Ärger im Zoo"]
    assert titles(description="bar") == ["Ärger im Zoo"]
    assert titles(title="100%") == []
    assert sorted(titles(**{"tags[]": "zoo"})) == ["Other", "Ärger im Zoo"]
    for query in ("tags%5B%5D=zoo&tags[]=b%C3%A4r", "tags[0]=zoo&tags[1]=b%C3%A4r", "tags=zoo&tags=b%C3%A4r"):
        both = sandbox.get(f"/videos?{query}").json()
        assert [video["title"] for video in both["data"]] == ["Ärger im Zoo"], query
    assert titles(**{"metadata[a[b]]": "1&2"}) == ["Other"]
    assert titles(**{"metadata[a[b]]": "3"}) == []
    for query, number in (
        ("metadata[a[b]][]=1%262", 1),
        ("metadata%5Ba%5Bb%5D%5D%5B0%5D=1%262&metadata=", 1),
        ("metadata[twice]=1&metadata[twice]=2", 1),
        ("metadata[twice]=3&metadata[twice]=2", 0),
    ):
        assert len(sandbox.get(f"/videos?{query}").json()["data"]) == number, query


def test_wrong_parameters_of_a_list_are_told_one_by_one(site: ServedSite) -> None:
    answer = site.client.get("/videos?currentPage=0&pageSize=101&sortBy=size&sortOrder=up")
    found = problem(answer, 400, "invalid-query-parameter")
    assert found["title"] == "This parameter is out of the allowed range of values."
    faults = {fault["name"]: fault for fault in found["problems"]}
    assert set(faults) == {"currentPage", "pageSize", "sortBy", "sortOrder"}
    assert faults["pageSize"]["range"] == {"min": 1, "max": 100}
    twice = problem(site.client.get("/videos?title=%00&title=%00&tags[a]=x&tags[a]=y"), 400, "invalid-query-parameter")
    assert [fault["name"] for fault in twice["problems"]] == ["title", "tags[a]"]
    for many in ("tags[]", "metadata"):
        query = "&".join(f"{many}{'[a]' if many == 'metadata' else ''}={n}" for n in range(21))
        fault = problem(site.client.get(f"/videos?{query}"), 400, "invalid-query-parameter")
        assert (fault["name"], fault["detail"]) == (many, "Filter by at most 20 at once.")
    for query in ("metadata=1", "metadata[a=1", "metadata[a]b=1", "tags[a]=x", "tags[0=x"):
        fault = problem(site.client.get(f"/videos?{query}"), 400, "invalid-query-parameter")
        assert fault["name"] == query.partition("=")[0] and fault["detail"].startswith("Write ")
    for query in ("pageSize=ten", "currentPage=1e9", "currentPage=" + "9" * 40, "title=%00", "pageSize=\u0661"):
        problem(site.client.get(f"/videos?{query}"), 400, "invalid-query-parameter")


def test_a_video_without_a_source_has_no_ingest(site: ServedSite) -> None:
    status = site.status(site.new_video())
    assert set(status) == {"encoding"}
    assert status["encoding"]["playable"] is False and status["encoding"]["qualities"] == []
    assert set(status["encoding"]["metadata"].values()) == {None}


@pytest.mark.parametrize("chunks", [b"ZZ\r\n{}\r\n0\r\n\r\n", b"F\r\n{}"], ids=["malformed", "cut off"])
def test_a_body_that_breaks_off_is_the_clients_fault(site: ServedSite, chunks: bytes) -> None:
    head = f"POST /videos HTTP/1.1\r\nHost: x\r\nX-API-Key: {site.key}\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection(("127.0.0.1", httpx.URL(site.url).port or 0), timeout=10) as connection:
        connection.sendall(head.encode() + chunks)
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert b" 400 " in answer.split(b"\r\n")[0]
