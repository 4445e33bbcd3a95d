"""The chapters that a viewer is shown are those that they read best."""

from __future__ import annotations

import pytest
from reelkit.delivery.looks import Chapters, chapters_for


@pytest.mark.parametrize(
    ("viewer", "offered", "shown"),
    [
        ("fr", ["de", "fr"], "fr"),
        ("zh-CN", ["zh-TW", "zh-cn"], "zh-cn"),
        ("zh-TW", ["en", "zh-Hans"], "zh-Hans"),
        ("pt", ["de", "pt-BR", "pt"], "pt"),
        ("es", ["de", "fr"], "de"),
    ],
)
def test_the_same_tag_comes_before_the_same_language_before_any(viewer: str, offered: list[str], shown: str) -> None:
    chapters = tuple(Chapters(src=f"/{tag}.vtt", language=tag, label=tag) for tag in offered)
    found = chapters_for(viewer, chapters)
    assert found is not None and found.language == shown


def test_without_chapters_there_are_none() -> None:
    assert chapters_for("en", ()) is None
