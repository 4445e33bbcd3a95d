"""Session tokens: a browser reads and plays with one, and can do no harm with it."""

from __future__ import annotations

import base64
import time

import httpx
import pytest
from reelkit.testing.served import ServedSite

from tests.api.test_videos import problem


def session(site: ServedSite, key: str, **fields: str) -> str:
    answer = httpx.post(f"{site.url}/api/auth", headers={"X-API-Key": key})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["token"])


def ask(site: ServedSite, method: str, path: str, token: str) -> httpx.Response:
    return httpx.request(method, f"{site.url}{path}", headers={"X-Session-Token": token}, json={})


@pytest.mark.parametrize("environment", ["production", "sandbox"])
def test_a_key_of_any_tier_opens_sessions_in_every_way_to_present_it(site: ServedSite, environment: str) -> None:
    key = site.new_key(tier="public", environment=environment)
    basic = "Basic " + base64.b64encode(f"{key}:".encode()).decode()
    for headers in ({"Authorization": f"Bearer {key}"}, {"Authorization": basic}, {"X-API-Key": key}):
        answer = httpx.post(f"{site.url}/api/auth", headers=headers)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
        opened = answer.json()
        assert opened.pop("token")
        assert opened == {"expires_in": 1800, "tier": "public", "environment": environment}


def test_a_session_reads_what_its_key_may_read(site: ServedSite) -> None:
    video = site.new_video("for the browser")
    token = session(site, site.key)
    assert ask(site, "GET", f"/videos/{video}", token).json()["title"] == "for the browser"
    for path in ("/videos", f"/videos/{video}/status", "/tags"):
        assert ask(site, "GET", path, token).status_code == 200
    stranger = session(site, site.new_key(environment="sandbox"))
    assert ask(site, "GET", f"/videos/{video}", stranger).status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/videos"),
        ("PATCH", "/videos/{video}"),
        ("DELETE", "/videos/{video}"),
        ("POST", "/videos/{video}/source"),
        ("POST", "/videos/{video}/captions/en"),
        ("POST", "/upload-tokens"),
        ("GET", "/upload-tokens"),
        ("GET", "/webhooks"),
        ("POST", "/webhooks"),
        ("GET", "/live-streams"),
        ("POST", "/live-streams"),
        ("POST", "/api/auth"),
    ],
)
def test_a_session_changes_nothing_and_sees_no_secret(site: ServedSite, method: str, path: str) -> None:
    video = site.new_video()
    refused = ask(site, method, path.format(video=video), session(site, site.key))
    assert problem(refused, 403, "authorization-access-denied")["title"] == "Access denied"
    assert "session token" in refused.json()["detail"]


def test_what_is_no_session_token_is_told_so(site: ServedSite) -> None:
    token = session(site, site.key)
    access = httpx.post(f"{site.url}/auth/api-key", json={"apiKey": site.key}).json()["access_token"]
    for wrong in ("x", token[:-1], token + "A", access, site.key, "." * 5000):
        refused = ask(site, "GET", "/videos", wrong)
        assert (refused.status_code, refused.json()["title"]) == (401, "Invalid or expired session token"), wrong
    bearer = httpx.get(f"{site.url}/videos", headers={"Authorization": f"Bearer {token}"})
    assert bearer.status_code == 401, "a session token is no access token"
    missing = httpx.post(f"{site.url}/api/auth")
    assert (missing.status_code, missing.json()["title"]) == (401, "Missing API key")


def test_revoking_the_key_ends_its_sessions_within_5_seconds(site: ServedSite) -> None:
    key = site.new_key()
    token = session(site, key)
    assert ask(site, "GET", "/videos", token).status_code == 200

    site.command("keys", "revoke", key)
    revoked = time.monotonic()
    while (answer := ask(site, "GET", "/videos", token)).status_code == 200:
        assert time.monotonic() - revoked < 30
        time.sleep(0.2)

    assert (answer.status_code, answer.json()["title"]) == (401, "Invalid or expired session token")


def test_a_key_does_what_its_scopes_say_and_its_session_no_more(site: ServedSite) -> None:
    made = site.command("keys", "create", "--name", "reader", "--scope", "tags:read", "--scope", "sessions:write").strip()
    video = site.new_video()
    bearer = {"Authorization": f"Bearer {made}"}
    refused = httpx.get(f"{site.url}/videos/{video}", headers=bearer)
    assert (refused.status_code, refused.json()["detail"]) == (403, "This key lacks the scope `videos:read`.")
    assert ask(site, "GET", f"/videos/{video}", session(site, made)).status_code == 403

    reader = site.command("keys", "create", "--name", "reader", "--scope", "videos:read").strip()
    bearer = {"Authorization": f"Bearer {reader}"}
    assert httpx.get(f"{site.url}/videos/{video}", headers=bearer).status_code == 200
    assert httpx.delete(f"{site.url}/videos/{video}", headers=bearer).status_code == 403
    assert httpx.post(f"{site.url}/api/auth", headers=bearer).status_code == 403
