"""Somebody with the public key asks for more; the operator decides; the key is made once."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest
from reelkit.testing.served import ServedSite, served_site

ASKED = {"name": "Ada", "email": "ada@example.org", "use": "A page about engines."}


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedSite]:
    """A site of its own, since an address may ask three times a day only."""
    with served_site(tmp_path_factory.mktemp("asked")) as site:
        yield site


def test_a_request_becomes_a_key_once(asked: ServedSite) -> None:
    public = {"X-API-Key": asked.new_key(tier="public")}

    def ask(**fields: object) -> httpx.Response:
        return httpx.post(f"{asked.url}/api/access-requests", json={**ASKED, **fields}, headers=public)

    for wrong, name in (({"email": "ada"}, "email"), ({"name": ""}, "name"), ({"use": "x" * 2001}, "use")):
        refused = ask(**wrong)
        assert (refused.status_code, refused.json()["name"]) == (400, name)
    taken = [ask(name=f"Ada {number}\x1b[31m") for number in range(3)]
    assert [(answer.status_code, answer.json()["status"]) for answer in taken] == [(201, "waiting")] * 3
    often = ask()
    assert (often.status_code, often.json()["limit"], often.json()["window"]) == (429, 3, 86400)
    assert int(often.headers["retry-after"]) > 86000

    first, second, third = (answer.json()["requestId"] for answer in taken)
    assert "\x1b" not in asked.command("access", "list")
    with pytest.raises(RuntimeError, match="no tier"):
        asked.command("access", "approve", first, "--tier", "gold")
    key = asked.command("access", "approve", first, "--tier", "partner").strip()
    asked.command("access", "refuse", second)
    for decided in (first, second, "ar404"):
        with pytest.raises(RuntimeError, match="waits"):
            asked.command("access", "approve", decided)
    listed = json.loads(asked.command("access", "list", "--json"))
    assert [(each["id"], each["status"]) for each in listed] == [
        (first, "approved"),
        (second, "refused"),
        (third, "waiting"),
    ]

    granted = {"X-API-Key": key}
    opened = httpx.post(f"{asked.url}/api/auth", headers=granted)
    assert (opened.status_code, opened.json()["tier"]) == (200, "partner")
    assert httpx.get(f"{asked.url}/videos", headers=granted).status_code == 200
    assert httpx.post(f"{asked.url}/videos", json={"title": "t"}, headers=granted).status_code == 403


def test_a_session_cannot_ask(asked: ServedSite) -> None:
    token = asked.client.post("/api/auth").json()["token"]
    answer = httpx.post(f"{asked.url}/api/access-requests", json=ASKED, headers={"X-Session-Token": token})
    assert answer.status_code == 403
