"""Language tags: which there are, how they are written, and what languages call themselves."""

from __future__ import annotations

import pytest
from babel import localedata
from hypothesis import given
from hypothesis import strategies as st
from reelkit.catalog.languages import canonical, language_name


@pytest.mark.parametrize(
    ("tag", "written", "name"),
    [
        ("FR", "fr", "Français"),
        ("zh-cn", "zh-CN", "中文（中国）"),  # noqa: RUF001 - Chinese punctuation
        ("es-419", "es-419", "Español (Latinoamérica)"),
        ("pa-PK", "pa-PK", "پنجابی (پاکستان)"),
        ("no-no", "no-NO", "Norsk bokmål (Norge)"),
        ("sh-BA", "sh-BA", "Srpski (Bosna i Hercegovina)"),
        ("fra", "fra", "Français"),
        ("sr-latn", "sr-Latn", "Srpski (latinica)"),
        ("nb", "nb", "Norsk bokmål"),
        ("el", "el", "Ελληνικά"),
        ("ja", "ja", "日本語"),
    ],
)
def test_tags_are_written_and_named_in_one_way(tag: str, written: str, name: str) -> None:
    assert canonical(tag) == written
    assert language_name(written) == name


@pytest.mark.parametrize("tag", ["", "x", "xx", "fr_CA", "en-999", "und", "und-US", "root", "fr--CA", "de-XX", "FR-" * 50])
def test_what_is_no_language_has_no_tag(tag: str) -> None:
    assert canonical(tag) is None


def test_every_language_of_cldr_is_taken() -> None:
    tags = [name.replace("_", "-") for name in localedata.locale_identifiers()]
    assert len(tags) > 900
    assert [tag for tag in tags if canonical(tag) is None] == []


@given(st.text(max_size=40) | st.from_regex(r"[A-Za-z-]{1,40}", fullmatch=True))
def test_any_text_is_a_tag_or_none(text: str) -> None:
    known = canonical(text)
    assert known is None or canonical(known) == known
