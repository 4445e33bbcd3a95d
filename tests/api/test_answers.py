"""Values that handlers return become JSON quickly, and everything else as Litestar would have it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec
from litestar import Litestar, Response, get
from litestar.datastructures import Cookie, ResponseHeader
from litestar.di import NamedDependency, Provide
from litestar.routes import HTTPRoute
from litestar.testing import TestClient
from reelkit.api.answers import JsonResponse
from reelkit.api.dependencies import resolve_in_turn


class Thing(msgspec.Struct, rename="camel"):
    made_at: datetime
    where: Path


THING = Thing(datetime(2026, 11, 22, tzinfo=UTC), Path("a/b"))


@get("/thing")
async def thing() -> Thing:
    return THING


@get("/nothing", status_code=204)
async def nothing() -> None:
    return None


@get("/null")
async def null() -> None:
    return None


@get("/text")
async def text() -> str:
    return "héllo"


@get("/marked", response_headers=[ResponseHeader(name="x-a", value="b")], response_cookies=[Cookie("c", "d")])
async def marked() -> Thing:
    return THING


@get("/own")
async def own() -> Response[Thing]:
    return Response(THING, status_code=202, headers={"x-own": "1"})


def test_answers_are_those_of_the_framework() -> None:
    handlers = [thing, nothing, null, text, marked, own]
    ours = Litestar(handlers, response_class=JsonResponse, openapi_config=None)
    theirs = Litestar(handlers, openapi_config=None)
    with TestClient(ours) as client, TestClient(theirs) as peer:
        for path in ("/thing", "/nothing", "/null", "/text", "/marked", "/own"):
            said, expected = client.get(path), peer.get(path)
            assert (said.status_code, said.content) == (expected.status_code, expected.content), path
            assert sorted(said.headers.multi_items()) == sorted(expected.headers.multi_items()), path


def test_dependencies_wait_for_each_other() -> None:
    order: list[str] = []

    async def first() -> str:
        order.append("first")
        return "1"

    async def second() -> str:
        order.append("second")
        return "2"

    @get("/both")
    async def both(first: NamedDependency[str], second: NamedDependency[str]) -> str:
        return first + second

    app = Litestar([both], dependencies={"first": Provide(first), "second": Provide(second)}, openapi_config=None)
    models = [model for route in app.routes if isinstance(route, HTTPRoute) for _, model in route.route_handler_map.values()]
    assert max(len(batch) for model in models for batch in model.dependency_batches) == 2, "or nothing needs to be done"
    resolve_in_turn(app)
    assert [len(batch) for model in models for batch in model.dependency_batches] == [1, 1]
    with TestClient(app) as client:
        assert client.get("/both").text == "12"
    assert sorted(order) == ["first", "second"]
