"""Webhooks over HTTP: told once for each thing that happens, signed, again when they fail, and never led inside."""

from __future__ import annotations

import hmac
import itertools
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from reelkit.interfaces.event import WEBHOOK_EVENTS
from reelkit.testing.served import ServedSite, served_site

QUALITY = "video.encoding.quality.completed"
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "webhooks.md").read_text("utf-8")


def is_genuine(body: bytes, signature: str, secret: str) -> bool:
    """Check a signature as docs/webhooks.md shows it."""
    (code,) = re.findall(r'```python title="signature.py"\n(.*?)```', PAGE, re.DOTALL)
    shown: dict[str, Any] = {}
    exec(code, shown)
    return bool(shown["is_genuine"](body, signature, secret))


@dataclass
class Receiver:
    """A real HTTP server. behave: what a path answers: a status, a location to redirect to, or a function."""

    port: int = 0
    behave: dict[str, int | str | Callable[[], int]] = field(default_factory=dict)
    received: list[tuple[str, dict[str, str], bytes, float]] = field(default_factory=list)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def at(self, path: str) -> list[tuple[str, dict[str, str], bytes, float]]:
        return [one for one in self.received if one[0] == path]


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            found.received.append((self.path, headers, body, time.monotonic()))
            answer = found.behave.get(self.path, 200)
            status = answer() if callable(answer) else answer
            self.send_response(302 if isinstance(status, str) else status)
            if isinstance(status, str):
                self.send_header("Location", status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield found
    server.shutdown()
    server.server_close()


GUARD = '''
"""Refuses what is called forbidden, adds an event, cleans names, and writes down what has changed."""
import json
import reelkit

class Forbidden(reelkit.Problem):
    slug, status, title = "forbidden-here", 400, "Not here."

@reelkit.hookimpl
def before_change(change):
    given = change.after or change.before
    if "forbidden" in given.get("url", "") + given.get("name", "") and change.action != "delete":
        raise Forbidden(name="url" if change.resource == "webhook" else "name")
    if change.action == "delete" and given.get("name") == "kept":
        raise Forbidden(detail="It stays.")
    if change.resource == "webhook" and "add=1" in (change.after or {}).get("url", ""):
        return {"events": [*change.after["events"], "video.source.recorded"]}
    if change.resource == "live-stream" and "name" in (change.after or {}):
        return {"name": change.after["name"].strip()}

@reelkit.hookimpl
def after_change(change, site):
    with open(site.data / "changes.jsonl", "a") as log:
        print(json.dumps([change.resource, change.action, change.id, bool(change.before), bool(change.after)]), file=log)
'''


@pytest.fixture(scope="module")
def hooked(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> Iterator[ServedSite]:
    """A site that may call the receiver, and nothing else on this machine; with a plugin that minds changes."""
    folder = tmp_path_factory.mktemp("hooked")
    settings = f'[network]\nallow_private = ["127.0.0.1:{receiver.port}"]\n'
    with served_site(folder, settings, plugins={"guard": GUARD}) as site:
        yield site


@pytest.fixture
def hook(hooked: ServedSite) -> Iterator[Callable[..., dict[str, Any]]]:
    """Creates webhooks and takes them away again."""
    made: list[str] = []

    def create(url: str, *events: str) -> dict[str, Any]:
        answer = hooked.client.post("/webhooks", json={"url": url, "events": events or [QUALITY]})
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        made.append(found["webhookId"])
        return found

    yield create
    for id in made:
        hooked.client.delete(f"/webhooks/{id}")


def deliveries(site: ServedSite, webhook: dict[str, Any], **query: Any) -> list[dict[str, Any]]:
    answer = site.client.get(f"/webhooks/{webhook['webhookId']}/deliveries", params=query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


def wait_told(site: ServedSite, webhook: dict[str, Any], number: int) -> list[dict[str, Any]]:
    """Return the log once so many deliveries have ended."""
    deadline = time.monotonic() + 120
    while True:
        log = deliveries(site, webhook)
        if len(log) >= number and all(one["status"] != "waiting" for one in log):
            return log
        assert time.monotonic() < deadline, (log, site.log.read_text()[-3000:])
        time.sleep(0.2)


def test_every_event_of_the_contract_can_be_asked_for(site: ServedSite) -> None:
    answer = site.client.post("/webhooks", json={"url": "https://example.org/hook", "events": list(WEBHOOK_EVENTS)})
    assert (answer.status_code, answer.json()["events"]) == (201, list(WEBHOOK_EVENTS))
    for event in WEBHOOK_EVENTS:
        listed = site.client.get("/webhooks", params={"events": event}).json()["data"]
        assert answer.json()["webhookId"] in [one["webhookId"] for one in listed]
    assert site.client.delete(f"/webhooks/{answer.json()['webhookId']}").status_code == 204


def test_a_webhook_has_the_fields_of_the_contract(hooked: ServedSite, hook: Any) -> None:
    events = [QUALITY, "live-stream.broadcast.started", QUALITY]
    webhook = hook("https://hook.example.org/a?b=c", *events)
    assert re.fullmatch(r"webhook_[0-9A-Za-z]{22}", webhook["webhookId"])
    assert re.fullmatch(r"sig_sec_[0-9A-Za-z]{22,}", webhook["signatureSecret"])
    assert (webhook["url"], webhook["events"]) == ("https://hook.example.org/a?b=c", events[:2])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", webhook["createdAt"])
    assert hooked.client.get(f"/webhooks/{webhook['webhookId']}").json() == webhook
    other = hook("https://hook.example.org/b", "live-stream.broadcast.started")
    assert hooked.client.get("/webhooks").json()["data"][:2] == [other, webhook]
    asked = {"events": "live-stream.broadcast.started"}
    assert hooked.client.get("/webhooks", params=asked).json()["data"] == [other, webhook]
    third = hook("https://hook.example.org/c")
    assert webhook in (of_quality := hooked.client.get("/webhooks", params={"events": QUALITY}).json()["data"])
    assert third in of_quality and other not in of_quality
    page = hooked.client.get("/webhooks", params={**asked, "pageSize": 1, "currentPage": 2}).json()
    assert page["data"] == [webhook] and page["pagination"]["itemsTotal"] == 2


@pytest.mark.parametrize(
    ("body", "slug", "name"),
    [
        ({"events": [QUALITY]}, "attribute-required", "url"),
        ({"url": "https://a.example/"}, "attribute-required", "events"),
        ({"url": "https://a.example/", "events": []}, "invalid-attribute", "events"),
        ({"url": "https://a.example/", "events": QUALITY}, "invalid-attribute", "events"),
        ({"url": "https://a.example/", "events": [QUALITY, "video.created"]}, "invalid-attribute", "events[1]"),
        *(
            ({"url": url, "events": [QUALITY]}, "invalid-attribute", "url")
            for url in (
                "",
                "a.example",
                "ftp://a.example/",
                "http://u:p@a.example/",
                "http://127.1/",
                f"http://a/{'a' * 3000}",
            )
        ),
    ],
)
def test_a_wrong_attribute_is_named(hooked: ServedSite, body: dict[str, Any], slug: str, name: str) -> None:
    told = hooked.client.post("/webhooks", json=body).json()
    assert (told["status"], told["type"].rpartition("/")[2], told["name"]) == (400, slug, name)


def test_the_eleventh_webhook_is_refused_until_one_is_deleted(hooked: ServedSite) -> None:
    key = hooked.new_key(environment="sandbox")
    with httpx.Client(base_url=hooked.url, headers={"X-API-Key": key}) as client:
        body = {"url": "https://hook.example.org/", "events": [QUALITY]}
        ids = [client.post("/webhooks", json=body).json()["webhookId"] for _ in range(10)]
        refused = client.post("/webhooks", json=body)
        assert refused.status_code == 400
        assert refused.json()["type"].endswith("/webhook-limit-reached")
        assert refused.json()["title"] == "Your account has reached the webhook urls limit."
        assert client.delete(f"/webhooks/{ids[4]}").status_code == 204
        ids[4] = client.post("/webhooks", json=body).json()["webhookId"]
        assert client.post("/webhooks", json=body).status_code == 400
        assert hooked.client.get(f"/webhooks/{ids[0]}").status_code == 404
        for id in ids:
            assert client.delete(f"/webhooks/{id}").status_code == 204


@pytest.fixture(scope="module")
def video(hooked: ServedSite, receiver: Receiver, sample: Callable[..., Path]) -> dict[str, Any]:
    """What an uploaded video of 360p told: one webhook for each way to answer, all asked before the upload.

    log: of each webhook, what it was told at first; everything but /slow has ended.
    """
    paths = ["/good", "/fails", "/mends", "/redirects", "/slow", "/other"]
    failures = iter([500, 503, 204])
    receiver.behave |= {
        "/fails": 500,
        "/mends": lambda: next(failures, 204),
        "/redirects": f"http://localhost:{receiver.port}/inside",
        "/slow": lambda: time.sleep(12) or 200,  # type: ignore[func-returns-value]  # sleep returns None, so 200 it is
    }
    hooks = {}
    for path in paths:
        events = ["video.summary.generated"] if path == "/other" else [QUALITY]
        made = hooked.client.post("/webhooks", json={"url": receiver.url(path), "events": events})
        hooks[path] = made.json()
    inside = hooked.client.post("/webhooks", json={"url": f"http://localhost:{receiver.port}/inside", "events": [QUALITY]})
    hooks["/inside"] = inside.json()
    id = hooked.new_video()
    assert hooked.upload(id, sample(duration=3, width=640, height=360)).status_code == 201
    qualities = hooked.wait_encoded(id)["encoding"]["qualities"]
    waited = {path: wait_told(hooked, hooks[path], len(qualities)) for path in hooks if path not in ("/slow", "/other")}
    return {"id": id, "hooks": hooks, "qualities": qualities, "log": waited}


def test_each_rendition_is_told_once_signed_and_compact(
    hooked: ServedSite, receiver: Receiver, video: dict[str, Any]
) -> None:
    webhook = video["hooks"]["/good"]
    wanted = sorted((one["type"], one["quality"]) for one in video["qualities"])
    assert ("mp4", wanted[-1][1]) == wanted[-1] and len(wanted) >= 3
    log = video["log"]["/good"]
    first = {one["deliveryId"] for one in log}
    told = [one for one in receiver.at("/good") if one[1]["x-reelkit-delivery"] in first]
    assert sorted((json.loads(body)["encoding"], json.loads(body)["quality"]) for _, _, body, _ in told) == wanted
    for _, headers, body, _ in told:
        fields = json.loads(body)
        assert set(fields) == {"type", "emittedAt", "videoId", "encoding", "quality"}
        assert (fields["type"], fields["videoId"]) == (QUALITY, video["id"])
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", fields["emittedAt"])
        assert body == json.dumps(fields, separators=(",", ":")).encode()
        assert headers["x-api-video-webhookid"] == webhook["webhookId"]
        signature = hmac.new(webhook["signatureSecret"].encode(), body, "sha256").hexdigest()
        assert headers["x-api-video-signature"] == signature
        assert is_genuine(body, signature, webhook["signatureSecret"])
        assert not is_genuine(body + b" ", signature, webhook["signatureSecret"])
        assert headers["content-type"] == "application/json"
    assert {one["payload"]["quality"] for one in log} == {quality for _, quality in wanted}
    for one in log:
        assert (one["status"], one["tries"], one["responseCode"], one["failure"]) == ("delivered", 1, 200, None)
        assert one["event"] == QUALITY and 0 < one["duration"] < 10 and one["replayOf"] is None
    assert receiver.at("/other") == [] and deliveries(hooked, video["hooks"]["/other"]) == []


def test_a_webhook_that_fails_is_told_three_times_more_three_seconds_apart(
    receiver: Receiver, video: dict[str, Any]
) -> None:
    for one in video["log"]["/fails"]:
        assert (one["status"], one["tries"], one["responseCode"]) == ("failed", 4, 500)
        assert "500" in one["failure"]
    by_delivery: dict[str, list[tuple[bytes, float]]] = {}
    for _, headers, body, at in receiver.at("/fails"):
        by_delivery.setdefault(headers["x-reelkit-delivery"], []).append((body, at))
    assert len(by_delivery) == len(video["qualities"])
    pauses = []
    for tries in by_delivery.values():
        assert len(tries) == 4 and len({body for body, _ in tries}) == 1
        pauses.append([later - earlier for (_, earlier), (_, later) in itertools.pairwise(tries)])
    # A busy machine may be late now and then, but not each time after the second, or third, try.
    assert all(2.9 < min(after) < 8 for after in zip(*pauses, strict=True)), pauses


def test_a_webhook_that_mends_is_told_no_more(receiver: Receiver, video: dict[str, Any]) -> None:
    log = video["log"]["/mends"]
    assert {one["status"] for one in log} == {"delivered"}
    assert sum(one["tries"] for one in log) == len(receiver.at("/mends")) == len(log) + 2
    assert {one["responseCode"] for one in log} <= {200, 204}


def test_no_webhook_leads_inside(receiver: Receiver, video: dict[str, Any]) -> None:
    for one in video["log"]["/inside"]:
        assert (one["status"], one["tries"], one["responseCode"]) == ("failed", 1, None)
        assert "allow_private" in one["failure"] and "127.0.0.1" not in one["failure"]
    for one in video["log"]["/redirects"]:
        assert (one["status"], one["tries"], one["responseCode"]) == ("failed", 4, 302)
    assert receiver.at("/inside") == []


def test_a_webhook_that_hangs_is_not_waited_for(hooked: ServedSite, video: dict[str, Any]) -> None:
    deadline = time.monotonic() + 60
    while not (tried := [one for one in deliveries(hooked, video["hooks"]["/slow"]) if one["tries"]]):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert 9.5 < tried[0]["duration"] < 20 and tried[0]["responseCode"] is None
    assert "10 s" in tried[0]["failure"]


def test_a_delivery_can_be_told_again(hooked: ServedSite, receiver: Receiver, video: dict[str, Any]) -> None:
    webhook = video["hooks"]["/good"]
    first = video["log"]["/good"][-1]
    path = f"/webhooks/{webhook['webhookId']}/deliveries/{first['deliveryId']}/replay"
    answer = hooked.client.post(path)
    assert answer.status_code == 201, answer.text
    again = answer.json()
    assert (again["replayOf"], again["payload"]) == (first["deliveryId"], first["payload"])
    log = wait_told(hooked, webhook, len(video["qualities"]) + 1)
    assert log[0]["deliveryId"] == again["deliveryId"] and log[0]["status"] == "delivered"
    bodies = [(headers["x-reelkit-delivery"], body) for _, headers, body, _ in receiver.at("/good")]
    assert dict(bodies)[again["deliveryId"]] == dict(bodies)[first["deliveryId"]]
    assert deliveries(hooked, webhook, status="failed") == []
    other = video["hooks"]["/fails"]["webhookId"]
    assert hooked.client.post(path.replace(webhook["webhookId"], other)).status_code == 404
    stranger = hooked.new_key(environment="sandbox")
    told = httpx.post(f"{hooked.url}{path}", headers={"X-API-Key": stranger})
    assert (told.status_code, told.json()["name"]) == (404, "webhookId")


def test_a_deleted_webhook_is_told_nothing_more(hooked: ServedSite, receiver: Receiver, hook: Any) -> None:
    webhook = hook(receiver.url("/gone"))
    path = f"/webhooks/{webhook['webhookId']}"
    assert hooked.client.delete(path).status_code == 204
    for answer in (hooked.client.get(path), hooked.client.delete(path), hooked.client.get(f"{path}/deliveries")):
        assert (answer.status_code, answer.json()["name"]) == (404, "webhookId")
    assert receiver.at("/gone") == []


def changes(site: ServedSite, id: str) -> list[list[Any]]:
    log = [json.loads(line) for line in (site.folder / "data" / "changes.jsonl").read_text().splitlines()]
    return [one for one in log if one[2] == id]


def test_plugins_mind_the_changes_of_webhooks(hooked: ServedSite, hook: Any) -> None:
    refused = hooked.client.post("/webhooks", json={"url": "https://forbidden.example/", "events": [QUALITY]})
    assert (refused.status_code, refused.json()["title"], refused.json()["name"]) == (400, "Not here.", "url")
    edited = hook("https://hook.example.org/?add=1")
    assert edited["events"] == [QUALITY, "video.source.recorded"]
    hooked.client.delete(f"/webhooks/{edited['webhookId']}")
    assert changes(hooked, edited["webhookId"]) == [
        ["webhook", "create", edited["webhookId"], False, True],
        ["webhook", "delete", edited["webhookId"], True, False],
    ]


def test_plugins_mind_the_changes_of_live_streams(hooked: ServedSite) -> None:
    assert hooked.client.post("/live-streams", json={"name": "forbidden"}).json()["title"] == "Not here."
    stream = hooked.client.post("/live-streams", json={"name": "  neat "}).json()
    path = f"/live-streams/{stream['liveStreamId']}"
    assert stream["name"] == "neat"
    assert hooked.client.patch(path, json={"name": "forbidden"}).status_code == 400
    assert hooked.client.patch(path, json={"name": " kept "}).json()["name"] == "kept"
    assert hooked.client.delete(path).json()["detail"] == "It stays."
    assert hooked.client.delete(f"{path}/thumbnail").status_code == 200
    hooked.client.patch(path, json={"name": "done"})
    assert hooked.client.delete(path).status_code == 204
    id = stream["liveStreamId"]
    assert changes(hooked, id) == [
        ["live-stream", "create", id, False, True],
        *[["live-stream", "update", id, True, True]] * 3,
        ["live-stream", "delete", id, True, False],
    ]


def test_a_killed_server_goes_on_telling(hooked: ServedSite, receiver: Receiver, video: dict[str, Any]) -> None:
    webhook = video["hooks"]["/good"]
    told = video["log"]["/good"][-1]
    receiver.behave["/good"] = 503
    answer = hooked.client.post(f"/webhooks/{webhook['webhookId']}/deliveries/{told['deliveryId']}/replay")
    id = answer.json()["deliveryId"]
    deadline = time.monotonic() + 60
    while not any(headers["x-reelkit-delivery"] == id for _, headers, _, _ in receiver.at("/good")):
        assert time.monotonic() < deadline
        time.sleep(0.02)

    hooked.kill()
    receiver.behave["/good"] = 200
    hooked.start()

    (found,) = [one for one in wait_told(hooked, webhook, len(video["qualities"]) + 1) if one["deliveryId"] == id]
    assert found["status"] == "delivered"
    assert len([1 for _, headers, _, _ in receiver.at("/good") if headers["x-reelkit-delivery"] == id]) >= 2


def test_the_page_about_webhooks_names_every_event_and_field() -> None:
    for event in WEBHOOK_EVENTS:
        assert f"`{event}`" in PAGE
    for name in ("videoId", "captionId", "summaryId", "liveStreamId", "generationMode", "emittedAt", "X-Reelkit-Delivery"):
        assert f"`{name}`" in PAGE
