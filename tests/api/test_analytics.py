"""Beats in, metrics out, over HTTP, as players and the official clients do it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from reelkit.api.analytics import AGGREGATIONS
from reelkit.api.analytics_beats import MOST_EVENTS, Beat, BeatEvent
from reelkit.api.analytics_query import FILTERS
from reelkit.testing.served import ServedSite, served_site

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
LOADED, PLAY, PAUSE, TICK, ERROR, ENDED, SEEKING, SOURCE = range(1, 9)
Get = Callable[..., Any]


def beat(media: str, told: list[tuple[int, float]], *, playback: str = "", age: float = 60, **more: Any) -> dict[str, Any]:
    """Make a beat. told: (kind, seconds after the first); age: seconds since the first event."""
    now = 1_000_000_000_000  # a clock of the player's own
    return {
        "sat": now,
        "sid": str(uuid4()),
        "mid": media,
        "pid": playback or str(uuid4()),
        "ref": "https://host.example/page",
        "ver": "2.0",
        "eve": [
            {"eat": now - (age - at) * 1000, "typ": kind, "vti": at, "vwi": 640, "vhe": 360, "pau": kind in (3, 6), "eco": 0}
            for kind, at in told
        ],
    } | more


def send(site: ServedSite, body: Any, agent: str = AGENT) -> httpx.Response:
    """Send a beat as a player does: no credential, and JSON that does not say so."""
    text = body if isinstance(body, str | bytes) else json.dumps(body)
    return httpx.post(f"{site.url}/watch", content=text, headers={"content-type": "text/plain", "user-agent": agent})


WATCHED = [(SOURCE, 0), (LOADED, 0.4), (PLAY, 1), (TICK, 6), (TICK, 11), (TICK, 16), (PAUSE, 17), (PLAY, 30), (ENDED, 32)]


@pytest.fixture(scope="module")
def get(site: ServedSite) -> Get:
    def ask(path: str, **query: Any) -> Any:
        answer = site.client.get(f"/data/{path}", params=query)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/json"
        return answer.json()

    return ask


@pytest.fixture(scope="module")
def media(site: ServedSite, get: Get) -> str:
    """A video that two people watched, one of them twice."""
    video = site.new_video("watched", tags=["seen"])
    phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1 Version/18.0 Mobile/15E1 Safari/604.1"
    for agent in (AGENT, AGENT, phone):
        answer = send(site, beat(video, WATCHED), agent)
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.headers["access-control-allow-origin"] == "*"
    send(site, beat(video, [(LOADED, 0)], ref=""))
    wait(lambda: get("metrics/impression/count", **{"filterBy[mediaId][]": video})["data"] == 4)
    return video


def wait(until: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not until():
        assert time.monotonic() < deadline, "what was sent is not counted within 5 s"
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("path", "query", "expected", "metric"),
    [
        ("play/count", {}, 3, "play"),
        ("play/rate", {}, 0.75, "play"),
        ("play/total", {}, 3, "play"),
        ("start/count", {}, 3, "start"),
        ("end/count", {}, 3, "end"),
        ("impression-time/average", {}, 400, "impression-time"),
        ("watch-time/sum", {}, 54, "watch-time"),
        ("watch-time/average", {}, 18, "watch-time"),
        ("view/count", {}, 3, "view-5"),
        ("view/count", {"viewDuration": "30s"}, 0, "view-30"),
        ("view/count", {"unique": "True", "viewDuration": "10s"}, 2, "unique-view-10"),
        ("ccv/peak", {}, 3, "ccv"),
        ("ccv/peak", {"unique": "true"}, 2, "unique-ccv"),
        ("play/count", {"filterBy[browser][0]": "Safari"}, 1, "play"),
        ("play/count", {"filterBy[deviceType][]": "computer", "filterBy[browser][]": "firefox"}, 2, "play"),
        ("play/count", {"filterBy[tag]": "seen"}, 3, "play"),
        ("play/count", {"filterBy[tag]": "unseen"}, 0, "play"),
        ("play/count", {"filterBy[mediaType]": "live-stream"}, 0, "play"),
    ],
)
def test_a_metric_says_what_was_watched(
    get: Get, media: str, path: str, query: dict[str, str], expected: float, metric: str
) -> None:
    answer = get(f"metrics/{path}", **query, **{"filterBy[mediaId][]": media})

    assert answer["data"] == pytest.approx(expected)
    context = answer["context"]
    assert context["metric"] == metric
    # What the official Python client has no word for is left out.
    assert context.get("aggregation") == (None if path.startswith("ccv") else path.partition("/")[2])
    if not path.endswith("total"):
        moments = [datetime.fromisoformat(context["timeframe"][name]) for name in ("from", "to")]
        assert moments[1] - moments[0] == timedelta(days=1)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("play/media-type", {"video": 3}),
        ("play/device-type", {"computer": 2, "phone": 1}),
        ("view/operating-system", {"linux": 2, "ios": 1}),
        ("end/browser", {"firefox": 2, "safari": 1}),
        ("impression/referrer", {"https://host.example/page": 3, "": 1}),
        ("play-rate/referrer", {"https://host.example/page": 1, "": 0}),
        ("ccv-peak/device-type", {"computer": 2, "phone": 1}),
        ("play/country", {}),
        ("play/continent", {}),
    ],
)
def test_a_breakdown_tells_who_watched(get: Get, media: str, path: str, expected: dict[str, float]) -> None:
    answer = get(f"buckets/{path}", **{"filterBy[mediaId][0]": media})

    found = {pair["dimensionValue"]: pair["metricValue"] for pair in answer["data"]}
    assert found == expected
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert answer["pagination"]["itemsTotal"] == len(expected)
    assert answer["context"].get("breakdown") == (None if path.endswith("referrer") else path.partition("/")[2])


def test_plays_in_total_are_told_by_media(get: Get, media: str) -> None:
    answer = get("buckets/play-total/media-id", **{"filterBy[mediaId][]": media, "from": "2001-01-01T00:00:00Z"})

    assert answer["data"] == [{"dimensionValue": media, "metricValue": 3}]
    assert "metric" not in answer["context"]


def test_a_page_of_a_breakdown_keeps_its_filters_in_its_links(get: Get, media: str) -> None:
    start = (datetime.now(UTC) - timedelta(hours=2)).isoformat()
    query = {"filterBy[mediaId][]": media, "from": start, "pageSize": 1, "currentPage": 2, "sortBy": "dimensionValue"}
    answer = get("buckets/play/device-type", **query)

    assert answer["data"] == [{"dimensionValue": "phone", "metricValue": 1}]
    assert answer["pagination"]["pagesTotal"] == 2
    first = next(link["uri"] for link in answer["pagination"]["links"] if link["rel"] == "first")
    assert first.startswith("/data/buckets/play/device-type?")
    assert "%2B00%3A00" in first


@pytest.mark.parametrize(("interval", "buckets"), [("minute", (30, 31)), ("hour", (1, 2)), ("day", (1, 2))])
def test_a_time_series_covers_its_window(get: Get, media: str, interval: str, buckets: tuple[int, int]) -> None:
    now = datetime.now(UTC)
    window = {"from": (now - timedelta(minutes=30)).strftime("%Y-%m-%dT%H:%M:%SZ"), "to": now.isoformat()}
    answer = get("timeseries/play", interval=interval, pageSize=100, **window, **{"filterBy[mediaId][]": media})

    assert len(answer["data"]) in buckets
    assert sum(bucket["metricValue"] for bucket in answer["data"]) == 3
    moments = [datetime.fromisoformat(bucket["emittedAt"]) for bucket in answer["data"]]
    assert moments == sorted(moments)
    assert answer["context"]["interval"] == interval


@pytest.mark.parametrize("offset", ["+09:00", "-03:30", "+05:45"])
def test_days_begin_at_midnight_of_the_offset_that_is_asked_with(get: Get, media: str, offset: str) -> None:
    zone = datetime.fromisoformat(f"2026-01-01T00:00:00{offset}").tzinfo
    today = datetime.now(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    asked = {"from": (today - timedelta(days=2)).isoformat(), "to": (today + timedelta(days=1)).isoformat()}
    days = get("timeseries/play", **asked, interval="day", **{"filterBy[mediaId][]": media})["data"]

    begin = [datetime.fromisoformat(day["emittedAt"]).astimezone(zone) for day in days[:3]]
    assert begin == [today - timedelta(days=age) for age in (2, 1, 0)]
    assert sum(day["metricValue"] for day in days) == 3


def test_what_is_to_come_weighs_in_no_average_and_has_buckets(get: Get, media: str) -> None:
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    asked = {"from": start.isoformat(), "filterBy[mediaId][]": media}
    today = {"to": (start + timedelta(days=1)).isoformat(), "pageSize": 100}

    so_far = get("metrics/ccv/average", **asked)["data"]
    assert so_far > 0
    assert get("metrics/ccv/average", **asked, to=today["to"])["data"] == pytest.approx(so_far, rel=0.1)
    hours = get("timeseries/ccv-average", **asked, **today, interval="hour")["data"]
    assert len(hours) in (24, 25)
    assert hours[-1]["metricValue"] == 0


def test_who_watches_now_is_live(site: ServedSite, get: Get) -> None:
    video = site.new_video("live")
    playback = str(uuid4())
    send(site, beat(video, [(PLAY, 0)], playback=playback, age=0))
    query = {"filterBy[mediaId][]": video}
    wait(lambda: get("metrics/ccv/live", **query)["data"] == 1)
    send(site, beat(video, [(PLAY, 0)], age=300))
    wait(lambda: get("metrics/play/count", **query)["data"] == 2)
    assert get("metrics/ccv/live", **query)["data"] == 1


def test_a_seek_and_a_picture_that_comes_late_interrupt_no_watching(site: ServedSite, get: Get) -> None:
    """As the official players tell it: of the ticks of five seconds the last one only."""
    video = site.new_video("sought")
    told = [
        (PLAY, 0),
        (LOADED, 0.5),
        (TICK, 5),
        (SEEKING, 6),
        (TICK, 10),
        (SOURCE, 11),
        (TICK, 15),
        (PAUSE, 16),
        (LOADED, 18),
    ]
    send(site, beat(video, told))
    query = {"filterBy[mediaId][]": video}
    wait(lambda: get("metrics/watch-time/sum", **query)["data"] == pytest.approx(16))
    assert get("metrics/view/count", **query, viewDuration="10s")["data"] == 1


def test_a_replay_is_a_start_and_no_play(site: ServedSite, get: Get) -> None:
    video = site.new_video("again")
    send(site, beat(video, [(PLAY, 0), (TICK, 5), (ENDED, 8), (PLAY, 10), (TICK, 15), (ENDED, 18)]))
    query = {"filterBy[mediaId][]": video}
    wait(lambda: get("metrics/end/count", **query)["data"] == 2)
    assert get("metrics/play/count", **query)["data"] == 1
    assert get("metrics/start/count", **query)["data"] == 2


def test_nobody_else_sees_what_was_watched(site: ServedSite, media: str) -> None:
    headers = {"Authorization": f"Bearer {site.new_key(environment='sandbox')}"}
    answer = httpx.get(f"{site.url}/data/buckets/play/media-id", headers=headers)
    assert (answer.status_code, answer.json()["data"]) == (200, [])


def test_metrics_need_a_credential(site: ServedSite) -> None:
    assert httpx.get(f"{site.url}/data/metrics/play/count").status_code == 401


@pytest.mark.parametrize(
    ("path", "query", "name", "detail"),
    [
        ("metrics/play/count", {"foo": "1"}, "foo", "This field was not expected."),
        ("metrics/play/count", {"pageSize": "1"}, "pageSize", "This field was not expected."),
        ("metrics/play/count", {"filterBy[city]": "x"}, "filterBy[city]", "This field was not expected."),
        ("metrics/play/count", {"filterBy": "x"}, "filterBy", "This field was not expected."),
        ("metrics/play/total", {"filterBy[country][]": "FR"}, "filterBy[country][]", "This field was not expected."),
        ("metrics/play/count", {"filterBy[referrer][]": "x" * 2049}, "filterBy[referrer]", "A value has at most"),
        ("metrics/play/count", {"filterBy[continent][]": "XX"}, "filterBy[continent]", "This must be one of"),
        ("metrics/play/count", {"filterBy[mediaType]": "film"}, "filterBy[mediaType]", "This must be one of"),
        ("metrics/play/count", {"filterBy[country][]": "France"}, "filterBy[country]", "This must be a country code"),
        ("metrics/play/count", {"unique": "true"}, "unique", "This parameter can only be used"),
        ("metrics/view/count", {"unique": "maybe"}, "unique", "This must be true or false."),
        ("metrics/view/count", {"viewDuration": "7s"}, "viewDuration", "This must be one of"),
        ("metrics/play/count", {"viewDuration": "5s"}, "viewDuration", "This parameter can only be used"),
        ("metrics/play/count", {"from": "yesterday"}, "from", "This must be an ISO-8601 date"),
        ("metrics/play/count", {"to": "2026-11-21"}, "to", "This must be an ISO-8601 date"),
        ("metrics/play/count", {"from": "0001-01-01T00:00:00+14:00"}, "from", "This date must be at most"),
        ("metrics/play/count", {"from": "2020-01-01T00:00:00Z"}, "from", "This date must be at most 30 days ago."),
        ("metrics/play/count", {"from": "2999-01-01T00:00:00Z"}, "from", "This date must be before"),
        ("timeseries/ccv-peak", {"to": "9999-12-31T23:59:59Z"}, "to", "This date must be at most 366 days ahead."),
        ("timeseries/play", {"interval": "minute"}, "interval", "This interval cannot be used with a timeframe over 60"),
        ("timeseries/play", {"interval": "week"}, "interval", "This must be one of"),
        ("buckets/play/browser", {"pageSize": "0"}, "pageSize", "This parameter is out of the allowed range"),
        ("buckets/play/browser", {"sortBy": "x"}, "sortBy", "This must be one of"),
    ],
)
def test_what_a_query_has_wrong_is_named(site: ServedSite, path: str, query: dict[str, str], name: str, detail: str) -> None:
    answer = site.client.get(f"/data/{path}", params=query)

    assert answer.status_code == 400, answer.text
    body = answer.json()
    assert body["type"] == "https://docs.api.video/reference/request-invalid-query-parameter"
    assert (body["title"], body["status"], body["name"]) == ("A query parameter is invalid.", 400, name)
    assert body["detail"].startswith(detail)


@pytest.mark.parametrize(
    "path",
    ["metrics/plays/count", "metrics/play/peak", "metrics/view/rate", "buckets/play/city", "buckets/play-total/country",
     "timeseries/watch-time"],
)  # fmt: skip
def test_what_is_no_metric_lives_nowhere(site: ServedSite, path: str) -> None:
    answer = site.client.get(f"/data/{path}")
    assert (answer.status_code, answer.json()["title"]) == (404, "Unrecognized request URL.")


@pytest.mark.parametrize(
    "body",
    ["", "[]", "null", "{", "\xff\xfe", '{"sat":1}', '{"sat":"x","sid":"a","pid":"b","mid":"vi1","eve":[]}', "[" * 9000,
     json.dumps(beat("vi1", [(TICK, 0)] * 101)), json.dumps(beat("vi1", [], playback="x" * 201)),
     json.dumps(beat("vi1", [])).replace("1000000000000", "1e999")],
)  # fmt: skip
def test_what_is_no_beat_is_refused(site: ServedSite, body: str) -> None:
    answer = send(site, body.encode("latin-1"))
    assert answer.status_code == 400, answer.text
    assert answer.json()["title"] == "The payload is invalid."
    assert answer.headers["access-control-allow-origin"] == "*"


def test_a_body_too_large_is_refused(site: ServedSite) -> None:
    assert send(site, json.dumps(beat("vi1", [], ref="x" * 70_000))).status_code == 413


def test_hostile_numbers_and_texts_break_nothing(site: ServedSite, get: Get) -> None:
    video = site.new_video("hostile")
    events: list[dict[str, Any]] = [
        {"eat": -1e308, "typ": PLAY, "vti": 1e300, "vwi": "x", "vhe": [], "pau": "yes", "eco": {"a": 1}},
        {"eat": 1e308, "typ": TICK, "vti": -(10**30), "pau": False},
        {"eat": 0, "typ": 999},
        {"eat": 2**62, "typ": -1},
    ]
    answer = send(site, beat(video, [], ref="\0" + "r" * 5000) | {"eve": events})
    assert answer.status_code == 204, answer.text
    send(site, beat(f"{video}' OR 1=1 --", [(PLAY, 0)]))
    send(site, beat("viUnknownToEverybody", [(PLAY, 0)]))
    query = {"filterBy[mediaId][]": video}
    wait(lambda: get("metrics/play/count", **query)["data"] == 1)
    (pair,) = get("buckets/play/referrer", **query)["data"]
    assert len(pair["dimensionValue"]) == 2048
    dropped = 'reelkit_analytics_events_dropped_total{reason="unknown media"}'
    wait(lambda: dropped in site.client.get("/metrics").text)


def test_the_page_about_analytics_names_every_metric_filter_and_field() -> None:
    page = (Path(__file__).parents[2] / "docs" / "analytics.md").read_text("utf-8")
    for name in (*AGGREGATIONS, *(word for words in AGGREGATIONS.values() for word in words), *BeatEvent.__struct_fields__):
        assert f"`{name}`" in page, name
    for name in (*FILTERS, *Beat.__struct_fields__):
        assert f"`{name.removeprefix('filterBy')}" in page or f"`{name}" in page, name
    assert f"at most {MOST_EVENTS} events" in page


def test_events_outlive_a_killed_server_and_a_stopped_one(tmp_path: Path) -> None:
    """Killed, all that were sent more than a second before; stopped, all."""
    with served_site(tmp_path / "site") as site:
        video = site.new_video("survivor")
        for _ in range(20):
            send(site, beat(video, [(LOADED, 0), (PLAY, 1)]))
        time.sleep(2)  # a busy machine may be late
        site.kill()
        site.start()
        assert site.client.get("/data/metrics/play/count").json()["data"] == 20
        send(site, beat(video, [(PLAY, 0)]))
        site.stop()
        site.start()
        assert site.client.get("/data/metrics/play/total").json()["data"] == 21
