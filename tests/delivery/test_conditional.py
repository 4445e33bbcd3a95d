"""Entity tags and the conditions around them."""

from __future__ import annotations

import pytest
from reelkit.delivery.conditional import entity_tag, has_current, range_still_holds

TAG = entity_tag("re1", "v0", 3)


@pytest.mark.parametrize(
    ("header", "current"),
    [
        (None, False),
        (TAG, True),
        (f"W/{TAG}", True),
        (f'"other", {TAG}', True),
        ('"a, b", "c"', False),
        ("*", True),
        ('"other"', False),
        ("", False),
        (TAG.strip('"'), False),
    ],
)
def test_a_client_that_names_the_tag_has_the_bytes(header: str | None, current: bool) -> None:
    assert has_current(header, TAG) is current


@pytest.mark.parametrize(
    ("header", "holds"),
    [(None, True), (TAG, True), (f"W/{TAG}", False), ('"other"', False), ("Sun, 22 Nov 2026 04:00:00 GMT", False)],
)
def test_if_range_lets_only_the_same_bytes_be_continued(header: str | None, holds: bool) -> None:
    assert range_still_holds(header, TAG) is holds


def test_what_differs_has_another_tag() -> None:
    assert len({TAG, entity_tag("re1", "v0", 4), entity_tag("re1", "v", "03"), entity_tag("re2", "v0", 3)}) == 4
