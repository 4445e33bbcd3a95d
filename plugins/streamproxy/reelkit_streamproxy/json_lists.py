"""Rewriting what playlists lead to in JSON: manifests of content steering, and lists of interstitials.

draft-pantos-hls-rfc8216bis-17, 7 and appendix D; DASH-IF's content steering has the same manifest. PATHWAY-CLONES are left
out: they tell players to put other hosts into the addresses of a playlist, which by then are ours.
"""

from __future__ import annotations

from typing import Any

import msgspec

from reelkit_streamproxy.addresses import parse_address
from reelkit_streamproxy.linking import Linker
from reelkit_streamproxy.references import Foreign, Unreadable, escaped, resolve
from reelkit_streamproxy.refusals import PlaylistRefused

__all__ = ["rewrite"]

MOST_ASSETS = 1000


def rewrite(manifest: bytes, base: str, link: Linker, /) -> bytes:
    """Return a manifest or list whose every address is a link, as hls.rewrite does. Raises PlaylistRefused."""
    page = parse_address(base, "base")
    try:
        found: dict[str, Any] = msgspec.json.decode(manifest, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        raise PlaylistRefused(name="url", detail="It is no JSON object.") from None

    def to(reference: object, *, beside: bool = False) -> object:
        if not isinstance(reference, str):
            return reference
        text = escaped(reference)
        try:
            return link.to(resolve(text, page), beside=beside)
        except (Foreign, Unreadable) as error:
            return link.refuse_uri(text, str(error))

    found.pop("PATHWAY-CLONES", None)
    if "RELOAD-URI" in found:
        found["RELOAD-URI"] = to(found["RELOAD-URI"], beside=True)
    assets = found.get("ASSETS")
    if isinstance(assets, list):
        if len(assets) > MOST_ASSETS:
            raise PlaylistRefused(name="url", detail=f"It has {len(assets)} assets; {MOST_ASSETS} are allowed.")
        for asset in assets:
            if isinstance(asset, dict) and "URI" in asset:
                asset["URI"] = to(asset["URI"])
    return msgspec.json.encode(found)
