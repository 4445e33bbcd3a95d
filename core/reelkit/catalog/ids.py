"""Ids: two letters that say what it is, then 22 random alphanumerics (131 bits), as the contract's clients expect."""

from __future__ import annotations

import secrets
import string

__all__ = ["new_id"]

ALPHABET = string.ascii_letters + string.digits


def new_id(kind: str) -> str:
    """Return a new id. kind: vi (video), so (source), re (rendition), ke (key), pr (project), dm (doomed key)."""
    return kind + "".join(secrets.choice(ALPHABET) for _ in range(22))
