"""JSON bodies in: an object is read field by field, so that every fault is told at once and by its name."""

from __future__ import annotations

import re
from typing import Any, TypeVar, get_args

import msgspec

from reelkit.problems import AttributeRequired, InvalidAttribute, InvalidPayload, Problem, every

__all__ = ["read_payload"]

T = TypeVar("T", bound=msgspec.Struct)


class NotAnArray(InvalidAttribute):
    """A single value where the contract wants several; the title is the contract's, and all that some clients show."""

    title = "This attribute must be an array."


_PATH = re.compile(r" - at `(?:key in )?\$([^`]*)`$")


def read_payload(body: bytes, kind: type[T]) -> T:
    """Return the Struct that a JSON body holds; fields it does not know are ignored, as the official clients expect.

    The content type is not looked at: browsers send JSON as text/plain to spare themselves a preflight.
    Raises InvalidPayload, or AttributeRequired and InvalidAttribute with all faults of the fields.
    """
    try:
        given = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidPayload(detail=f"The body is not JSON: {error}." if body else "The body is empty.") from None
    if not isinstance(given, dict):
        raise InvalidPayload(detail="The body must be a JSON object.")
    found: dict[str, Any] = {}
    faults: list[Problem] = []
    for field in msgspec.structs.fields(kind):
        name = field.encode_name
        if name not in given or (given[name] is None and not _takes_null(field.type) and not field.required):
            if field.required:
                faults.append(AttributeRequired(name=name))
            continue
        if given[name] is None and field.required and not _takes_null(field.type):
            faults.append(AttributeRequired(name=name))
            continue
        fault = _control_character(given[name], name)
        if fault is not None:
            faults.append(fault)
            continue
        try:
            found[field.name] = msgspec.convert(given[name], field.type)
        except msgspec.ValidationError as error:
            faults.append(_invalid(name, str(error)))
    if faults:
        raise every(faults)
    return kind(**found)


def _takes_null(kind: Any) -> bool:
    return kind is type(None) or type(None) in get_args(kind)


def _invalid(name: str, message: str) -> Problem:
    """Turn "Expected `str`, got `int` - at `$[0].key`" into a Problem named `tags[0][key]`."""
    path = _PATH.search(message)
    inside = re.sub(r"\.(\w+)", r"[\1]", path[1]) if path else ""
    kind = NotAnArray if message.startswith("Expected `array") else InvalidAttribute
    return kind(name=name + inside, detail=_PATH.sub("", message) + ".")


def _control_character(value: Any, name: str) -> Problem | None:
    """Find a NUL, which PostgreSQL cannot store and nobody means."""
    if isinstance(value, str):
        return InvalidAttribute(name=name, detail="The character U+0000 is not allowed.") if "\0" in value else None
    inside: list[tuple[Any, str]] = []
    if isinstance(value, list):
        inside = [(item, f"{name}[{number}]") for number, item in enumerate(value)]
    elif isinstance(value, dict):
        inside = [(item, f"{name}[{key}]") for key, item in value.items()]
    return next((fault for item, path in inside if (fault := _control_character(item, path))), None)
