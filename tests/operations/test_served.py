"""Health, metrics, logs and the headers of every answer, on a served site."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from reelkit.testing.served import ServedSite


def log_lines(site: ServedSite, request_id: str) -> list[dict[str, Any]]:
    deadline = time.monotonic() + 60
    while True:
        lines = [json.loads(line) for line in site.log.read_text().splitlines() if line.startswith("{")]
        found = [line for line in lines if line.get("request_id") == request_id]
        if found or time.monotonic() > deadline:
            return found
        time.sleep(0.1)


def test_a_living_process_says_so(site: ServedSite) -> None:
    answer = httpx.get(f"{site.url}/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "alive"})


def test_a_ready_site_names_what_it_asked(site: ServedSite) -> None:
    report = httpx.get(f"{site.url}/readyz")
    assert report.status_code == 200
    assert report.json()["status"] == "ready"
    assert [check["name"] for check in report.json()["checks"]][:3] == ["database", "storage", "queue"]
    assert report.json()["quarantined"] == []


def test_metrics_count_by_route_and_never_by_id(site: ServedSite) -> None:
    video = site.new_video()
    site.status(video)
    httpx.get(f"{site.url}/vod/{video}/hls/manifest.m3u8")
    httpx.get(f"{site.url}/no/such/path/{video}")
    text = httpx.get(f"{site.url}/metrics").text
    assert 'reelkit_requests_total{method="GET",route="/vod/{videoId}/hls/manifest.m3u8",status="202"} ' in text
    assert re.search(r'reelkit_requests_total\{method="GET",route="unmatched",status="404"\} \d', text)
    assert 'route="/videos/{video_id}/status"' in text
    assert video not in text


def test_strangers_learn_whether_the_site_is_ready_and_nothing_else(site: ServedSite) -> None:
    stranger = {"X-Forwarded-For": "203.0.113.9"}
    assert httpx.get(f"{site.url}/healthz", headers=stranger).status_code == 200
    ready = httpx.get(f"{site.url}/readyz", headers=stranger)
    assert (ready.status_code, ready.json()) == (200, {"status": "ready", "checks": [], "quarantined": []})
    refused = httpx.get(f"{site.url}/metrics", headers=stranger)
    assert refused.status_code == 403 and "reelkit_requests" not in refused.text
    assert httpx.get(f"{site.url}/metrics", headers={"X-Forwarded-For": "10.1.2.3"}).status_code == 200


def test_a_request_is_one_line_with_its_id_and_no_secret(site: ServedSite) -> None:
    answer = httpx.get(
        f"{site.url}/videos?token=hush&title=a&api_key=hush",
        headers={"Authorization": f"Bearer {site.key}", "X-Request-Id": "my-own.id_1"},
    )
    assert answer.headers["x-request-id"] == "my-own.id_1"
    (line,) = log_lines(site, "my-own.id_1")
    assert (line["method"], line["path"], line["status"]) == ("GET", "/videos", 200)
    assert line["query"] == "token=***&title=a&api_key=***"
    log = site.logged()
    assert site.key not in log and "hush" not in log


def test_an_id_that_is_none_is_replaced(site: ServedSite) -> None:
    answer = httpx.get(f"{site.url}/healthz", headers={"X-Request-Id": 'x" onload="1'})
    assert re.fullmatch(r"[0-9a-f]{20}", answer.headers["x-request-id"])


def test_a_browser_on_another_origin_may_ask_and_read(site: ServedSite) -> None:
    asked = "authorization,av-origin-client,content-range,x-my-own"
    preflight = httpx.options(
        f"{site.url}/videos/vi1/source",
        headers={
            "Origin": "https://elsewhere.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": asked,
        },
    )
    assert preflight.status_code == 204
    allowed = {name.strip().lower() for name in preflight.headers["access-control-allow-headers"].split(",")}
    assert set(asked.split(",")) <= allowed
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert "POST" in preflight.headers["access-control-allow-methods"]
    refused = httpx.get(f"{site.url}/videos", headers={"Origin": "https://elsewhere.example"})
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == "*"
    assert "X-RateLimit-Remaining" in refused.headers["access-control-expose-headers"]


@pytest.mark.parametrize("path", ["/", "/videos", "/nothing", "/vod/vi1/x", "/vod/", "/healthz", "/embed/vod/vi1"])
def test_every_answer_has_an_id(path: str, site: ServedSite) -> None:
    answer = httpx.get(site.url + path)
    assert answer.headers["x-request-id"]
    assert answer.headers["access-control-allow-origin"] == "*"


def test_a_site_whose_storage_is_gone_is_not_ready_and_says_why(site: ServedSite) -> None:
    media = site.folder / "data" / "media"
    hidden = media.with_name("hidden")
    media.rename(hidden)
    Path(media).write_text("a file in its place")
    try:
        time.sleep(1.1)
        report = httpx.get(f"{site.url}/readyz")
    finally:
        media.unlink()
        hidden.rename(media)
    assert report.status_code == 503
    checks = {check["name"]: check for check in report.json()["checks"]}
    assert (checks["storage"]["ok"], checks["database"]["ok"]) == (False, True)
    assert checks["storage"]["detail"]
    time.sleep(1.1)
    assert httpx.get(f"{site.url}/readyz").status_code == 200
