"""Why something is not proxied: Problems that say what to mend, each with a short reason that a link can carry."""

from __future__ import annotations

from typing import ClassVar

from reelkit import Problem

__all__ = [
    "REASONS",
    "AddressRefused",
    "LinkExpired",
    "LinkInvalid",
    "NestsTooDeep",
    "OriginNotAllowed",
    "PlaylistRefused",
    "Refusal",
    "UriNotAllowed",
    "refusal_of",
]


class Refusal(Problem):
    """Something is not fetched, or not passed on."""

    reason: ClassVar[str] = ""
    """Of what stands in a playlist: the last word of the address /api/refused/REASON that takes its place."""


class AddressRefused(Refusal):
    """The URL cannot be read, or is not one that may be fetched. name: the field."""

    slug, status, title = "proxy-address-refused", 400, "This address cannot be fetched."
    reason = "address"


class OriginNotAllowed(Refusal):
    """The URL is fine, and no origin of the operator's list covers it."""

    slug, status, title = "proxy-origin-not-allowed", 403, "This origin is not on the proxy's list."
    reason = "origin"


class UriNotAllowed(Refusal):
    """A URI in a playlist that is no address of HTTP, or cannot be read."""

    slug, status, title = "proxy-uri-refused", 403, "This address in the playlist cannot be fetched."
    reason = "uri"


class LinkInvalid(Refusal):
    """The link was not made by this site, or not as it is now."""

    slug, status, title = "proxy-link-invalid", 403, "This link is not one of this site."


class LinkExpired(Refusal):
    """The link was good, and is too old; the playlist that it stood in has to be asked for again."""

    slug, status, title = "proxy-link-expired", 403, "This link has expired."


class PlaylistRefused(Refusal):
    """What the origin sent for a playlist or manifest cannot be passed on; detail says where it is wrong."""

    slug, status, title = "proxy-playlist-refused", 502, "The playlist of the origin cannot be used."


class NestsTooDeep(PlaylistRefused):
    """Playlists that lead to playlists that lead to playlists, and so on."""

    slug, title = "proxy-playlist-nests", "These playlists lead on to too many others."


REASONS: dict[str, type[Refusal]] = {kind.reason: kind for kind in (AddressRefused, OriginNotAllowed, UriNotAllowed)}


def refusal_of(reason: str) -> Refusal | None:
    """Return what /api/refused/REASON answers; None for what no playlist leads to."""
    kind = REASONS.get(reason)
    if kind is None:
        return None
    return kind(name="uri", detail="The playlist leads to an address that this proxy does not fetch.")
