"""Rate limits over HTTP: exact over every process that serves a site, and told with every answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from reelkit.testing.served import ServedSite, served_site
from reelkit.testing.servers import ValkeyServer

TIERS = """
[tiers.small]
limit = 100
window = 600
[tiers.tiny]
limit = 3
window = 600
session_limit = 2
[tiers.apart]
limit = 4
reads = 2
sandbox_writes = 1
window = 600
[tiers.short]
limit = 1
window = 1
[limits]
token_uploads_per_minute = 3
beats_per_minute = 5
"""


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedSite]:
    """A site with small tiers, counting in its one process."""
    with served_site(tmp_path_factory.mktemp("limited"), TIERS) as site:
        yield site


def numbers(answer: httpx.Response) -> tuple[int, int]:
    """Return the limit and what remains, after checking that all headers agree."""
    limit, remaining, reset = (int(answer.headers[f"x-ratelimit-{name}"]) for name in ("limit", "remaining", "retry-after"))
    assert 0 <= reset <= 600
    assert f"r={remaining};t={reset}" in answer.headers["ratelimit"]
    assert f"q={limit};w=" in answer.headers["ratelimit-policy"]
    return limit, remaining


def get(site: ServedSite, path: str, **headers: str) -> httpx.Response:
    return httpx.get(f"{site.url}{path}", headers={name.replace("_", "-"): value for name, value in headers.items()})


def test_every_answer_tells_what_is_left_and_then_refuses(limited: ServedSite) -> None:
    key = limited.new_key(tier="tiny")
    told = [get(limited, path, X_API_Key=key) for path in ("/videos", "/videos/vi404", "/videos?pageSize=x")]
    assert [(answer.status_code, *numbers(answer)) for answer in told] == [(200, 3, 2), (404, 3, 1), (400, 3, 0)]
    assert "X-RateLimit-Remaining" in told[1].headers["access-control-expose-headers"]

    for _ in range(3):
        refused = get(limited, "/videos", X_API_Key=key)
        body = refused.json()
        assert (refused.status_code, numbers(refused)) == (429, (3, 0))
        assert (body["title"], body["limit"], body["window"], body["tier"]) == ("Too many requests.", 3, 600, "tiny")
        assert body["type"].endswith("/too-many-requests")
        assert int(refused.headers["retry-after"]) == body["retry_after"] == int(refused.headers["x-ratelimit-retry-after"])


def test_a_key_counts_as_itself_however_it_is_presented(limited: ServedSite) -> None:
    key = limited.new_key(tier="tiny")
    token = httpx.post(f"{limited.url}/auth/api-key", json={"apiKey": key}).json()["access_token"]
    for headers in ({"X_API_Key": key}, {"Authorization": f"Bearer {key}"}, {"Authorization": f"Bearer {token}"}):
        assert get(limited, "/videos", **headers).status_code == 200
    assert get(limited, "/videos", Authorization=f"Bearer {token}").status_code == 429
    assert get(limited, "/videos", X_API_Key=limited.new_key(tier="tiny")).status_code == 200


def test_each_session_has_a_limit_of_its_own(limited: ServedSite) -> None:
    key = limited.new_key(tier="tiny")
    for _ in range(2):
        token = httpx.post(f"{limited.url}/api/auth", headers={"X-API-Key": key}).json()["token"]
        answers = [get(limited, "/videos", X_Session_Token=token) for _ in range(3)]
        assert [(answer.status_code, *numbers(answer)) for answer in answers] == [(200, 2, 1), (200, 2, 0), (429, 2, 0)]
    assert numbers(get(limited, "/videos", X_API_Key=key)) == (3, 0), "only the two sign-ins counted for the key"


def test_kinds_with_figures_of_their_own_count_apart(limited: ServedSite) -> None:
    key = limited.new_key(tier="apart")
    assert [get(limited, "/videos", X_API_Key=key).status_code for _ in range(3)] == [200, 200, 429]

    def write(key: str) -> httpx.Response:
        return httpx.post(f"{limited.url}/videos", json={"title": "t"}, headers={"X-API-Key": key})

    assert numbers(write(key)) == (4, 3)

    sandbox = limited.new_key(tier="apart", environment="sandbox")
    assert [write(sandbox).status_code for _ in range(2)] == [201, 429]


def test_after_the_window_it_starts_anew(limited: ServedSite) -> None:
    key = limited.new_key(tier="short")
    assert get(limited, "/videos", X_API_Key=key).status_code == 200
    refused = get(limited, "/videos", X_API_Key=key)
    while refused.status_code == 429:
        assert refused.json()["retry_after"] == 1
        refused = get(limited, "/videos", X_API_Key=key)
    assert refused.status_code == 200


def test_nothing_that_needs_no_key_is_counted(limited: ServedSite) -> None:
    for path in ("/healthz", "/vod/vi404/hls/manifest.m3u8", "/embed/vod/vi404"):
        assert "x-ratelimit-limit" not in get(limited, path).headers
    missing = get(limited, "/videos")
    assert missing.status_code == 401 and "x-ratelimit-limit" not in missing.headers


def test_uploads_count_for_their_token_and_address(limited: ServedSite) -> None:
    token, other = (limited.client.post("/upload-tokens").json()["token"] for _ in range(2))

    def begin(token: str, address: str = "198.51.100.1") -> httpx.Response:
        tus = {"Tus-Resumable": "1.0.0", "Upload-Length": "1000", "X-Forwarded-For": address}
        return httpx.post(f"{limited.url}/uploads/tus?token={token}", headers=tus)

    told = [begin(token) for _ in range(2)]
    assert [(answer.status_code, *numbers(answer)) for answer in told] == [(201, 3, 2), (201, 3, 1)]
    form = httpx.post(f"{limited.url}/upload?token={token}", content=b"", headers={"X-Forwarded-For": "198.51.100.1"})
    assert (form.status_code, *numbers(form)) == (400, 3, 0)
    refused = begin(token)
    assert (refused.status_code, refused.json()["limit"], refused.json()["window"]) == (429, 3, 60)
    assert 0 < int(refused.headers["retry-after"]) <= 60
    assert begin(token, "198.51.100.2").status_code == begin(other).status_code == 201
    assert begin("to404").status_code == 401


def test_an_address_that_floods_the_collector_is_held_back_and_no_other(limited: ServedSite) -> None:
    beat = {"sat": 0, "sid": "s", "pid": "p", "mid": "vi404", "eve": []}

    def send(address: str) -> int:
        return httpx.post(f"{limited.url}/watch", json=beat, headers={"X-Forwarded-For": address}).status_code

    assert [send(f"2001:db8::{number}") for number in range(1, 7)] == [204] * 5 + [429], "one network of IPv6"
    assert send("2001:db8:1::1") == send("198.51.100.9") == 204
    assert 'reelkit_analytics_events_dropped_total{reason="too many"} 1.0' in get(limited, "/metrics").text


async def ask_200_times(key: str, *servers: str) -> list[httpx.Response]:
    limits = httpx.Limits(max_connections=64)
    async with httpx.AsyncClient(headers={"X-API-Key": key}, timeout=60, limits=limits) as client:
        return await asyncio.gather(*(client.get(f"{servers[n % len(servers)]}/videos") for n in range(200)))


async def test_200_at_once_through_2_servers_with_2_workers_accept_exactly_100(
    tmp_path: Path, valkey_server: ValkeyServer, valkey_url: str
) -> None:
    settings = f'{TIERS}\n[valkey]\nurl = "{valkey_url}"\n'
    with served_site(tmp_path / "site", settings, workers=2) as one:
        other = ServedSite(one.folder, settings, 2, {}, {})
        other.key = one.key
        try:
            other.start()
            for _ in range(5):
                before = len(one.log.read_text())
                answers = await ask_200_times(one.new_key(tier="small"), one.url, other.url)
                # Where Valkey does not answer in time, as on a very busy machine, each process counts, and says so.
                if "counts rate limits by itself" not in one.log.read_text()[before:]:
                    break
        finally:
            other.client.close()
            other.stop()
        statuses = [answer.status_code for answer in answers]
        assert (statuses.count(200), statuses.count(429)) == (100, 100)
        assert sorted(numbers(answer)[1] for answer in answers if answer.status_code == 200) == list(range(100))
