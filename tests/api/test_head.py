"""HEAD answers as GET does, without the body, wherever GET answers."""

from __future__ import annotations

import pytest
from reelkit.testing.served import ServedSite

VARYING = {
    "content-security-policy",
    "x-request-id",
    "date",
    "ratelimit",
    "x-ratelimit-remaining",
    "x-ratelimit-retry-after",
}


@pytest.mark.parametrize(
    "path", ["/videos?pageSize=1", "/videos/VIDEO", "/videos/viNobody", "/tags", "/healthz", "/embed/vod/VIDEO", "/nowhere"]
)
def test_head_is_get_without_its_body(site: ServedSite, path: str) -> None:
    path = path.replace("VIDEO", site.new_video())
    got, head = site.client.get(path), site.client.head(path)
    assert head.status_code == got.status_code and head.content == b""
    told = [{name: value for name, value in answer.headers.items() if name not in VARYING} for answer in (got, head)]
    assert told[0] == told[1]


def test_browsers_are_shown_a_page_where_there_is_none_and_clients_are_told(site: ServedSite) -> None:
    accepts = ("text/html,application/xhtml+xml,*/*;q=0.8", "application/json", "*/*")
    answers = [site.client.get("/nowhere", headers={"Accept": accept}) for accept in accepts]
    assert [answer.status_code for answer in answers] == [404] * 3
    kinds = ["text/html; charset=utf-8", "application/json", "application/json"]
    assert [answer.headers["content-type"] for answer in answers] == kinds
    assert {answer.headers["vary"] for answer in answers} == {"Accept"}
    posted = site.client.post("/nowhere", headers={"Accept": accepts[0]})
    assert posted.json()["title"] == "Unrecognized request URL."


def test_head_asks_for_a_key_where_get_does_and_counts_as_reading(site: ServedSite) -> None:
    assert site.client.head("/videos", headers={"Authorization": ""}).status_code == 401
    answer = site.client.head("/videos")
    assert int(answer.headers["x-ratelimit-remaining"]) < int(answer.headers["x-ratelimit-limit"])


def test_head_where_nothing_can_be_got_is_refused(site: ServedSite) -> None:
    answer = site.client.head("/videos/viNobody/source")
    assert (answer.status_code, answer.content) == (405, b"")


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/videos", "GET, HEAD, OPTIONS, POST"),
        ("/videos/viNobody", "DELETE, GET, HEAD, OPTIONS, PATCH"),
        ("/tags", "GET, HEAD, OPTIONS"),
        ("/upload", "OPTIONS, POST"),
    ],
)
def test_options_and_refusals_name_every_method_of_a_path(site: ServedSite, path: str, methods: str) -> None:
    asked, refused = site.client.options(path), site.client.put(path)
    assert (asked.status_code, asked.headers["allow"], asked.content) == (204, methods, b"")
    assert (refused.status_code, refused.headers["allow"]) == (405, methods)
