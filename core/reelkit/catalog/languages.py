"""Languages of texts: which tags there are, and what a language calls itself. Unicode CLDR, by way of Babel."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from babel import Locale

__all__ = ["canonical", "language_name", "language_tag"]

_TAG = re.compile(r"[A-Za-z]{2,3}(?:-(?:[A-Za-z]{2,12}|001|150|419)){0,3}", re.ASCII)
"""The regions of three digits are those of CLDR: the world, Europe, Latin America."""
_CODE = re.compile(r"[a-z]{2,3}", re.ASCII)
_CHINESE = frozenset({"zh", "yue"})
_KEPT_AS = {"no": "nb", "sh": "sr-Latn"}
"""Macrolanguages with regions, which CLDR has under another name: `no-NO`, `sh-BA`."""


def canonical(tag: str) -> str | None:
    """Return a tag as BCP 47 writes it (`fr-CA`, `zh-Hans-CN`); None when CLDR knows no such language."""
    if not _TAG.fullmatch(tag) or tag[:3].lower() == "und":
        return None
    language, *others = tag.split("-")
    written = "-".join([language.lower(), *(_subtag(part) for part in others)])
    return None if _locale(written) is None else written


@lru_cache(2048)
def language_name(tag: str) -> str:
    """Return what speakers of a language call it, first letter upper: `Français (Canada)`; the tag if CLDR has no name.

    Script and region are named where the tag says them.
    """
    locale = _locale(tag)
    name: str | None = None if locale is None else locale.language_name
    if locale is None or not name:
        return tag
    said = {len(part) for part in tag.split("-")[1:]}
    script, territory = 4 in said and locale.script_name, not said.isdisjoint((2, 3)) and locale.territory_name
    details = [part for part in (script, territory) if part]
    from babel import localedata

    # Babel would keep 0.15 MB for each language that was ever named.
    localedata._cache.clear()
    if details and locale.language in _CHINESE:
        name += f"（{'，'.join(details)}）"  # noqa: RUF001 - Chinese punctuation
    elif details:
        name += f" ({', '.join(details)})"
    return name[:1].upper() + name[1:]


@lru_cache(1024)
def language_tag(code: str) -> str | None:
    """Return the tag of a code of ISO 639-2, as media files have them: `eng` is `en`; None for one that says nothing."""
    if not _CODE.fullmatch(code) or code in ("und", "mul", "mis", "zxx"):
        return None
    from babel.core import get_global  # as for locales

    return str(get_global("language_aliases").get(code, code)).partition("_")[0]


def _subtag(part: str) -> str:
    """Write a script as `Hans`, a region as `CN`, a variant as `VALENCIA`, each as CLDR's identifiers do."""
    return part.title() if len(part) == 4 else part.upper()


def _locale(tag: str) -> Locale | None:
    """Return CLDR's locale of a tag, its likely script filled in where there are several."""
    from babel import Locale, UnknownLocaleError  # 2 MiB that a site without captions never needs

    language, *others = tag.split("-")
    for spelt in (tag, "-".join([_KEPT_AS.get(language, language), *others])):
        try:
            return Locale.parse(spelt, sep="-")
        except (UnknownLocaleError, ValueError, TypeError):
            continue
    return None
