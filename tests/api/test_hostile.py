"""Bad input, thrown at every operation that the site describes: refused with a reason, never a failure of the site."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from reelkit.testing.served import ServedSite, served_site
from reelkit.testing.servers import PostgresServer

from tests.api.pictures import png
from tests.api.test_videos import problem

VTT = b"WEBVTT\n\n00:00.000 --> 00:01.000\nhello\n"
TUS = {"Tus-Resumable": "1.0.0"}
DEEP = b"[" * 100_000
NOT_UTF8 = b'{"title": "\xff\xfe", "name": "\xff", "url": "\xff", "apiKey": "\xff"}'

Operations = list[tuple[str, str, dict[str, Any]]]


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedSite]:
    """A site that keeps deleted videos, so that there are discarded ones too; each database refuses what the other takes."""
    environment = {}
    if request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        server.psql(f"CREATE DATABASE hostile TEMPLATE {request.getfixturevalue('migrated_postgres')}")
        environment["REELKIT_DATABASE__URL"] = server.url("hostile")
    settings = "[videos]\nrestore = true\n"
    with served_site(tmp_path_factory.mktemp("home"), settings, environment=environment) as site:
        yield site


@pytest.fixture(scope="module")
def operations(home: ServedSite) -> Operations:
    """Everything that is described: method, path, description."""
    document = home.client.get("/openapi.json").json()
    return [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


@pytest.fixture(scope="module")
def mine(home: ServedSite) -> dict[str, str]:
    """Ids of one thing of each kind, by the name of the path parameter."""
    video, gone = home.new_video(), home.new_video()
    client = home.client
    assert client.delete(f"/videos/{gone}").status_code == 204
    for kind in ("captions", "chapters"):
        assert client.post(f"/videos/{video}/{kind}/fr", files={"file": ("a.vtt", VTT)}).status_code == 200
    webhook = client.post("/webhooks", json={"url": "https://192.0.2.1/", "events": ["video.source.recorded"]}).json()
    begun = client.post("/uploads/tus", headers={**TUS, "Upload-Length": "100"})
    player = client.post("/players", json={}).json()["playerId"]
    assert client.post(f"/players/{player}/logo", files={"file": ("a.png", png(10, 10))}).status_code == 201
    live = client.post("/live-streams", json={"name": "l"}).json()["liveStreamId"]
    assert client.post(f"/live-streams/{live}/thumbnail", files={"file": ("a.png", png(10, 10))}).status_code == 201
    return {
        "videoId": video,
        "discardedVideoId": gone,
        "language": "fr",
        "playerId": player,
        "liveStreamId": live,
        "watermarkId": client.post("/watermarks", files={"file": ("a.png", png(10, 10))}).json()["watermarkId"],
        "summaryId": client.post("/summaries", json={"videoId": video}).json()["summaryId"],
        "uploadToken": client.post("/upload-tokens").json()["token"],
        "webhookId": webhook["webhookId"],
        "deliveryId": "delivery_0000000000000000000000",
        "id": begun.headers["Location"].rpartition("/")[2],
    }


BODIES: dict[str, dict[str, Any]] = {
    "PATCH-discarded-video": {"discarded": False},
    "PATCH_videos-videoId-thumbnail": {"timecode": "00:00:01"},
    "PATCH_summaries-summaryId-source": {"abstract": "a"},
}
"""Of the bodies of JSON those that may not be empty."""


def request(told: dict[str, Any]) -> dict[str, Any]:
    """Return what an operation takes, so that only the id can be the fault."""
    content = told.get("requestBody", {}).get("content", {})
    if "multipart/form-data" in content:
        words = told["operationId"]
        text = "captions" in words or "chapters" in words
        return {"files": {"file": ("a.vtt", VTT) if text else ("a.png", png(10, 10))}}
    if "application/json" in content:
        return {"json": BODIES.get(told["operationId"], {})}
    if "tus" in told["operationId"]:
        return {"headers": {**TUS, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}}
    return {}


@pytest.mark.parametrize("stranger", ["of another environment", "of another project", "of both"])
def test_ids_of_others_are_not_there(home: ServedSite, operations: Operations, mine: dict[str, str], stranger: str) -> None:
    environment = "production" if stranger == "of another project" else "sandbox"
    project = None
    if stranger != "of another environment":
        project = f"theirs-{environment}"
        home.command("project", "create", project)
    key = home.new_key(environment=environment, project=project)
    tried: set[str] = set()
    with httpx.Client(base_url=home.url, timeout=30, headers={"Authorization": f"Bearer {key}"}) as client:
        for method, path, told in operations:
            names = re.findall(r"\{(\w+)\}", path)
            if not names or any(name not in mine for name in names):
                continue
            for name in names:
                discarded = name == "videoId" and path.startswith("/discarded")
                path = path.replace(f"{{{name}}}", mine["discardedVideoId" if discarded else name])
            answer = client.request(method, path, **request(told))
            assert answer.status_code == 404, f"{method} {path}: {answer.status_code} {answer.text}"
            if method != "HEAD":
                assert answer.json()["type"].endswith("/resource-not-found")
                assert answer.json()["name"] == names[0], f"{method} {path}: {answer.text}"
            tried.add(told["operationId"])
    assert len(tried) >= 42, tried
    for path in ("/videos/{videoId}", "/videos/{videoId}/captions/fr", "/discarded/videos/{discardedVideoId}"):
        assert home.client.get(path.format(**mine)).status_code == 200
    for path in (
        "/players/{playerId}",
        "/live-streams/{liveStreamId}",
        "/upload-tokens/{uploadToken}",
        "/webhooks/{webhookId}",
    ):
        assert home.client.get(path.format(**mine)).status_code == 200
    assert "assets" in home.client.get("/players/{playerId}".format(**mine)).json()


@pytest.mark.parametrize("page", ["-1", "0", "1.5", "9" * 30, "9" * 5000, "0x10", "٣", "1e3"])
@pytest.mark.parametrize("name", ["currentPage", "pageSize"])
def test_page_numbers_that_are_none_are_refused_by_every_list(
    home: ServedSite, operations: Operations, mine: dict[str, str], name: str, page: str
) -> None:
    tried = 0
    for _, path, told in operations:
        if not any(one["name"] == name for one in told.get("parameters", ())):
            continue
        path = re.sub(r"\{(\w+)\}", lambda found: mine.get(found[1], found[0]), path)
        path = path.format(metric="play", aggregation="count", breakdown="country")
        problems = problem_of(home.client.get(path, params={name: page}))
        assert problems["name"] == name and problems["status"] == 400, path
        tried += 1
    assert tried >= 13


def problem_of(answer: httpx.Response) -> dict[str, Any]:
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.headers["content-type"] == "application/json"
    found: dict[str, Any] = answer.json()
    return found


def test_a_page_far_behind_the_end_is_empty(home: ServedSite) -> None:
    found = home.client.get("/videos?currentPage=2147483647&pageSize=100").json()
    assert found["data"] == [] and found["pagination"]["currentPageItems"] == 0


@pytest.mark.parametrize(
    ("body", "statuses"),
    [
        (NOT_UTF8, {400}),
        (DEEP, {400}),
        (b'{"title":' * 50_000, {400}),
        (b"{" + b'"a":1,' * 20_000, {400}),
        (b'{"title": "\\ud800"}', {400}),
        (b'"' + b"x" * (2 << 20) + b'"', {400, 413}),
        (b"null", {400}),
        (b"1e999999", {400}),
        (b"", {400}),
    ],
    ids=["not UTF-8", "deep lists", "deep objects", "cut off", "half a surrogate", "2 MiB", "null", "infinite", "nothing"],
)
def test_bodies_that_are_no_json_object_are_refused_by_every_operation(
    home: ServedSite, operations: Operations, mine: dict[str, str], body: bytes, statuses: set[int]
) -> None:
    tried = 0
    for method, path, told in operations:
        if "application/json" not in told.get("requestBody", {}).get("content", {}):
            continue
        if not body and not told["requestBody"]["required"]:
            continue
        discarded = "discardedVideoId" if path.startswith("/discarded") else "videoId"
        path = path.replace("{videoId}", mine[discarded])
        path = re.sub(r"\{(\w+)\}", lambda found: mine[found[1]], path)
        answer = home.client.request(method, path, content=body, headers={"Content-Type": "application/json"})
        # A beat has 64 KiB at most, and the longest of these bodies have more.
        allowed = statuses | ({413} if path == "/watch" and len(body) > 64 << 10 else set())
        assert answer.status_code in allowed, f"{method} {path}: {answer.status_code} {answer.text[:200]}"
        assert problem_of(answer)["title"]
        tried += 1
    assert tried >= 16


@pytest.mark.parametrize("depth", [500, 700, 900])
def test_values_as_deep_as_json_is_read_are_refused(home: ServedSite, depth: int) -> None:
    for value in (b"[" * depth + b"]" * depth, b'{"a":' * depth + b"1" + b"}" * depth):
        answer = home.client.post("/videos", content=b'{"title":' + value + b"}")
        assert problem(answer, 400, "invalid-attribute")["name"] == "title"


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"title": "t", "metadata": [{"key": f"k{n}", "value": "v"} for n in range(10_000)]}, "metadata"),
        ({"title": "x" * 1_000_000}, "title"),
        ({"title": "t", "description": "x" * 1_000_000}, "description"),
        ({"title": "t", "tags": [f"t{n}" for n in range(10_000)]}, "tags"),
        ({"title": "t", "tags": ["x" * 1_000_000]}, "tags[0]"),
        ({"title": "t", "source": "https://example.org/" + "x" * 100_000}, "source"),
        ({"title": "t", "language": "x" * 100_000}, "language"),
        ({"title": "a\0b"}, "title"),
    ],
    ids=["metadata", "title", "description", "tags", "tag", "source", "language", "NUL"],
)
def test_too_much_of_anything_is_refused_by_name(home: ServedSite, given: dict[str, Any], name: str) -> None:
    before = home.client.get("/videos").json()["pagination"]["itemsTotal"]
    for answer in (
        home.client.post("/videos", json=given),
        home.client.patch(f"/videos/{home.new_video()}", json=given) if name != "source" else None,
    ):
        if answer is not None:
            assert problem(answer, 400, "invalid-attribute")["name"] == name
    assert home.client.get("/videos").json()["pagination"]["itemsTotal"] - before <= 1


@pytest.mark.parametrize(
    "query",
    [
        "title=%ff%fe",
        "title=%00",
        "metadata[%00]=x",
        "metadata[k]=%ff",
        "tags[]=%ed%a0%80",
        "title=" + "%25" * 3000,
        "&".join(f"metadata[k{n}]=v" for n in range(500)),
        "metadata[a][b][c]=x",
        "tags[99999999999]=x",
        "%5B%5D=x",
        "title[=x",
        "sortBy=title&sortBy=createdAt",
        # Each letter unfolds to 18.
        "&".join(f"{name}=" + "%EF%B7%BA" * 1600 for name in ("title", "description", "value", "name")),
    ],
)
def test_odd_queries_are_answered_or_refused(home: ServedSite, query: str) -> None:
    for path in ("/videos", "/tags", "/live-streams", "/data/buckets/play/country"):
        answer = home.client.get(f"{path}?{query}")
        assert answer.status_code in (200, 400, 414, 431), f"{path}: {answer.status_code} {answer.text[:200]}"


@pytest.mark.parametrize("path", ["/videos/%ff", "/videos/%00", "/videos/..%2f..%2fetc", "/videos/" + "v" * 5000, "/%c0%ae"])
@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE", "HEAD"])
def test_odd_paths_lead_nowhere(home: ServedSite, method: str, path: str) -> None:
    answer = home.client.request(method, path, content=b"{}" if method == "PATCH" else None)
    assert answer.status_code in (400, 404, 405, 414), f"{method} {path[:50]}: {answer.status_code}"


def test_ids_that_no_database_keeps_are_not_there(home: ServedSite, operations: Operations, mine: dict[str, str]) -> None:
    tried = 0
    for method, path, told in operations:
        names = re.findall(r"\{(\w+)\}", path)
        if not names or any(name not in mine for name in names):
            continue
        odd = re.sub(r"\{(\w+)\}", lambda found: mine[found[1]][:10] + "%00", path)
        answer = home.client.request(method, odd, **request(told))
        assert answer.status_code in (400, 404), f"{method} {odd}: {answer.status_code} {answer.text}"
        tried += 1
    assert tried >= 42


def test_after_all_of_it_the_site_is_well(home: ServedSite) -> None:
    assert home.client.get("/readyz").status_code == 200
    assert '"level": "error"' not in home.log.read_text() and "Traceback" not in home.log.read_text()
