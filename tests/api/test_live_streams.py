"""Live streams over HTTP: the fields, words and status codes of the contract."""

from __future__ import annotations

import re
import struct
import zlib
from html import escape
from typing import Any
from uuid import UUID

import httpx
import pytest
from reelkit.testing.served import ServedSite

FORWARD = {"name": "elsewhere", "serverUrl": "rtmp://live.example.org/app", "streamKey": "secret"}


@pytest.fixture
def sandbox(site: ServedSite) -> httpx.Client:
    """A client with a key of another environment."""
    key = site.new_key(environment="sandbox")
    return httpx.Client(base_url=site.url, headers={"X-API-Key": key}, timeout=30)


def create(client: httpx.Client, **fields: Any) -> dict[str, Any]:
    answer = client.post("/live-streams", json={"name": "A stream", **fields})
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


def png(width: int = 4, height: int = 2) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(height * (1 + width)) if width * height < 10_000 else b""))
        + chunk(b"IEND", b"")
    )


def test_a_created_live_stream_has_the_fields_of_the_contract(site: ServedSite) -> None:
    stream = create(site.client)
    id = stream["liveStreamId"]
    assert re.fullmatch(r"li[0-9A-Za-z]{22}", id)
    assert str(UUID(stream["streamKey"])) == stream["streamKey"]
    assert (stream["name"], stream["public"], stream["broadcasting"], stream["restreams"]) == ("A stream", True, False, [])
    assert "playerId" not in stream
    assert stream["assets"] == {
        "hls": f"{site.url}/live/{id}.m3u8",
        "player": f"{site.url}/embed/live/{id}",
        "iframe": f'<iframe src="{site.url}/embed/live/{id}" width="100%" height="100%" frameborder="0" scrolling="no" '
        'allowfullscreen="true"></iframe>',
        "thumbnail": f"{site.url}/live/{id}/thumbnail.jpg",
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", stream["createdAt"])
    assert site.client.get(f"/live-streams/{id}").json() == stream


def test_a_change_replaces_what_it_names_and_keeps_the_rest(site: ServedSite) -> None:
    theme = site.client.post("/players", json={"name": "theme"}).json()["playerId"]
    assert site.client.post("/live-streams", json={"name": "x", "playerId": "pl1"}).json()["name"] == "playerId"
    made = create(site.client, playerId=theme, public=False, restreams=[FORWARD, {**FORWARD, "name": "second"}])
    assert [one["name"] for one in made["restreams"]] == ["elsewhere", "second"]
    path = f"/live-streams/{made['liveStreamId']}"
    renamed = site.client.patch(path, json={"name": "New", "unknown": 1})
    assert renamed.status_code == 200
    kept = {name: value for name, value in made.items() if name not in ("name", "updatedAt", "assets")}
    assert kept.items() <= renamed.json().items() and renamed.json()["name"] == "New"
    assert site.client.patch(path, json={"restreams": [FORWARD]}).json()["restreams"] == [FORWARD]
    assert site.client.patch(path, json={}).json()["restreams"] == [FORWARD]
    bare = site.client.patch(path, json={"restreams": [], "playerId": None, "public": True}).json()
    assert bare["restreams"] == [] and "playerId" not in bare and bare["public"] is True
    assert bare["streamKey"] == made["streamKey"] and bare["name"] == "New"


@pytest.mark.parametrize(
    ("restreams", "faults"),
    [
        ([{}], {f"restreams[0][{name}]": "blank" for name in ("name", "serverUrl", "streamKey")}),
        ([FORWARD, {**FORWARD, "streamKey": None}], {"restreams[1][streamKey]": "null"}),
        ([{**FORWARD, "name": " "}], {"restreams[0][name]": "blank"}),
        ([{**FORWARD, "streamKey": "k" * 2001}], {"restreams[0][streamKey]": "An attribute is invalid."}),
        ([FORWARD] * 6, {"restreams": "This collection should contain 5 elements or less."}),
        *(
            (
                [{**FORWARD, "serverUrl": url}],
                {"restreams[0][serverUrl]": "RTMP URL should have the following format: [rtmp|rtmps]://[host]/[app name]."},
            )
            for url in ("http://a/b", "rtmp:///app", "live", "rtmp://[::1/app", "rtmp://a:x/app", "rtmp://a/b c")
        ),
        *(
            (
                [{**FORWARD, "serverUrl": url}],
                {"restreams[0][serverUrl]": "Missing app name: [rtmp|rtmps]://[host]/[app name]."},
            )
            for url in ("rtmps://live.example.org", "rtmp://live.example.org/")
        ),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_bad_restreams_are_told_by_name_in_the_words_of_the_contract(
    site: ServedSite, method: str, restreams: list[Any], faults: dict[str, str]
) -> None:
    path = "/live-streams" if method == "POST" else f"/live-streams/{create(site.client)['liveStreamId']}"
    answer = site.client.request(method, path, json={"name": "A stream", "restreams": restreams})
    assert answer.status_code == 400
    told = answer.json()
    words = {"blank": "This value should not be blank.", "null": "This value should not be null."}
    wanted = [(name, words.get(title, title)) for name, title in faults.items()]
    assert [(one["name"], one["title"]) for one in told["problems"]] == wanted
    assert (told["name"], told["title"]) == wanted[0]
    assert told["type"].endswith("/invalid-attribute")


@pytest.mark.parametrize(
    ("body", "slug", "name"),
    [
        ({}, "attribute-required", "name"),
        ({"name": ""}, "attribute-required", "name"),
        ({"name": 5}, "invalid-attribute", "name"),
        ({"name": "x", "public": "yes"}, "invalid-attribute", "public"),
        ({"name": "x", "restreams": "all"}, "invalid-attribute", "restreams"),
        ({"name": "x", "restreams": ["all"]}, "invalid-attribute", "restreams[0]"),
        ({"name": "x", "restreams": [{**FORWARD, "streamKey": 1}]}, "invalid-attribute", "restreams[0][streamKey]"),
        ({"name": "\0"}, "invalid-attribute", "name"),
        ({"name": "x" * 501}, "invalid-attribute", "name"),
        ({"name": "\ufdfa" * 400}, "invalid-attribute", "name"),
    ],
)
def test_a_wrong_attribute_is_named(site: ServedSite, body: dict[str, Any], slug: str, name: str) -> None:
    told = site.client.post("/live-streams", json=body).json()
    assert (told["status"], told["type"].rpartition("/")[2], told["name"]) == (400, slug, name)
    if body:
        told = site.client.patch(f"/live-streams/{create(site.client)['liveStreamId']}", json=body).json()
        assert (told["status"], told["name"]) == (400, name)


def test_lists_filter_sort_and_page(site: ServedSite) -> None:
    key = site.new_key(project=None, environment="sandbox")
    with httpx.Client(base_url=site.url, headers={"X-API-Key": key}) as client:
        for stream in client.get("/live-streams", params={"pageSize": 100}).json()["data"]:
            client.delete(f"/live-streams/{stream['liveStreamId']}")
        names = ["Édith", "bravo", "Zulu 100%"]
        made = {name: create(client, name=name) for name in names}

        def listed(**query: Any) -> list[str]:
            answer = client.get("/live-streams", params=query)
            assert answer.status_code == 200, answer.text
            return [stream["name"] for stream in answer.json()["data"]]

        assert listed() == names[::-1]
        assert listed(sortBy="name", sortOrder="asc") == ["bravo", "Édith", "Zulu 100%"]
        assert listed(name="edit") == ["Édith"]
        assert listed(name="100%") == ["Zulu 100%"] and listed(name="%") == ["Zulu 100%"]
        assert listed(streamKey=made["bravo"]["streamKey"]) == ["bravo"]
        assert listed(streamKey=made["bravo"]["streamKey"][:-1]) == []
        client.patch(f"/live-streams/{made['Édith']['liveStreamId']}", json={"name": "Édith"})
        assert listed(sortBy="updatedAt")[0] == "Édith"
        second = client.get("/live-streams", params={"pageSize": 2, "currentPage": 2}).json()
        assert [stream["name"] for stream in second["data"]] == ["Édith"]
        assert (second["pagination"]["itemsTotal"], second["pagination"]["pagesTotal"]) == (3, 2)
        assert client.get("/live-streams?sortBy=streamKey").status_code == 400


def test_complete_answers_202_without_a_body_again_and_again(site: ServedSite) -> None:
    path = f"/live-streams/{create(site.client)['liveStreamId']}/complete"
    for _ in range(2):
        answer = site.client.put(path)
        assert (answer.status_code, answer.content) == (202, b"")


def test_a_thumbnail_is_shown_replaced_and_taken_away(site: ServedSite) -> None:
    stream = create(site.client)
    path = f"/live-streams/{stream['liveStreamId']}/thumbnail"
    shown = stream["assets"]["thumbnail"]
    assert httpx.get(shown).status_code == 404
    before: set[bytes] = set()
    for content in (png(), png(8, 8)):
        answer = site.client.post(path, files={"some.name": ("x.jpg", content, "image/jpeg")})
        assert answer.status_code == 201
        assert answer.json()["liveStreamId"] == stream["liveStreamId"]
        seen = httpx.get(shown)
        assert (seen.status_code, seen.content[:3], seen.headers["content-type"]) == (200, b"\xff\xd8\xff", "image/jpeg")
        assert seen.content not in before
        before.add(seen.content)
        assert httpx.get(shown, headers={"If-None-Match": seen.headers["etag"]}).status_code == 304
    site.client.patch(f"/live-streams/{stream['liveStreamId']}", json={"public": False})
    assert httpx.get(shown).status_code == 404
    site.client.patch(f"/live-streams/{stream['liveStreamId']}", json={"public": True})
    for _ in range(2):
        removed = site.client.delete(path)
        assert (removed.status_code, removed.json()["liveStreamId"]) == (200, stream["liveStreamId"])
    assert httpx.get(shown).status_code == 404


@pytest.mark.parametrize(
    ("content", "slug"),
    [
        (b"GIF89a" + bytes(100), "uploaded-file-extension-invalid"),
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "uploaded-file-extension-invalid"),
        (png()[:18], "uploaded-file-invalid-file"),
        (png(60_000, 60_000), "uploaded-file-invalid-file"),
        (png(0, 5), "uploaded-file-invalid-file"),
        (png()[:45] + bytes(20), "uploaded-file-invalid-file"),
        (b"\xff\xd8\xff\xd9", "uploaded-file-invalid-file"),
        (b"", "uploaded-file-empty"),
        (png() + bytes(8 * 1024 * 1024), "uploaded-file-too-large"),
    ],
    ids=["gif", "svg", "cut", "bomb", "flat", "damaged", "jpeg", "empty", "large"],
)
def test_what_is_no_good_picture_is_refused(site: ServedSite, content: bytes, slug: str) -> None:
    stream = create(site.client)
    answer = site.client.post(
        f"/live-streams/{stream['liveStreamId']}/thumbnail", files={"file": ("x.png", content, "image/png")}
    )
    assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (400, slug)
    assert httpx.get(stream["assets"]["thumbnail"]).status_code == 404


def test_a_deleted_live_stream_is_gone_with_its_picture(site: ServedSite) -> None:
    stream = create(site.client)
    path = f"/live-streams/{stream['liveStreamId']}"
    site.client.post(f"{path}/thumbnail", files={"file": ("x.png", png(), "image/png")})
    deleted = site.client.delete(path)
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert site.client.get(path).status_code == site.client.delete(path).status_code == 404
    assert httpx.get(stream["assets"]["thumbnail"]).status_code == 404


def test_somebody_elses_live_stream_is_not_there(site: ServedSite, sandbox: httpx.Client) -> None:
    stream = create(site.client)
    path = f"/live-streams/{stream['liveStreamId']}"
    answers = [
        sandbox.get(path),
        sandbox.patch(path, json={"name": "mine"}),
        sandbox.delete(path),
        sandbox.put(f"{path}/complete"),
        sandbox.post(f"{path}/thumbnail", files={"file": ("x.png", png(), "image/png")}),
        sandbox.delete(f"{path}/thumbnail"),
        site.client.get("/live-streams/li%00"),
        site.client.get("/live-streams/vi123"),
    ]
    for answer in answers:
        told = answer.json()
        assert (answer.status_code, told["name"], told["type"].rpartition("/")[2]) == (
            404,
            "liveStreamId",
            "resource-not-found",
        )
    assert sandbox.get("/live-streams", params={"streamKey": stream["streamKey"]}).json()["data"] == []
    assert site.client.get(path).json() == stream


def test_nothing_is_told_without_a_key(site: ServedSite) -> None:
    assert httpx.get(f"{site.url}/live-streams").status_code == 401
    assert httpx.post(f"{site.url}/live-streams", json={"name": "x"}).status_code == 401


def test_the_addresses_of_a_private_stream_work_once_and_then_with_their_session(site: ServedSite) -> None:
    stream = create(site.client, public=False)
    id, path = stream["liveStreamId"], f"/live-streams/{stream['liveStreamId']}"
    site.client.post(f"{path}/thumbnail", files={"file": ("x.png", png(), "image/png")})

    def assets() -> dict[str, str]:
        found: dict[str, str] = site.client.get(path).json()["assets"]
        return found

    one, two = assets(), assets()
    token = re.fullmatch(rf"{site.url}/live/private/([0-9a-f-]{{36}})/{id}\.m3u8", one["hls"])
    assert token is not None and one["hls"] != two["hls"]
    assert one["player"] == f"{site.url}/embed/live/{id}?token={token[1]}" and escape(one["player"]) in one["iframe"]
    assert one["thumbnail"] == f"{site.url}/live/private/{token[1]}/{id}/thumbnail.jpg"
    assert httpx.get(f"{site.url}/live/{id}/thumbnail.jpg").status_code == 404

    assert httpx.head(one["thumbnail"]).status_code == 200
    seen = httpx.get(one["thumbnail"])
    assert (seen.status_code, seen.headers["content-type"]) == (200, "image/jpeg")
    assert seen.headers["cache-control"].startswith("private")
    assert httpx.get(one["thumbnail"]).status_code == 404

    address = two["thumbnail"].replace("thumbnail.jpg", "session")
    answer = httpx.get(address)
    assert (answer.status_code, list(answer.json())) == (200, ["session_token"])
    assert httpx.get(address).status_code == httpx.get(two["thumbnail"]).status_code == 404
    session = answer.json()["session_token"]
    for _ in range(2):
        assert httpx.get(two["thumbnail"], params={"avh": session}).status_code == 200
    assert httpx.get(two["thumbnail"], params={"avh": session[::-1]}).status_code == 404

    other = create(site.client, public=False)["assets"]["thumbnail"]
    assert httpx.get(re.sub(r"li\w{22}", id, other)).status_code == 404
