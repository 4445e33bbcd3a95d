"""What plugins add is described with the rest, and cannot take the description down."""

from __future__ import annotations

import json
from typing import Any

import pytest
from litestar import get
from litestar.params import FromPath
from reelkit.api.dependencies import DEPENDENCIES
from reelkit.api.openapi import description_routes
from reelkit.app import HANDLERS, _Application

# Litestar 2.25 warns of every parameter that is told by its name alone; the handlers of the site rely on that.
pytestmark = pytest.mark.filterwarnings("ignore::litestar.exceptions.LitestarWarning", "ignore::DeprecationWarning")


@get("/films/{film_id:str}", operation_id="GET-film")
async def film(film_id: FromPath[str]) -> dict[str, str]:
    """Tell of a film."""
    return {"film": film_id}


async def described(*more: Any) -> dict[str, Any]:
    description, _ = description_routes(HANDLERS, _Application, dependencies=DEPENDENCIES)
    description.of_plugins.extend(more)
    found: dict[str, Any] = json.loads(await description.json())
    return found


async def test_routes_of_plugins_are_described_with_the_rest() -> None:
    paths = (await described(film))["paths"]
    assert paths["/films/{filmId}"]["get"]["summary"] == "Tell of a film."
    assert "/videos" in paths


async def test_a_route_whose_operation_id_is_taken_leaves_the_rest_described() -> None:
    broken = get("/same", operation_id="LIST-videos")(film.fn)
    paths = (await described(broken))["paths"]
    assert paths["/videos"]["get"]["operationId"] == "LIST-videos"
    assert "/same" not in paths
