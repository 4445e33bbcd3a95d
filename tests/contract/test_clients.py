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
TUS = ("tuspy", "tus-js-client")

Told = list[tuple[str, str, str | None]]

INTRODUCTION = """\
# Compatibility with the clients of api.video and of tus

Official clients of api.video, unchanged, work against a reelkit site once their base URL is that of the site. These tables
are written by the tests: each line was done by each client over HTTP against a running site, and its answer was checked. A
client has no word in the lines that it was not asked to do.

| client | version | how it is pointed at a site |
|---|---|---|
| Python `api-video` | {python} | `c = AuthenticatedApiClient(key); c.configuration.host = URL; c.connect()` |
| Node `@api.video/nodejs-client` | {node} | `new ApiVideoClient({{apiKey: key, baseUri: URL}})` |
| Browser `@api.video/video-uploader` | {uploader} | `new VideoUploader({{file, uploadToken, apiHost: HOST}})` |

URL is without a slash at its end. HOST is without `https://`, which the uploader puts before it: it needs a site behind TLS
([self-hosting](self-hosting.md)); in the tests Caddy stands before the site, and the page is one of Chromium.

"""
ABOUT_TUS = """\

## Clients of tus

tus 1.0 is spoken at `/uploads/tus` ([uploads](uploads.md#tus)), with a key or an upload token. tuspy knows neither parallel
uploads nor how to give one up.

| client | version | how it is pointed at a site |
|---|---|---|
| Python `tuspy` | {tuspy} | `TusClient(URL + "/uploads/tus", headers={{"X-API-Key": key}})` |
| Node and browsers `tus-js-client` | {tus_js} | `new tus.Upload(file, {{endpoint: URL + '/uploads/tus?token=' + token}})` |

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


@pytest.mark.parametrize(("client", "steps"), [("tuspy", 5), ("tus-js-client", 7)])
def test_a_client_of_tus_does_all_it_can(client: str, steps: int, journeys: Callable[[str], Told]) -> None:
    told = journeys(client)
    assert len(told) == steps
    assert not [f"{operation} ({what}): {error}" for operation, what, error in told if error is not None]


def test_the_table_of_compatibility_is_what_the_clients_found(journeys: Callable[[str], Told]) -> None:
    versions = {
        "python": version("api-video"),
        "node": npm_version(HERE / "node", "@api.video/nodejs-client"),
        "uploader": npm_version(HERE / "uploader", "@api.video/video-uploader"),
        "tuspy": version("tuspy"),
        "tus_js": npm_version(HERE.parent / "api" / "tus", "tus-js-client"),
    }
    page = INTRODUCTION.format(**versions) + table({client: journeys(client) for client in (*CLIENTS, UPLOADER)})
    page += ABOUT_TUS.format(**versions) + table({client: journeys(client) for client in TUS})
    if os.environ.get("REELKIT_RENEW"):
        PAGE.write_text(page)
    assert PAGE.is_file() and PAGE.read_text() == page, f"docs/compatibility.md is out of date; renew it: {RENEW}"


def table(told: Mapping[str, Told]) -> str:
    """Return the table that tells what each client did."""
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
    return "\n".join(lines) + "\n"


def npm_version(folder: Path, name: str) -> str:
    """Return the version of a package that a folder asks for."""
    found: str = json.loads((folder / "package.json").read_text())["dependencies"][name]
    return found
