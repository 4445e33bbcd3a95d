"""What scopes are about."""

from __future__ import annotations

import pytest
from litestar.handlers import HTTPRouteHandler
from reelkit.access.scopes import OBJECTS, PUBLIC, SESSION, needed, well_formed
from reelkit.app import HANDLERS

WITHOUT_A_KEY = {"auth", "healthz", "live", "metrics", "player", "readyz", "watch"}


def test_every_operation_is_about_a_known_object() -> None:
    about = {
        (handler.opt.get("needs") or needed(method, path)).partition(":")[0]
        for handler in HANDLERS
        if isinstance(handler, HTTPRouteHandler)
        for path in handler.paths
        for method in handler.http_methods
    }
    assert about - WITHOUT_A_KEY == set(OBJECTS) - {"api"}, "api is the stream proxy's"


@pytest.mark.parametrize("scope", ["*", "videos:*", "*:read", "live-streams:write", *PUBLIC, *SESSION])
def test_a_scope_has_an_object_and_an_action(scope: str) -> None:
    assert well_formed(scope)


@pytest.mark.parametrize("scope", ["", "videos", "videos:", ":read", "videos:delete", "videos:read ", "**", "a b:read"])
def test_what_opens_nothing_is_no_scope(scope: str) -> None:
    assert not well_formed(scope)
