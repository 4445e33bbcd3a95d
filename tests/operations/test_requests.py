"""What every request gets, whatever the application behind does."""

from __future__ import annotations

import asyncio
import io
import json
import tracemalloc
from typing import Any

import pytest
from reelkit.delivery.asgi import Message, Receive, Scope, Send
from reelkit.operations import requests
from reelkit.operations.access_log import AccessLog
from reelkit.operations.logs import masked_path, masked_query
from reelkit.operations.metrics import Metrics
from reelkit.operations.requests import Observed


class Exchange:
    """One request to an application, and what came back."""

    def __init__(
        self, method: str = "GET", headers: list[tuple[bytes, bytes]] | None = None, body: list[bytes] | None = None
    ) -> None:
        self.scope: Scope = {
            "type": "http", "method": method, "path": "/x", "query_string": b"", "headers": headers or [],
            "client": ("127.0.0.1", 1), "extensions": {},
        }  # fmt: skip
        self.incoming = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in body or []]
        self.sent: list[Message] = []
        self.log = io.StringIO()
        self.metrics = Metrics()

    async def receive(self) -> Message:
        return self.incoming.pop(0) if self.incoming else {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    async def run(self, app: Any) -> None:
        access_log = AccessLog("json", self.log)
        await Observed(app, self.metrics, access_log)(self.scope, self.receive, self.send)
        access_log.flush()

    @property
    def line(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.log.getvalue())
        return found


async def fails(scope: Scope, receive: Receive, send: Send) -> None:
    raise RuntimeError("the secret reason")


async def fails_late(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"10")]})
    await send({"type": "http.response.body", "body": b"12345", "more_body": True})
    raise RuntimeError("too late")


async def refuses(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 400, "headers": []})
    await send({"type": "http.response.body", "body": b"no", "more_body": False})


async def silent(scope: Scope, receive: Receive, send: Send) -> None:
    return


async def test_a_crash_is_a_problem_without_its_reason() -> None:
    exchange = Exchange()
    await exchange.run(fails)
    start, body = exchange.sent
    assert start["status"] == 500
    assert json.loads(body["body"]) == {
        "type": "https://docs.api.video/reference/server-error", "title": "Server error", "status": 500
    }  # fmt: skip
    headers = dict(start["headers"])
    assert headers[b"x-request-id"].decode() == exchange.line["request_id"]
    assert exchange.line["level"] == "error"


async def test_a_crash_in_the_middle_ends_nothing_in_good_order() -> None:
    exchange = Exchange()
    await exchange.run(fails_late)
    assert [message["type"] for message in exchange.sent] == ["http.response.start", "http.response.body"]
    assert exchange.sent[-1]["more_body"], "a final message would make a cut-off body look whole"


async def test_the_rest_of_a_refused_body_is_taken() -> None:
    headers = [(b"content-length", b"40")]
    exchange = Exchange("POST", headers, [b"x" * 10] * 4)
    await exchange.run(refuses)
    assert exchange.incoming == []
    assert exchange.line["status"] == 400


async def test_a_body_that_stalls_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "SILENCE", 0.05)
    exchange = Exchange("POST", [(b"content-length", b"40")], [b"x" * 10])
    taken: list[Message] = []

    async def stalls() -> Message:
        if not exchange.incoming:
            await asyncio.Event().wait()
        return exchange.incoming.pop(0)

    async def reads(scope: Scope, receive: Receive, send: Send) -> None:
        taken.extend([await receive(), await receive()])
        await refuses(scope, exchange.receive, send)

    await Observed(reads, exchange.metrics, AccessLog("json", exchange.log))(exchange.scope, stalls, exchange.send)
    assert [message["type"] for message in taken] == ["http.request", "http.disconnect"]


async def test_an_application_that_says_nothing_is_noted() -> None:
    exchange = Exchange()
    await exchange.run(silent)
    assert exchange.line["status"] == 499


@pytest.mark.parametrize("method", ['G"ET', "PROPFIND", "ANYTHING"])
async def test_an_odd_method_makes_no_label(method: str) -> None:
    exchange = Exchange(method)
    await exchange.run(refuses)
    assert 'method="other"' in b"".join(exchange.metrics.text()).decode()


async def test_no_answer_is_taken_for_another_type() -> None:
    for app in (fails, refuses):
        exchange = Exchange()
        await exchange.run(app)
        assert (b"x-content-type-options", b"nosniff") in exchange.sent[0]["headers"]


@pytest.mark.parametrize(
    ("query", "masked"),
    [
        ("", ""),
        ("a=1&token=abc", "a=1&token=***"),
        ("Token=abc&b=token=x", "Token=***&b=token=x"),
        ("avh=1&api-key=2&signature=3&t=4", "avh=***&api-key=***&signature=***&t=***"),
        ("name=x&streamKey=5", "name=x&streamKey=***"),
    ],
)
def test_secrets_do_not_reach_the_log(query: str, masked: str) -> None:
    assert masked_query(query) == masked


def test_long_queries_are_masked_and_not_remembered() -> None:
    tracemalloc.start()
    try:
        for number in range(64):
            assert masked_query(f"a={'x' * 100_000}&token=abc{number}").endswith("x&token=***")
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 1_000_000


@pytest.mark.parametrize(
    "path",
    [
        "/vod/vi1/token/abc/hls/manifest.m3u8",
        "/upload-tokens/abc",
        "//vod/vi1/token//abc/hls/manifest.m3u8",
        "//live//private/abc/li1.m3u8",
    ],
)
def test_tokens_in_paths_do_not_reach_the_log(path: str) -> None:
    assert masked_path(path) == path.replace("abc", "***")
