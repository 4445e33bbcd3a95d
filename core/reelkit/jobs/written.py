"""What plugins write about videos, checked: what is no text at all will be none when it is asked for again."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from reelkit.jobs.job import PermanentFailure

__all__ = ["checked"]

Written = TypeVar("Written", bound=msgspec.Struct)


def checked(written: object, kind: type[Written], plugin: str, call: str) -> Written:
    """Return what a plugin's call returned once it and its fields are of their types. Raises PermanentFailure."""
    if not isinstance(written, kind):
        raise PermanentFailure(f"The plugin {plugin}: {call} must return {kind.__name__}, not {type(written).__name__}.")
    try:
        return msgspec.convert(msgspec.structs.asdict(written), kind)
    except msgspec.ValidationError as error:
        raise PermanentFailure(f"The plugin {plugin}: {call} returned no proper {kind.__name__}: {error}") from None
