"""Variables of HLS playlists (EXT-X-DEFINE): expanded here, so that what comes out has none."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

import msgspec

from reelkit_streamproxy.addresses import Address
from reelkit_streamproxy.refusals import PlaylistRefused

__all__ = ["expanded"]

LARGEST = 32 * 1024**2
"""Bytes of a playlist once its variables are expanded."""
MOST_CARRIED = 2048
"""Bytes of the variables that go on, in links, to the playlists that may import them."""

_DEFINE = re.compile(rb"^#EXT-X-DEFINE:[^\n]*", re.MULTILINE)
_REFERENCE = re.compile(rb"\{\$([A-Za-z0-9_-]+)\}")
_ATTRIBUTE = re.compile(rb'(?:^|,)\s*(NAME|VALUE|IMPORT|QUERYPARAM)="([^"]*)"')
_UNFIT = re.compile(r'[\x00-\x1f\x7f"\x85\u2028\u2029]')


def expanded(text: bytes, page: Address, imported: dict[str, str]) -> tuple[bytes, dict[str, str]]:
    """Return a playlist with its variables expanded and their definitions gone, and what they stand for.

    A reference above the definition, or to nothing, stays as it is: an address with one in it is not fetched. Values are
    not looked through for references, so that none grows. imported: the variables of the playlist that led here.
    draft-pantos-hls-rfc8216bis-17, 4.3 and 4.4.2.3. Raises PlaylistRefused.
    """
    if b"#EXT-X-DEFINE:" not in text:
        return text, {}
    known: dict[bytes, bytes] = {}
    size = 0

    def value(found: re.Match[bytes]) -> bytes:
        nonlocal size
        made = known.get(found[1], found[0])
        size += len(made)
        if size > LARGEST:
            raise PlaylistRefused(name="url", detail=f"It is larger than {LARGEST} bytes once its variables are expanded.")
        return made

    parts: list[bytes] = []
    end = 0
    for define in _DEFINE.finditer(text):
        parts.append(_REFERENCE.sub(value, text[end : define.start()]))
        end = define.end()
        known.update(_defined(define[0], page, imported))
    parts.append(_REFERENCE.sub(value, text[end:]))
    variables = {name.decode(): each.decode() for name, each in known.items()}
    if len(msgspec.json.encode(variables)) > MOST_CARRIED:
        raise PlaylistRefused(name="url", detail=f"Its variables take more than {MOST_CARRIED} bytes.")
    return b"".join(parts), variables


def _defined(tag: bytes, page: Address, imported: dict[str, str]) -> dict[bytes, bytes]:
    given: dict[bytes, bytes] = dict(_ATTRIBUTE.findall(tag.partition(b":")[2]))
    if b"NAME" in given and b"VALUE" in given:
        return {given[b"NAME"]: given[b"VALUE"]}
    if b"IMPORT" in given:
        return _fit(given[b"IMPORT"], imported.get(given[b"IMPORT"].decode()))
    if b"QUERYPARAM" in given:
        query = dict(reversed(parse_qsl(page.query or "", keep_blank_values=True, errors="strict", max_num_fields=1000)))
        return _fit(given[b"QUERYPARAM"], query.get(given[b"QUERYPARAM"].decode()))
    return {}


def _fit(name: bytes, value: str | None) -> dict[bytes, bytes]:
    # What came in an address could break out of a line, or out of the quotes of an attribute.
    return {} if value is None or _UNFIT.search(value) else {name: value.encode()}
