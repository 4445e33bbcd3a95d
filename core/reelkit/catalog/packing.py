"""Typed values in JSON columns, and the folded text that titles are sorted and searched by."""

from __future__ import annotations

import unicodedata
from fractions import Fraction
from typing import Any, TypeVar

import msgspec

__all__ = ["fold", "pack", "sentence", "storable", "unpack"]

T = TypeVar("T")


def pack(value: Any) -> str:
    """Return the JSON of a Struct, list or dict; fractions as `30000/1001`."""
    return _encoder.encode(value).decode()


def unpack(text: str | None, type: type[T]) -> T | None:
    """Return the value that `pack` packed; None stays None."""
    return None if text is None else msgspec.json.decode(text, type=type, dec_hook=_decode)


def _encode(value: Any) -> Any:
    if isinstance(value, Fraction):
        return str(value)
    raise NotImplementedError(f"{type(value).__name__} in a JSON column")


def _decode(type: type, value: Any) -> Any:
    if type is Fraction:
        return Fraction(value)
    raise NotImplementedError(f"{type.__name__} in a JSON column")


_encoder = msgspec.json.Encoder(enc_hook=_encode)


def fold(text: str) -> str:
    """Return text without case and accents: `Édith` and `edith` are the same, on every database alike."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def storable(text: str) -> bool:
    """Tell whether every database can keep a text: Postgres refuses NUL, and lone surrogates have no UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def sentence(reason: str) -> str:
    """Return a reason for people, whoever wrote it, that every database can keep, cut to what they read."""
    return reason.replace("\0", "").encode(errors="replace").decode()[:2000]
