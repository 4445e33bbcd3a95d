"""Access tokens over HTTP, as the official clients ask for them."""

from __future__ import annotations

import base64
import json
import time

import httpx
import pytest
from reelkit.testing.served import ServedSite

WRONG = {
    "type": "https://docs.api.video/reference/authentication-invalid-user-credentials",
    "title": "The user credentials were incorrect.",
    "status": 400,
    "name": "",
}


def post(site: ServedSite, path: str, body: object, **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes | str) else json.dumps(body)
    return httpx.post(f"{site.url}{path}", content=content, headers={"Content-Type": "application/json", **headers})


def listed(site: ServedSite, token: str) -> httpx.Response:
    return httpx.get(f"{site.url}/videos", headers={"Authorization": f"Bearer {token}"})


def test_a_key_becomes_tokens_and_they_are_renewed(site: ServedSite) -> None:
    answer = post(site, "/auth/api-key", {"apiKey": site.key})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    first = answer.json()
    assert first.keys() == {"token_type", "expires_in", "access_token", "refresh_token"}
    assert (first["token_type"], first["expires_in"]) == ("Bearer", 3600)
    assert listed(site, first["access_token"]).status_code == 200

    second = post(site, "/auth/refresh", {"refreshToken": first["refresh_token"]}).json()
    assert second.keys() == first.keys() and second["refresh_token"] != first["refresh_token"]
    assert listed(site, second["access_token"]).status_code == 200

    used = post(site, "/auth/refresh", {"refreshToken": first["refresh_token"]})
    assert (used.status_code, used.json()["title"], used.json()["name"]) == (400, WRONG["title"], "")
    assert post(site, "/auth/refresh", {"refreshToken": second["refresh_token"]}).status_code == 400


@pytest.mark.parametrize("authorization", ["", "Basic " + base64.b64encode(b"wrong:").decode(), "Bearer old", "nonsense"])
def test_the_header_does_not_matter_to_a_sign_in(site: ServedSite, authorization: str) -> None:
    signed_in = post(site, "/auth/api-key", {"apiKey": site.key}, Authorization=authorization)
    assert signed_in.status_code == 200
    # As the uploader renews: JSON as text, which spares the browser a preflight.
    again = post(
        site,
        "/auth/refresh",
        {"refreshToken": signed_in.json()["refresh_token"]},
        Authorization=authorization,
        **{"Content-Type": "text/plain;charset=UTF-8", "Origin": "https://elsewhere.example"},
    )
    assert again.status_code == 200 and again.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/auth/api-key", {"apiKey": "wrong"}),
        ("/auth/api-key", {"apiKey": "rk_live_" + "a" * 32}),
        ("/auth/refresh", {"refreshToken": "wrong"}),
    ],
)
def test_wrong_credentials_are_told_as_the_contract_has_it(site: ServedSite, path: str, body: dict[str, str]) -> None:
    answer = post(site, path, body)
    assert (answer.status_code, answer.json()) == (400, WRONG)


@pytest.mark.parametrize(
    ("path", "body", "title", "name"),
    [
        ("/auth/api-key", {}, "This attribute is required.", "apiKey"),
        ("/auth/api-key", {"apiKey": " "}, "This attribute is required.", "apiKey"),
        ("/auth/api-key", {"apiKey": None}, "This attribute is required.", "apiKey"),
        ("/auth/refresh", {"refreshToken": 5}, "An attribute is invalid.", "refreshToken"),
        ("/auth/refresh", b"", "The payload is invalid.", None),
        ("/auth/refresh", b"\xff", "The payload is invalid.", None),
    ],
)
def test_a_body_without_a_credential_is_told_why(
    site: ServedSite, path: str, body: object, title: str, name: str | None
) -> None:
    answer = post(site, path, body)
    assert (answer.status_code, answer.json()["title"], answer.json().get("name")) == (400, title, name)


def test_a_revoked_key_takes_its_access_tokens_along(site: ServedSite) -> None:
    key = site.new_key()
    token = post(site, "/auth/api-key", {"apiKey": key}).json()["access_token"]
    assert listed(site, token).status_code == 200

    site.command("keys", "revoke", key)
    revoked = time.monotonic()
    while listed(site, token).status_code == 200:
        assert time.monotonic() - revoked < 30
        time.sleep(0.2)

    refused = listed(site, token)
    assert refused.status_code == 401
    assert refused.json()["type"].endswith("/authentication-invalid-access-token")


def test_a_forged_access_token_is_refused(site: ServedSite) -> None:
    token = post(site, "/auth/api-key", {"apiKey": site.key}).json()["access_token"]
    for forged in (token[:-1], token[1:], token + "A", f"{token}.{token}", "x.y.z"):
        refused = listed(site, forged)
        assert refused.status_code == 401
        assert refused.json()["type"].endswith("/authentication-invalid-access-token")


def test_a_key_signs_in_no_more_often_than_it_may_ask(site: ServedSite) -> None:
    everybody = {"apiKey": site.new_key(tier="public")}
    answers = [post(site, "/auth/api-key", everybody) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    assert int(answers[-1].headers["retry-after"]) <= 60 and answers[-1].json()["limit"] == 10
