"""What somebody wants to change, or has changed: what the hooks before_change and after_change are handed."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

__all__ = ["Action", "Change"]

Action = Literal["create", "update", "delete"]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One change of one object. before, after: fields as the API names them, in values that JSON has.

    | action | before_change: before, after | after_change: before, after |
    |---|---|---|
    | create | None, the fields asked for | None, the object |
    | update | the object, the fields asked for | the object as it was, as it is |
    | delete | the object, None | the object, None |
    """

    resource: str
    """`video`, `caption`, `upload-token` …: one word an object of the API."""
    action: Action
    project: str
    environment: Literal["production", "sandbox"]
    id: str = ""
    """Empty before a creation."""
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
