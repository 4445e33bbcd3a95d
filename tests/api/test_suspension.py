"""A suspended project: all that belongs to it is answered 403, and works again when it is resumed."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from reelkit.testing.served import ServedSite

SUSPENDED = {
    "type": "https://docs.api.video/reference/authorization-suspended-account",
    "title": "The account is suspended.",
    "status": 403,
}


@pytest.fixture
def project(site: ServedSite) -> Iterator[str]:
    """A project that is not suspended when the test begins."""
    name = site.new_project()
    yield name
    site.command("project", "resume", name)


def playable(owner: httpx.Client, where: str) -> Callable[[], bool]:
    return lambda: bool(owner.get(f"{where}/status").json()["encoding"]["playable"])


def until(happens: Callable[[], bool]) -> None:
    """Wait for it; servers hear of a change within 5 s."""
    end = time.monotonic() + 30
    while not happens():
        assert time.monotonic() < end
        time.sleep(0.2)


def test_nothing_that_belongs_to_a_suspended_project_opens_anything(
    site: ServedSite, project: str, sample_h264: Path
) -> None:
    key = site.new_key(project=project)
    owner = site.as_key(key)
    public, private = (owner.post("/videos", json={"title": "One", "public": each}).json() for each in (True, False))
    for video in (public, private):
        where = f"/videos/{video['videoId']}"
        assert owner.post(f"{where}/source", files={"file": sample_h264.read_bytes()}).status_code == 201
        until(playable(owner, where))
    signed_in = httpx.post(f"{site.url}/auth/api-key", json={"apiKey": key}).json()
    session = owner.post("/api/auth").json()["token"]
    token = owner.post("/upload-tokens").json()["token"]
    signed = owner.post(f"/videos/{private['videoId']}/signed-urls", json={}).json()["assets"]["hls"]
    renewed = signed_in["refresh_token"]

    def asked() -> list[httpx.Response]:
        url = site.url
        return [
            owner.get("/videos"),
            owner.patch(f"/videos/{public['videoId']}", json={"title": "Two"}),
            httpx.get(f"{url}/videos", headers={"Authorization": "Basic " + base64.b64encode(f"{key}:".encode()).decode()}),
            httpx.get(f"{url}/videos", headers={"X-API-Key": key}),
            httpx.get(f"{url}/videos", headers={"Authorization": f"Bearer {signed_in['access_token']}"}),
            httpx.get(f"{url}/videos", headers={"X-Session-Token": session}),
            httpx.post(f"{url}/auth/api-key", json={"apiKey": key}),
            httpx.post(f"{url}/upload", params={"token": token}, files={"file": b"no film"}),
            httpx.post(f"{url}/uploads/tus?token={token}", headers={"Tus-Resumable": "1.0.0", "Upload-Length": "9"}),
            httpx.get(signed),
        ]

    assert [answer.status_code for answer in asked()] == [200, 200, 200, 200, 200, 200, 200, 400, 201, 200]
    site.command("project", "suspend", project)
    until(lambda: owner.get("/videos").status_code == 403)
    for answer in asked():
        assert (answer.status_code, answer.headers["content-type"]) == (403, "application/json")
        assert answer.json() == SUSPENDED
    refused = httpx.post(f"{site.url}/auth/refresh", json={"refreshToken": renewed})
    assert (refused.status_code, refused.json()) == (403, SUSPENDED)
    assert httpx.get(public["assets"]["hls"]).status_code == 200, "who watches needs no credential"
    assert site.client.get("/videos").status_code == 200, "another project"

    site.command("project", "resume", project)
    until(lambda: owner.get("/videos").status_code == 200)
    assert [answer.status_code for answer in asked()] == [200, 200, 200, 200, 200, 200, 200, 400, 201, 200]
    again = httpx.post(f"{site.url}/auth/refresh", json={"refreshToken": renewed})
    assert again.status_code == 200, "a refusal that could be taken back used up no refresh token"
