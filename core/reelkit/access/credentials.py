"""Reading the credential of a request: which header it is in and what it says."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from reelkit.problems import InvalidAuthorizationHeaderValue

__all__ = ["Credential", "Headers", "credential_of"]

Headers = Mapping[str, str] | Iterable[tuple[bytes, bytes]]
"""Any mapping whose names are lower case or that ignores case, or the headers of an ASGI scope."""


_NAMES = ("authorization", "x-api-key", "x-session-token")
_LENGTHS = frozenset(len(name) for name in _NAMES)


class Credential(msgspec.Struct, frozen=True):
    """A secret and how it was presented."""

    how: Literal["basic", "bearer", "x-api-key", "x-session-token"]
    secret: str


def credential_of(headers: Headers) -> Credential | None:
    """Return the credential of a request, None when there is none; Authorization comes first, then X-API-Key.

    An empty header counts as absent: the official Node client sends one when it has no key.
    Raises InvalidAuthorizationHeaderValue.
    """
    authorization, api_key, session = _presented(headers)
    if authorization:
        scheme, _, value = authorization.partition(" ")
        value = value.strip()
        if scheme.lower() == "basic" and value:
            return Credential("basic", _user_name(value))
        if scheme.lower() == "bearer" and value:
            return Credential("bearer", value)
        raise InvalidAuthorizationHeaderValue(detail="Send `Basic base64(KEY:)` or `Bearer KEY`.")
    if api_key:
        return Credential("x-api-key", api_key)
    return Credential("x-session-token", session) if session else None


def _user_name(value: str) -> str:
    """Return the user of Basic credentials (RFC 7617), with or without the colon. Raises InvalidAuthorizationHeaderValue."""
    try:
        user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise InvalidAuthorizationHeaderValue(detail="What follows `Basic` is not base64 of UTF-8.") from None
    if password:
        raise InvalidAuthorizationHeaderValue(detail="The API key is the user name, and the password stays empty.")
    return user


def _presented(headers: Headers) -> tuple[str, str, str]:
    """Return what the three headers say, each the first of its name; empty for one that is not there."""
    if isinstance(headers, Mapping):
        found = {name: headers.get(name) or "" for name in _NAMES}
    else:
        found = {}
        # One look at each: this is done for every request.
        for name, value in headers:
            if len(name) in _LENGTHS:
                known = name.decode("latin-1").lower()
                if known in _NAMES and known not in found:
                    found[known] = value.decode("latin-1")
    return (
        found.get("authorization", "").strip(),
        found.get("x-api-key", "").strip(),
        found.get("x-session-token", "").strip(),
    )
