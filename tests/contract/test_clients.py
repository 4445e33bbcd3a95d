"""Official clients do every operation of the contract against a served site; what they find is docs/compatibility.md."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "compatibility.md"
RENEW = "REELKIT_RENEW=1 .venv/bin/pytest tests/contract/test_clients.py"
CLIENTS = ("Python", "Node")
UPLOADER = "Browser"

Told = list[tuple[str, str, str | None]]

INTRODUCTION = """\
# Compatibility with the clients of api.video

Official clients, unchanged, work against a reelkit site once their base URL is that of the site. This table is written by
the tests: each line was done by each client over HTTP against a running site, and its answer was checked. A client
has no word in the lines that it was not asked to do.

| client | version | how it is pointed at a site |
|---|---|---|
| Python `api-video` | {python} | `c = AuthenticatedApiClient(key); c.configuration.host = URL; c.connect()` |
| Node `@api.video/nodejs-client` | {node} | `new ApiVideoClient({{apiKey: key, baseUri: URL}})` |
| Browser `@api.video/video-uploader` | {uploader} | `new VideoUploader({{file, uploadToken, apiHost: HOST}})` |

URL is without a slash at its end. HOST is without `https://`, which the uploader puts before it: it needs a site behind TLS
([self-hosting](self-hosting.md)); in the tests Caddy stands before the site, and the page is one of Chromium.

"""


@pytest.mark.parametrize("client", CLIENTS)
def test_an_official_client_does_every_operation(
    client: str, journeys: Callable[[str], Told], operations: dict[str, dict[str, Any]]
) -> None:
    told = journeys(client)
    failed = [f"{operation} ({what}): {error}" for operation, what, error in told if error is not None]
    assert not failed, "\n".join(failed)
    assert {operation for operation, _, _ in told} == set(operations)


def test_an_official_client_does_every_operation_in_a_sandbox_on_postgres(
    sandbox_journey: Told, operations: dict[str, dict[str, Any]]
) -> None:
    failed = [f"{operation} ({what}): {error}" for operation, what, error in sandbox_journey if error is not None]
    assert not failed, "\n".join(failed)
    assert {operation for operation, _, _ in sandbox_journey} == set(operations)


def test_the_official_uploader_uploads_from_a_page_behind_tls(journeys: Callable[[str], Told]) -> None:
    told = journeys(UPLOADER)
    assert len(told) == 7
    assert not [f"{operation} ({what}): {error}" for operation, what, error in told if error is not None]


def test_the_table_of_compatibility_is_what_the_clients_found(journeys: Callable[[str], Told]) -> None:
    page = table({client: journeys(client) for client in (*CLIENTS, UPLOADER)})
    if os.environ.get("REELKIT_RENEW"):
        PAGE.write_text(page)
    assert PAGE.is_file() and PAGE.read_text() == page, f"docs/compatibility.md is out of date; renew it: {RENEW}"


def table(told: Mapping[str, Told]) -> str:
    """Return the page that tells what each client did."""
    versions = {
        "python": version("api-video"),
        "node": npm_version("node", "@api.video/nodejs-client"),
        "uploader": npm_version("uploader", "@api.video/video-uploader"),
    }
    results = {
        (operation, what, client): "works" if error is None else f"fails: {error.splitlines()[0][:100]}"
        for client, lines in told.items()
        for operation, what, error in lines
    }
    lines = [f"| operation | what was done | {' | '.join(told)} |", f"|---|---|{'---|' * len(told)}"]
    steps = dict.fromkeys((operation, what) for operation, what, _ in results)
    for operation, of_operation in groupby(sorted(steps, key=lambda step: step[0].lower()), key=lambda step: step[0]):
        for number, (_, what) in enumerate(of_operation):
            cells = " | ".join(results.get((operation, what, client), "") for client in told)
            lines.append(f"| {f'`{operation}`' if number == 0 else ''} | {what} | {cells} |")
    return INTRODUCTION.format(**versions) + "\n".join(lines) + "\n"


def npm_version(folder: str, name: str) -> str:
    """Return the version of a package that a folder asks for."""
    found: str = json.loads((HERE / folder / "package.json").read_text())["dependencies"][name]
    return found
