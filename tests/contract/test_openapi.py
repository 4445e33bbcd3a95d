"""The description that a site serves of itself agrees with the contract, and with what the site does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from reelkit.testing.served import ServedSite

SIGNS_IN = {"POST_auth-api-key"}
"""Counted by the key in the body."""
BEYOND = {400, 401, 403, 404, 409}
"""Statuses that any operation may answer besides those that the contract lists for it."""


@pytest.fixture(scope="session")
def document(site: ServedSite) -> dict[str, Any]:
    answer = site.client.get("/openapi.json", headers={"Authorization": ""})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    found: dict[str, Any] = answer.json()
    assert found["openapi"].startswith("3.1.")
    return found


@pytest.fixture(scope="session")
def described(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what is described, by operation id, each with its method and path."""
    return {
        operation["operationId"]: {**operation, "method": method.upper(), "path": path}
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def fields(document: dict[str, Any], schema: dict[str, Any]) -> set[str]:
    """Return the names of the fields of an object."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return set(schema["properties"])


def test_every_operation_of_the_contract_is_described_where_it_is(
    operations: dict[str, dict[str, Any]], described: dict[str, dict[str, Any]]
) -> None:
    wanted = {name: (told["method"], told["path"]) for name, told in operations.items()}
    assert {name: (told["method"], told["path"]) for name, told in described.items() if name in wanted} == wanted


def test_parameters_are_those_of_the_contract(
    operations: dict[str, dict[str, Any]], described: dict[str, dict[str, Any]]
) -> None:
    for name, told in operations.items():
        found = described[name].get("parameters", [])
        query = {one["name"]: one["schema"]["type"] for one in found if one["in"] == "query"}
        assert query == told.get("query", {}), name
        assert [one["name"] for one in found if one["in"] == "header"] == told.get("headers", []), name
        in_path = [one["name"] for one in found if one["in"] == "path"]
        assert sorted(in_path) == sorted(part[1:-1] for part in told["path"].split("/") if part[:1] == "{"), name
        assert bool(described[name]["security"]) == (told["authenticated"] or name == "POST_upload"), name


def test_statuses_are_those_of_the_contract(
    operations: dict[str, dict[str, Any]], described: dict[str, dict[str, Any]]
) -> None:
    for name, told in operations.items():
        found = {int(status) for status in described[name]["responses"]}
        assert found >= set(told["statuses"]), name
        counted = told["authenticated"] or name in SIGNS_IN
        assert found - set(told["statuses"]) <= BEYOND | ({429} if counted else set()), name


def test_bodies_and_answers_have_the_fields_of_the_contract(
    operations: dict[str, dict[str, Any]], described: dict[str, dict[str, Any]], document: dict[str, Any]
) -> None:
    missing: dict[str, set[str]] = {}
    for name, told in operations.items():
        if "body" in told:
            given = described[name]["requestBody"]["content"][told["body"]]["schema"]
            missing[f"{name} takes"] = set(told["given"]) - fields(document, given)
        if "answer" in told:
            answered = described[name]["responses"][str(told["statuses"][0])]["content"]["application/json"]["schema"]
            missing[f"{name} answers"] = set(told["answer"]) - fields(document, answered)
    assert not {name: fault for name, fault in missing.items() if fault}


def test_every_addition_is_told_to_those_who_come_from_api_video(
    operations: dict[str, dict[str, Any]], described: dict[str, dict[str, Any]]
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "moving.md").read_text("utf-8")
    added = {told["path"].removesuffix("/{uploadId}") for name, told in described.items() if name not in operations}
    assert len(added) > 10
    assert not {path for path in added if path not in page}


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    followed = 0

    def walk(node: Any) -> None:
        nonlocal followed
        if isinstance(node, dict):
            if "$ref" in node:
                followed += 1
                _, *way = node["$ref"].split("/")
                found: Any = document
                for step in way:
                    found = found[step]
            for below in node.values():
                walk(below)
        elif isinstance(node, list):
            for below in node:
                walk(below)

    walk(document)
    assert followed > 100


def test_lists_take_the_words_that_are_described_and_no_others(
    site: ServedSite, described: dict[str, dict[str, Any]]
) -> None:
    tried = 0
    for name, told in described.items():
        if told["method"] != "GET" or "{" in told["path"]:
            continue
        for parameter in told.get("parameters", []):
            if "enum" not in parameter["schema"]:
                continue
            for word in parameter["schema"]["enum"]:
                answer = site.client.get(told["path"], params={parameter["name"]: word})
                assert answer.status_code == 200, f"{name} {parameter['name']}={word}: {answer.text}"
            refused = site.client.get(told["path"], params={parameter["name"]: "nonsense"})
            assert (refused.status_code, refused.json()["name"]) == (400, parameter["name"]), name
            tried += 1
    assert tried >= 14


def test_what_is_described_as_open_needs_no_key_and_the_rest_does(
    site: ServedSite, described: dict[str, dict[str, Any]]
) -> None:
    for name, told in described.items():
        if told["method"] != "GET":
            continue
        path = "/".join("x" if part[:1] == "{" else part for part in told["path"].split("/"))
        answer = site.client.get(path, headers={"Authorization": ""})
        assert (answer.status_code == 401) == bool(told["security"]), name


def test_the_headers_of_tus_are_described_as_they_are_sent(site: ServedSite, described: dict[str, dict[str, Any]]) -> None:
    spoken = {"Tus-Resumable": "1.0.0"}
    begun = site.client.post("/uploads/tus", headers=spoken | {"Upload-Length": "9", "Upload-Metadata": "title dA=="})
    address = begun.headers["Location"]
    bytes_of = spoken | {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    answers = {
        "OPTIONS_uploads-tus": site.client.options("/uploads/tus"),
        "POST_uploads-tus": begun,
        "HEAD_uploads-tus-id": site.client.head(address, headers=spoken),
        "PATCH_uploads-tus-id": site.client.patch(address, content=b"1234", headers=bytes_of),
        "DELETE_uploads-tus-id": site.client.delete(address, headers=spoken),
    }
    for name, answer in answers.items():
        told = described[name]["responses"][str(answer.status_code)]["headers"]
        sent = {header for header in answer.headers if header.startswith(("tus-", "upload-", "video-id", "location"))}
        assert sent <= {header.lower() for header in told}, name
        assert {header.lower() for header in told} - sent <= {"upload-concat", *(h.lower() for h in told if "Rate" in h)}, (
            name
        )
        (first, *_) = described[name].get("parameters", [None])
        assert name == "OPTIONS_uploads-tus" or first is not None
    content = described["PATCH_uploads-tus-id"]["requestBody"]["content"]
    assert list(content) == ["application/offset+octet-stream"]
    assert "$ref" in described["POST-watch"]["requestBody"]["content"]["application/json"]["schema"]


def test_the_type_of_the_measurements_is_that_of_prometheus(site: ServedSite) -> None:
    measured = site.client.get("/metrics")
    assert measured.headers["content-type"] == "text/plain; version=1.0.0; charset=utf-8"


def test_people_read_the_reference_without_asking_another_host(site: ServedSite, operations: dict[str, Any]) -> None:
    page = site.client.get("/reference", headers={"Authorization": ""})
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    for name in operations:
        assert f'id="{name}"' in page.text
    assert "src=" not in page.text
    for word in ("Upload-Offset", "application/offset+octet-stream", "transcriptSummary", "currentPage", "by default true"):
        assert word in page.text
    # What a field is made of is told as well.
    assert '<a href="#object-VideoWatermark">' in page.text and 'id="object-VideoWatermark"' in page.text
    groups = re.findall(r"<h2>(.*)</h2>", page.text)
    assert (groups[0], groups[-1], "Api" in groups) == ("Videos", "Objects", False)
